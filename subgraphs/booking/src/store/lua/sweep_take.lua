-- Takes shows in which something is overdue, for as long as a lease: should the sweeper die, they come back.
-- KEYS[1] due    sorted set: show -> its earliest deadline, ms
-- KEYS[2] taken  sorted set: show -> end of the lease, ms
-- ARGV[1] most shows, ARGV[2] lease in ms
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

for _, show in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', now, 'BYSCORE')) do
  redis.call('ZADD', KEYS[1], 'LT', now, show)
  redis.call('ZREM', KEYS[2], show)
end
local shows = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
for _, show in ipairs(shows) do
  redis.call('ZREM', KEYS[1], show)
  redis.call('ZADD', KEYS[2], now + tonumber(ARGV[2]), show)
end
return shows
