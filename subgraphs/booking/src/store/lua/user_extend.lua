-- Moves the deadline of a hold's entry, which may stand for an unpaid booking by now. KEYS[1] is HOLDS of user_room.lua.
-- ARGV[1] hold, ARGV[2] new deadline in ms, ARGV[3] how long the entries are kept in ms
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if not entry then return { 'NONE' } end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. string.match(entry, '|.*$'))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { 'EXTENDED' }
