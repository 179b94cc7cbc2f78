-- Gives the seats of a hold back.
-- ARGV[3] hold, ARGV[4] user
local token = 'h' .. ARGV[3]
local record = open(token)
if record == nil then return { 'NONE' } end

local answer = { 'NONE' }
if record then
  local records = endings()
  local hold = records.parse_hold(record)
  if hold.user == ARGV[4] then
    answer = { 'GONE', hold.status }
    if hold.status == 'L' then
      records.free(hold.seats)
      records.bury(token, hold, 'X')
      answer = { 'RELEASED' }
    end
  end
end
commit()
return answer
