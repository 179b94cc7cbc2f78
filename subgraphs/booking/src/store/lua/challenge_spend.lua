-- Whether a solved challenge is still good for a request, and spends it.
-- KEYS[1] string: the request that it was spent on
-- ARGV[1] the request, ARGV[2] how long that is remembered in ms; 0 only to look
local spent = redis.call('GET', KEYS[1])
if spent then return { spent == ARGV[1] and 'OWN' or 'SPENT' } end
if ARGV[2] ~= '0' then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return { 'NEW' }
