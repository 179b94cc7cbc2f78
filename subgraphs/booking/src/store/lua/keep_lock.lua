-- Lets the lock of a loader go on, unless it is another's by now.
-- KEYS[1] lock, ARGV[1] token, ARGV[2] how long from now, ms
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return { 'DONE' }
