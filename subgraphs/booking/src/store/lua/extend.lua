-- Lets a hold live longer: for the time to live from now, but no longer in all than its limit.
-- TOKEN is the hold. ARGV[4] user, ARGV[5] time to live in ms, ARGV[6] longest life since creation in ms
if not epoch then return { 'NONE' } end
commit()
if not record then return { 'NONE' } end

local records = endings()
local hold = records.parse_hold(record)
if hold.user ~= ARGV[4] then return { 'NONE' } end
if hold.status ~= 'L' then return { 'GONE', hold.status } end

local limit = hold.created * 1000 + tonumber(ARGV[6])
if hold.deadline >= limit then return { 'LIMIT' } end
hold.deadline = math.max(hold.deadline, math.min(now + tonumber(ARGV[5]), limit))
redis.call('HSET', LEDGER, TOKEN, records.format_hold(hold))
redis.call('ZADD', DEADLINES, text(hold.deadline), TOKEN)
return { 'HELD', hold.created, text(hold.deadline), hold.seats }
