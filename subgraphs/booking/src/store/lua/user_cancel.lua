-- Takes back a reservation that came to nothing, and forgets its key: the request may be repeated.
-- Only the attempt that made the entry may remove it: a repetition may hold by now.
-- KEYS as the last two in user_room.lua. ARGV[1] hold, ARGV[2] attempt
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if not entry or string.match(entry, '|([^|]*)$') ~= ARGV[2] then return { 'KEPT' } end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return { 'CANCELLED' }
