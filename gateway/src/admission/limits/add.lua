-- Adds uses of an API key that a gateway has counted while Redis was away: once, however often it is told.
--
-- KEYS: the hash of the uses of the key on a day; the mark of what is added.
-- ARGV: for each class its name and a number.

if redis.call('SET', KEYS[2], 1, 'NX', 'EX', 259200) then
  for at = 1, #ARGV, 2 do
    redis.call('HINCRBY', KEYS[1], ARGV[at], ARGV[at + 1])
  end
  redis.call('EXPIRE', KEYS[1], 259200)
end
return 1
