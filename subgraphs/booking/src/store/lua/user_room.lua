-- Looks whether the seats of a coming hold are within the limits of its user, and whether its request is new;
-- user_take.lua then takes the room. The two alone are `user_reserve`. Where one Redis has all keys they are a part of
-- the scripts that hold: so room is taken exactly when seats are.
-- Both keys share the hash tag {user:ID}. An entry whose deadline is past counts for nothing and is removed:
-- whatever crashes between `user_reserve` and the show's own script, the user's limits heal by themselves.
--
-- The last two of KEYS:
--   HOLDS    hash: hold -> deadline|seats|show|attempt
--   REQUEST  string: digest of the request that used this idempotency key
-- The last thirteen of ARGV, after the first U:
--   1 digest, 2 hold, 3 show, 4 seats, 5 time to live in ms, 6 how long the key is remembered in ms,
--   7 most seats, 8 most shows, 9 attempt, 10 '1' when the key is known to be a repetition whose hold does not exist,
--   11 most seats of this show, held and booked, or '' for no such limit, 12 how many are booked,
--   13 the holds that those bookings were made of, a comma around each: entries that stand for them count no second time
local HOLDS, REQUEST, U = KEYS[#KEYS - 1], KEYS[#KEYS], #ARGV - 13
local room_until

do
  local digest = redis.call('GET', REQUEST)
  if digest and digest ~= ARGV[U + 1] then return { 'REUSED' } end
  if digest and ARGV[U + 10] ~= '1' then return { 'REPEATED' } end

  local seats, shows, other_shows, lapsed = tonumber(ARGV[U + 4]), {}, 0, {}
  local of_show = seats + tonumber(ARGV[U + 12])
  local entries = redis.call('HGETALL', HOLDS)
  for i = 1, #entries, 2 do
    local deadline, size, show = string.match(entries[i + 1], '^(%d+)|(%d+)|([^|]*)|')
    if tonumber(deadline) <= now then
      lapsed[#lapsed + 1] = entries[i]
    elseif entries[i] ~= ARGV[U + 2] then
      seats = seats + tonumber(size)
      if show == ARGV[U + 3] then
        if not string.find(ARGV[U + 13], ',' .. entries[i] .. ',', 1, true) then of_show = of_show + tonumber(size) end
      elseif not shows[show] then
        shows[show], other_shows = true, other_shows + 1
      end
    end
  end
  if #lapsed > 0 then redis.call('HDEL', HOLDS, unpack(lapsed)) end
  if seats > tonumber(ARGV[U + 7]) then return { 'SEATS' } end
  if other_shows + 1 > tonumber(ARGV[U + 8]) then return { 'SHOWS' } end
  if ARGV[U + 11] ~= '' and of_show > tonumber(ARGV[U + 11]) then return { 'ALLOTMENT' } end
  room_until = string.format('%.0f', now + tonumber(ARGV[U + 5]))
end
