-- Holds the best block of adjacent seats: the twin of domain/best_available.rs, which says what "best" is.
-- KEYS[4] plan: four bytes per seat: kind, '<' when the seat begins a run or '-', cost (two bytes)
-- ARGV[8] how many seats, ARGV[9] code of the wanted kind, or '' for any but wheelchair and companion
local wanted, kind_wanted = tonumber(ARGV[8]), string.byte(ARGV[9])
local states, plan = redis.call('GET', STATES), redis.call('GET', KEYS[4])
local byte = string.byte
local count = #states
local START, AVAILABLE = byte('<'), byte('A')
local SPECIAL = { [byte('W')] = true, [byte('C')] = true }

-- True when no seat is adjacent to the left of this one, and for the place after the last seat.
local function starts(seat) return seat >= count or byte(plan, 4 * seat + 2) == START end

local function loose(seat)
  return byte(states, seat + 1) == AVAILABLE and not SPECIAL[byte(plan, 4 * seat + 1)]
end

-- How many single seats the block would leave beside it.
local function orphans(first, last)
  if SPECIAL[kind_wanted] then return 0 end
  local left = not starts(first) and loose(first - 1) and (starts(first - 1) or not loose(first - 2))
  local right = not starts(last + 1) and loose(last + 1) and (starts(last + 2) or not loose(last + 2))
  return (left and 1 or 0) + (right and 1 or 0)
end

local best, best_orphans, best_cost
local streak, sum, costs = 0, 0, {}
for seat = 0, count - 1 do
  local kind, start, high, low = byte(plan, 4 * seat + 1, 4 * seat + 4)
  if start == START then streak, sum = 0, 0 end
  local fits = not SPECIAL[kind]
  if kind_wanted then fits = kind == kind_wanted end
  if fits and byte(states, seat + 1) == AVAILABLE then
    local cost = high * 256 + low
    costs[seat] = cost
    streak, sum = streak + 1, sum + cost
    if streak > wanted then sum = sum - costs[seat - wanted] end
    -- No block leaves fewer orphans than none: then only a lower cost can be better.
    if streak >= wanted and (best_orphans ~= 0 or sum < best_cost) then
      local alone = orphans(seat - wanted + 1, seat)
      if not best or alone < best_orphans or (alone == best_orphans and sum < best_cost) then
        best, best_orphans, best_cost = seat - wanted + 1, alone, sum
      end
    end
  else
    streak, sum = 0, 0
  end
end

if not best then
  commit()
  return { 'TAKEN', states }
end
change(best, string.rep('H', wanted))
seats = best .. '-' .. best + wanted - 1
