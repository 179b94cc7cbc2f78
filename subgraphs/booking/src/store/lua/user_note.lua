-- Counts a hold that PostgreSQL gave, or the claim that it became, against the limits of its user, and remembers
-- the request under its key, also when the hold is over by now: a repetition of it must find how it ended.
-- KEYS as the last two in user_room.lua. ARGV[1] digest, ARGV[2] hold, ARGV[3] show, ARGV[4] seats,
-- ARGV[5] deadline in ms; FREE when it is over, KEPT when its room is as it should be,
-- ARGV[6] how long the key is remembered in ms
if ARGV[5] == 'FREE' then
  redis.call('HDEL', KEYS[1], ARGV[2])
elseif ARGV[5] ~= 'KEPT' then
  redis.call('HSET', KEYS[1], ARGV[2], table.concat({ ARGV[5], ARGV[4], ARGV[3], 'durable' }, '|'))
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[6], 'NX')
return { 'NOTED' }
