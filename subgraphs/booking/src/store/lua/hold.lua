-- Holds all of the seats, or none.
-- ARGV[8..U] the runs of the seats: pairs of first and last, ascending
for i = 8, U, 2 do
  -- A seat beyond the map has no letter.
  local letters = redis.call('GETRANGE', STATES, ARGV[i], ARGV[i + 1])
  if letters ~= string.rep('A', ARGV[i + 1] - ARGV[i] + 1) then
    commit()
    return { 'TAKEN', redis.call('GET', STATES) }
  end
end
for i = 8, U, 2 do
  local first, last = ARGV[i], ARGV[i + 1]
  change(first, string.rep('H', last - first + 1))
  seats = (seats and seats .. ',' or '') .. first .. '-' .. last
end
