-- Counts the seats of a coming hold against the limits of its user, and remembers the request under its key.
-- All keys share the hash tag {user:ID}. An entry whose deadline is past counts for nothing and is removed:
-- whatever crashes between this script and the show's own, the user's limits heal by themselves.
--
-- KEYS[1] holds  hash: hold -> deadline|seats|show|attempt
-- KEYS[2] key    string: digest of the request that used this idempotency key
-- ARGV[1] digest, ARGV[2] hold, ARGV[3] show, ARGV[4] seats, ARGV[5] time to live in ms,
-- ARGV[6] how long the key is remembered in ms, ARGV[7] most seats, ARGV[8] most shows,
-- ARGV[9] attempt, ARGV[10] '1' when the key is known to be a repetition whose hold does not exist,
-- ARGV[11] most seats of this show, held and booked, or '' for no such limit, ARGV[12] how many are booked,
-- ARGV[13..] the holds that those bookings were made of: entries that stand for them count no second time
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local digest = redis.call('GET', KEYS[2])
if digest and digest ~= ARGV[1] then return { 'REUSED' } end
if digest and ARGV[10] ~= '1' then return { 'REPEATED' } end

local seats, shows, other_shows, lapsed = tonumber(ARGV[4]), {}, 0, {}
local of_show, booked = seats + tonumber(ARGV[12]), {}
for i = 13, #ARGV do booked[ARGV[i]] = true end
local entries = redis.call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  local deadline, size, show = string.match(entries[i + 1], '^(%d+)|(%d+)|([^|]*)|')
  if tonumber(deadline) <= now then
    lapsed[#lapsed + 1] = entries[i]
  elseif entries[i] ~= ARGV[2] then
    seats = seats + tonumber(size)
    if show == ARGV[3] then
      if not booked[entries[i]] then of_show = of_show + tonumber(size) end
    elseif not shows[show] then
      shows[show], other_shows = true, other_shows + 1
    end
  end
end
if #lapsed > 0 then redis.call('HDEL', KEYS[1], unpack(lapsed)) end
if seats > tonumber(ARGV[7]) then return { 'SEATS' } end
if other_shows + 1 > tonumber(ARGV[8]) then return { 'SHOWS' } end
if ARGV[11] ~= '' and of_show > tonumber(ARGV[11]) then return { 'ALLOTMENT' } end

local deadline = string.format('%.0f', now + tonumber(ARGV[5]))
redis.call('HSET', KEYS[1], ARGV[2], table.concat({ deadline, ARGV[4], ARGV[3], ARGV[9] }, '|'))
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[6])
return { 'RESERVED' }
