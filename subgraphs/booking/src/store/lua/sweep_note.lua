-- Notes when a show needs the sweeper next; never later than is known already. Ends a lease.
-- KEYS as in sweep_take.lua. ARGV[1] show, ARGV[2] earliest deadline in ms, or 0 for none, ARGV[3] '1' to end the lease
if ARGV[3] == '1' then redis.call('ZREM', KEYS[2], ARGV[1]) end
if ARGV[2] ~= '0' then redis.call('ZADD', KEYS[1], 'LT', ARGV[2], ARGV[1]) end
return { 'NOTED' }
