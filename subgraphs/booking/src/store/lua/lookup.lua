-- Reads one hold, or its tombstone.
-- TOKEN is the hold.
if not epoch then return { 'NONE' } end
commit()
if not record then return { 'NONE' } end
local hold = endings().parse_hold(record)
if hold.status ~= 'L' then return { 'GONE', hold.status, hold.digest } end
return { 'HELD', hold.created, text(hold.deadline), hold.seats, hold.user, hold.digest }
