-- Holds all of the seats, or none.
-- ARGV[8..] the runs of the seats: pairs of first and last, ascending
local free = tonumber(ARGV[#ARGV]) < count
for i = 8, #ARGV, 2 do
  local letters = redis.call('GETRANGE', STATES, ARGV[i], ARGV[i + 1])
  free = free and letters == string.rep('A', ARGV[i + 1] - ARGV[i] + 1)
end
if not free then
  commit()
  return { 'TAKEN', redis.call('GET', STATES) }
end

local runs = {}
for i = 8, #ARGV, 2 do
  local first, last = ARGV[i], ARGV[i + 1]
  change(first, string.rep('H', last - first + 1))
  runs[#runs + 1] = first .. '-' .. last
end
local answer = place(table.concat(runs, ','))
commit()
return answer
