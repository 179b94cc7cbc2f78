-- Whether the seats of some shows are still those of an epoch and version: a digit for each show, 1 or 0. Writes
-- nothing. Where something is due it is 0, and whoever reads the seats then ends it.
-- KEYS ledgers, see show_prelude.lua
-- ARGV epoch and version, for each of them
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local answers = {}
for i, ledger in ipairs(KEYS) do
  local epoch, version, due = unpack(redis.call('HMGET', ledger, 'epoch', 'version', 'due'))
  local holds = epoch == ARGV[2 * i - 1] and version == ARGV[2 * i] and tonumber(due) > now
  answers[i] = holds and '1' or '0'
end
return table.concat(answers)
