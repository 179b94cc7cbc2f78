-- Takes over what PostgreSQL decided about a durable hold. What is not later than what is known changes nothing.
-- KEYS[4] notes, as in apply.lua
-- TOKEN is the hold. ARGV[4] its record, whatever its status; ARGV[5] how long a note is kept in ms
local records = endings()
local hold = records.parse_hold(ARGV[4])

if not epoch then
  -- A loader may have read PostgreSQL before this was committed: the note makes its load complete.
  local note = redis.call('HGET', KEYS[4], TOKEN)
  if not note or records.supersedes(hold, records.parse_hold(note)) then
    redis.call('HSET', KEYS[4], TOKEN, ARGV[4])
    redis.call('PEXPIRE', KEYS[4], ARGV[5])
  end
  return { 'NOTED' }
end

local known = record and records.parse_hold(record)
if known and not records.supersedes(hold, known) then
  commit()
  return { known.status == hold.status and 'KNOWN' or 'STALE' }
end
local lives = known and known.status == 'L'
if lives and hold.status == 'C' then
  -- The booking takes its seats over, and says so: free for a moment, they would go to others.
  commit()
  return { 'KNOWN' }
end

-- What Redis gave to the same request is replaced, however far the durable hold has come.
local answer = { 'APPLIED', 0 }
local twin = records.plain_twin(TOKEN)
local plain = redis.call('HGET', LEDGER, twin)
plain = plain and records.parse_hold(plain)
if plain and plain.status ~= 'L' then plain = nil end

if hold.status ~= 'L' or hold.deadline <= now then
  if lives then records.free(known.seats) end
  if plain then
    records.free(plain.seats)
    answer[3], answer[4] = string.sub(twin, 2), plain.user
    records.bury(twin, plain, 'T')
  end
  records.bury(TOKEN, hold, hold.status == 'L' and 'E' or hold.status)
  commit()
  return answer
end

if not lives then
  local wanted, missing, ending = {}, {}, {}
  local function each(seats, visit)
    for first, last in string.gmatch(seats, '(%d+)%-(%d+)') do
      for seat = tonumber(first), tonumber(last) do visit(seat) end
    end
  end
  local states = redis.call('GET', STATES)
  each(hold.seats, function(seat)
    wanted[seat] = string.sub(states, seat + 1, seat + 1)
    if wanted[seat] ~= 'A' and wanted[seat] ~= 'B' then missing[seat] = true end
  end)
  if plain then
    ending[twin] = plain
    each(plain.seats, function(seat) missing[seat] = nil end)
  end
  -- Rare: who has the seats is asked of all records. It outranks holds of Redis.
  if next(missing) then
    local fields = redis.call('HGETALL', LEDGER)
    for i = 1, #fields, 2 do
      if string.find(fields[i], '^h%x+$') and not records.is_durable(fields[i]) then
        local other = records.parse_hold(fields[i + 1])
        each(other.seats, function(seat)
          if missing[seat] then
            missing[seat] = nil
            ending[fields[i]] = other
          end
        end)
      end
    end
    if next(missing) then
      -- A booking or another durable hold has the seat, or the map has not: only a new load can tell.
      commit()
      return { 'CONFLICT', epoch }
    end
  end
  for token, other in pairs(ending) do
    each(other.seats, function(seat)
      if not wanted[seat] then records.free(seat .. '-' .. seat) end
    end)
    answer[#answer + 1] = string.sub(token, 2)
    answer[#answer + 1] = other.user
    records.bury(token, other, 'T')
  end
  for seat, before in pairs(wanted) do
    if before ~= 'H' then change(seat, 'H') end
  end
end

puts[1], puts[2] = TOKEN, records.format_hold(hold)
redis.call('ZADD', DEADLINES, text(hold.deadline), TOKEN)
if hold.deadline < due then
  puts[3], puts[4], answer[2] = 'due', text(hold.deadline), 1
end
commit()
return answer
