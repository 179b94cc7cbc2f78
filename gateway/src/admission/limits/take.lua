-- Takes tokens out of all buckets, or out of none, and counts the use of an API key.
--
-- KEYS: the buckets; then, for a caller with an API key, the hash of its uses today.
-- ARGV: the number of buckets; for each its interval (microseconds), its burst, and how many tokens
--   are wanted (less than none: given back); then, for an API key, its daily quota, and for each class its name and a number.
-- Returns {0, 0}; or the number of the bucket that lacks the most time, and how much (microseconds);
-- or {-1, 0} when the quota is used up.
-- The variable `now` (microseconds) is set before.

local buckets = tonumber(ARGV[1])
local known = redis.call('MGET', unpack(KEYS, 1, buckets))
local full_at = {}
local which, longest = 0, 0
for i = 1, buckets do
  local at = 3 * i - 1
  local interval, burst, cost = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  full_at[i] = math.max(tonumber(known[i] or '0'), now) + cost * interval
  local wait = full_at[i] - now - burst * interval
  if wait > longest then
    which, longest = i, wait
  end
end
if which > 0 then
  return { which, longest }
end

local uses = KEYS[buckets + 1]
if uses then
  local quota = tonumber(ARGV[3 * buckets + 2])
  local total = 0
  for _, count in ipairs(redis.call('HVALS', uses)) do
    total = total + tonumber(count)
  end
  for at = 3 * buckets + 4, #ARGV, 2 do
    total = total + tonumber(ARGV[at])
  end
  if total > quota then
    return { -1, 0 }
  end
  for at = 3 * buckets + 3, #ARGV, 2 do
    redis.call('HINCRBY', uses, ARGV[at], ARGV[at + 1])
  end
  redis.call('EXPIRE', uses, 259200)
end

for i = 1, buckets do
  local left = math.ceil((full_at[i] - now) / 1000)
  redis.call('SET', KEYS[i], string.format('%.0f', full_at[i]), 'PX', math.max(left, 1))
end
return { 0, 0 }
