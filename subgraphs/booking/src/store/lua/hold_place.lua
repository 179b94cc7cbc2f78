-- What hold.lua and best_available.lua end with: records the new hold of `seats`, whose letters are changed.
-- The last number of the answer is 1 when its end is the first to come of the whole show, the one before it when
-- the hold is new.
local deadline, first = now + tonumber(ARGV[6]), 0
local deadline_text = text(deadline)
puts[1] = TOKEN
puts[2] = 'L|' .. ARGV[4] .. '|' .. ARGV[5] .. '|' .. clock[1] .. '|' .. deadline_text .. '|' .. seats
redis.call('ZADD', DEADLINES, deadline_text, TOKEN)
if deadline < due then
  puts[3], puts[4], first = 'due', deadline_text, 1
end
commit()
return { 'HELD', clock[1], deadline_text, seats, 1, first }
