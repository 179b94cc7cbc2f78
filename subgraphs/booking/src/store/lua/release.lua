-- Gives the seats of a hold back.
-- TOKEN is the hold. ARGV[4] user
if not epoch then return { 'NONE' } end

local answer = { 'NONE' }
if record then
  local records = endings()
  local hold = records.parse_hold(record)
  if hold.user == ARGV[4] then
    answer = { 'GONE', hold.status }
    if hold.status == 'L' then
      records.free(hold.seats)
      records.bury(TOKEN, hold, 'X')
      answer = { 'RELEASED' }
    end
  end
end
commit()
return answer
