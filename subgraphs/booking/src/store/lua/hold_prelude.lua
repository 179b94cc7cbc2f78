-- What hold.lua and best_available.lua begin with. TOKEN is the hold.
-- ARGV[4] user, ARGV[5] digest of the request, ARGV[6] time to live in ms,
-- ARGV[7] revision of the show that the caller knows
if not epoch then return { 'NOT_LOADED' } end
if revision < tonumber(ARGV[7]) then
  commit()
  return { 'OUTDATED' }
end
if record then
  -- The request was answered before: by its hold, or by its tombstone.
  commit()
  local hold = endings().parse_hold(record)
  if hold.digest ~= ARGV[5] then return { 'REUSED' } end
  if hold.status ~= 'L' then return { 'GONE', hold.status } end
  return { 'HELD', hold.created, text(hold.deadline), hold.seats, 0, 0 }
end

-- The seats to hold, as runs.
local seats
