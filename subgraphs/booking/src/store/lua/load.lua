-- Makes the state of a show from what a loader read in PostgreSQL, under a new epoch, from version 1.
--
-- What PostgreSQL committed after the loader read is in the notes (the show was not loaded) or in the ledger
-- (it was): of each booking the higher version stands, so a load never takes back what apply.lua was told.
-- The same goes for durable holds. They outrank the holds of Redis, and never a booking.
-- The lock bounds the time between reading and loading: notes live longer than the lock.
--
-- KEYS[4] notes, KEYS[5] plan, KEYS[6] lock
-- ARGV[4] whether to replace a loaded show: NEVER, ALWAYS, BELOW and a revision, EPOCH and the epoch to replace,
-- SERVER and the only run of Redis that it may have been loaded into;
-- ARGV[5] new epoch, ARGV[6] revision, ARGV[7] count of seats, ARGV[8] blocked seats as ",3,7," or '',
-- ARGV[9] when the keys may go, ms, ARGV[10] plan, ARGV[11] token of the lock,
-- ARGV[12] this run of Redis, or '', ARGV[13..] pairs of booking (b<booking>) or durable hold (h<hold>) and record

-- What lapsed belongs to the old epoch, which may stay.
commit()
if redis.call('GET', KEYS[6]) ~= ARGV[11] then return { 'LOST' } end
redis.call('DEL', KEYS[6])
if epoch then
  local rule, value = string.match(ARGV[4], '^(%u+) ?(.*)$')
  local stays = rule == 'NEVER' or (rule == 'BELOW' and revision >= tonumber(value))
    or (rule == 'EPOCH' and epoch ~= value)
    or (rule == 'SERVER' and redis.call('HGET', LEDGER, 'server') == value)
  if stays then return { 'LOADED', epoch, version, text(due) } end
end

local records = endings()
local seat_count = tonumber(ARGV[7])
-- What was read; `late` are bookings of which more is known by now.
local bookings, late, holds, read = {}, {}, {}, {}
for i = 13, #ARGV, 2 do
  local token, record_read = ARGV[i], ARGV[i + 1]
  if string.sub(token, 1, 1) == 'b' then
    bookings[token] = records.parse_booking(record_read)
  else
    holds[token], read[token] = records.parse_hold(record_read), true
  end
end

local function keep(fields)
  for i = 1, #fields, 2 do
    local token, kind = fields[i], string.match(fields[i], '^([hb])%x+$')
    if kind == 'h' then
      local hold = records.parse_hold(fields[i + 1])
      if not holds[token] or records.supersedes(hold, holds[token]) then holds[token] = hold end
    elseif kind == 'b' then
      local booking = records.parse_booking(fields[i + 1])
      if not bookings[token] or bookings[token].version < booking.version then
        bookings[token], late[token] = booking, true
      end
    end
  end
end
keep(redis.call('HGETALL', LEDGER))
keep(redis.call('HGETALL', KEYS[4]))

-- Who owns what: blocked seats, over them the bookings that the loader read, over them the later ones.
local owners = {}
for seat in string.gmatch(ARGV[8], '%d+') do owners[tonumber(seat)] = 'x' end

local function each(seats, visit)
  for first, last in string.gmatch(seats, '(%d+)%-(%d+)') do
    for seat = tonumber(first), tonumber(last) do visit(seat) end
  end
end

local function own(token, booking)
  if booking.status == 'C' and booking.til <= now then booking.status = 'L' end
  if booking.status ~= 'C' and booking.status ~= 'S' then booking.seats = '' end
  local clear = true
  each(booking.seats, function(seat)
    if late[token] and late[owners[seat]] then clear = false end
    if seat < seat_count then owners[seat] = token end
  end)
  return clear
end
for token, booking in pairs(bookings) do
  if not late[token] then own(token, booking) end
end
for token, booking in pairs(bookings) do
  -- Two later ones claim one seat: PostgreSQL knows by now which has it.
  if late[token] and not own(token, booking) then return { 'CONFLICT' } end
end

