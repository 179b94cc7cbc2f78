-- Takes over what PostgreSQL decided about one booking: from this version on it owns exactly these seats.
-- A version that is not newer than the last one is late, or a repetition, and changes nothing.
-- KEYS[4] notes: hash like the ledger's b<booking> fields, kept while the show is not loaded
-- TOKEN is the booking. ARGV[4] its version, ARGV[5] C claimed, S sold or F freed, ARGV[6] end of the claim in ms or 0,
-- ARGV[7] the hold that became this booking (h<hold>), or '', ARGV[8] how long a note is kept in ms, ARGV[9] seats (runs)
local booking = { version = tonumber(ARGV[4]), status = ARGV[5], til = tonumber(ARGV[6]), seats = ARGV[9] }
local records = endings()

if not epoch then
  -- A loader may have read PostgreSQL before this was committed: the note makes its load complete.
  local note = redis.call('HGET', KEYS[4], TOKEN)
  if not note or records.parse_booking(note).version < booking.version then
    redis.call('HSET', KEYS[4], TOKEN, records.format_booking(booking))
    redis.call('PEXPIRE', KEYS[4], ARGV[8])
  end
  return { 'NOTED' }
end

local known = record and records.parse_booking(record) or { version = -1, seats = '' }
if known.version >= booking.version then
  commit()
  return { 'STALE' }
end
-- A claim that comes after its own end owns nothing.
if booking.status == 'C' and booking.til <= now then booking.status = 'L' end
if booking.status ~= 'C' and booking.status ~= 'S' then booking.seats = '' end

local function each(seats, visit)
  for first, last in string.gmatch(seats, '(%d+)%-(%d+)') do
    for seat = tonumber(first), tonumber(last) do visit(seat) end
  end
end

-- Live holds that end with this step: the one that became the booking, and those that lose a seat to it.
local ending = {}
local own, wanted = {}, {}
each(known.seats, function(seat) own[seat] = true end)
local origin = ARGV[7] ~= '' and redis.call('HGET', LEDGER, ARGV[7])
if origin then
  local hold = records.parse_hold(origin)
  if hold.status == 'L' then
    ending[ARGV[7]] = hold
    each(hold.seats, function(seat) own[seat] = true end)
  end
end

local states = redis.call('GET', STATES)
local contested = false
each(booking.seats, function(seat)
  wanted[seat] = string.sub(states, seat + 1, seat + 1)
  -- A seat beyond the map is contested too: nobody has it, and the answer will be a conflict.
  contested = contested or seat >= #states or (not own[seat] and string.find('HS', wanted[seat], 1, true))
end)

-- Rare: who has the seats is asked of all records.
if contested then
  local missing = {}
  for seat in pairs(wanted) do
    if not own[seat] and wanted[seat] ~= 'A' and wanted[seat] ~= 'B' then missing[seat] = true end
  end
  local fields = redis.call('HGETALL', LEDGER)
  for i = 1, #fields, 2 do
    if string.find(fields[i], '^h%x+$') then
      local hold = records.parse_hold(fields[i + 1])
      -- PostgreSQL gives no seat twice: a durable hold that has it, too, is a contradiction.
      local yields = not records.is_durable(fields[i])
      each(hold.seats, function(seat)
        if missing[seat] and yields then
          missing[seat] = nil
          ending[fields[i]] = hold
        end
      end)
    end
  end
  if next(missing) then
    -- Another booking or a durable hold has the seat, or the map has not. PostgreSQL knows; only a new load can tell.
    commit()
    return { 'CONFLICT', epoch }
  end
end

local function let_go(seat)
  if not wanted[seat] then records.free(seat .. '-' .. seat) end
end
local answer = { 'APPLIED', 0 }
each(known.seats, let_go)
for hold_token, hold in pairs(ending) do
  each(hold.seats, let_go)
  answer[#answer + 1] = string.sub(hold_token, 2)
  answer[#answer + 1] = hold.user
  records.bury(hold_token, hold, hold_token == ARGV[7] and 'C' or 'T')
end
local letter = booking.status == 'S' and 'S' or 'H'
for seat, before in pairs(wanted) do
  if before ~= letter then change(seat, letter) end
end

puts[1], puts[2] = TOKEN, records.format_booking(booking)
if booking.status == 'C' then
  redis.call('ZADD', DEADLINES, text(booking.til), TOKEN)
  if booking.til < due then
    puts[3], puts[4], answer[2] = 'due', text(booking.til), 1
  end
else
  redis.call('ZREM', DEADLINES, TOKEN)
end
commit()
return answer
