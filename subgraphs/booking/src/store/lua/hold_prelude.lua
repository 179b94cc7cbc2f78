-- What hold.lua and best_available.lua share.
-- ARGV[3] hold, ARGV[4] user, ARGV[5] digest of the request, ARGV[6] time to live in ms,
-- ARGV[7] revision of the show that the caller knows
local TOKEN = 'h' .. ARGV[3]

-- The answer to a request that was answered before, from its hold or its tombstone.
local function replay(record)
  local hold = endings().parse_hold(record)
  if hold.digest ~= ARGV[5] then return { 'REUSED' } end
  if hold.status ~= 'L' then return { 'GONE', hold.status } end
  return { 'HELD', hold.created, text(hold.deadline), hold.seats, 0, 0 }
end

-- Records the new hold of these seats (runs). The last number of the answer is 1 when its end is the first to
-- come of the whole show, the one before it when the hold is new.
local function place(seats)
  local deadline, first = now + tonumber(ARGV[6]), 0
  local deadline_text = text(deadline)
  puts[1] = TOKEN
  puts[2] = 'L|' .. ARGV[4] .. '|' .. ARGV[5] .. '|' .. clock[1] .. '|' .. deadline_text .. '|' .. seats
  redis.call('ZADD', DEADLINES, deadline_text, TOKEN)
  if deadline < due then
    puts[3], puts[4], first = 'due', deadline_text, 1
  end
  return { 'HELD', clock[1], deadline_text, seats, 1, first }
end

local record = open(TOKEN)
if record == nil then return { 'NOT_LOADED' } end
if revision < tonumber(ARGV[7]) then
  commit()
  return { 'OUTDATED' }
end
if record then
  commit()
  return replay(record)
end