-- A show that is over is purged a little later still, else it could not be read at all.
local purge = math.max(tonumber(ARGV[9]), now + 600000)
due = purge
local deadlines, ledger, ended = { text(purge), 'end' }, {}, {}
local function remind(token, at)
  deadlines[#deadlines + 1], deadlines[#deadlines + 2] = text(at), token
  due = math.min(due, at)
end

-- A durable hold that was read gives way to a later booking; of one that was not read, and of whoever has its
-- seats, PostgreSQL knows by now which it is.
local contradiction = false
for token, hold in pairs(holds) do
  if hold.status == 'L' and records.is_durable(token) then
    if hold.deadline <= now then
      hold.status, hold.seats = 'E', ''
    else
      local whole = true
      each(hold.seats, function(seat)
        local owner = owners[seat]
        if owner and owner ~= 'x' then
          whole = false
          contradiction = contradiction or not (read[token] and late[owner])
        end
        whole = whole and seat < seat_count
      end)
      if whole then
        each(hold.seats, function(seat) owners[seat] = token end)
      else
        hold.status, hold.seats = 'T', ''
      end
    end
  end
end
if contradiction then return { 'CONFLICT' } end

-- Which holds of Redis a durable one has replaced: those of the same request.
local replaced = {}
for token in pairs(holds) do
  if records.is_durable(token) then replaced[records.plain_twin(token)] = true end
end

-- Holds live on in a show that is loaded anew, unless a seat of theirs is gone.
for token, hold in pairs(holds) do
  if hold.status == 'L' and not records.is_durable(token) then
    local whole = not replaced[token]
    each(hold.seats, function(seat)
      whole = whole and not owners[seat] and seat < seat_count
    end)
    if whole then
      each(hold.seats, function(seat) owners[seat] = token end)
    else
      ended[#ended + 1] = string.sub(token, 2)
      ended[#ended + 1] = hold.user
      hold.status = 'T'
    end
  end
  if hold.status ~= 'L' then hold.seats = '' end
  ledger[#ledger + 1], ledger[#ledger + 2] = token, records.format_hold(hold)
  remind(token, hold.status == 'L' and hold.deadline or hold.deadline + tonumber(ARGV[2]))
end

local letters, runs = {}, {}
for seat = 0, seat_count - 1 do
  local token = owners[seat]
  letters[seat + 1] = not token and 'A' or token == 'x' and 'B'
    or bookings[token] and bookings[token].status == 'S' and 'S' or 'H'
  if bookings[token] then
    runs[token] = runs[token] or {}
    table.insert(runs[token], seat .. '-' .. seat)
  end
end
for token, booking in pairs(bookings) do
  booking.seats = table.concat(runs[token] or {}, ',')
  ledger[#ledger + 1], ledger[#ledger + 2] = token, records.format_booking(booking)
  if booking.status == 'C' then remind(token, booking.til) end
end

-- unpack() has a limit.
local function write(command, key, list)
  for from = 1, #list, 1000 do
    redis.call(command, key, unpack(list, from, math.min(from + 999, #list)))
  end
end
local lapsed = redis.call('HGET', LEDGER, 'lapsed')
redis.call('DEL', LEDGER, DEADLINES, KEYS[4])
redis.call('HSET', LEDGER, 'epoch', ARGV[5], 'version', 1, 'revision', ARGV[6], 'blocked', ARGV[8], 'due', text(due),
  'server', ARGV[12])
if lapsed then redis.call('HSET', LEDGER, 'lapsed', lapsed) end
write('HSET', LEDGER, ledger)
write('ZADD', DEADLINES, deadlines)
redis.call('SET', STATES, table.concat(letters))
redis.call('SET', KEYS[5], ARGV[10])
for _, key in ipairs({ LEDGER, STATES, DEADLINES, KEYS[5] }) do redis.call('PEXPIREAT', key, text(purge)) end
redis.call('PUBLISH', ARGV[1], ARGV[5] .. ' 1 ')
return { 'LOADED', ARGV[5], 1, text(due), unpack(ended) }
