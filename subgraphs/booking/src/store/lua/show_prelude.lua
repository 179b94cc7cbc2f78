-- What every script of one show has around its own work. All keys share the hash tag {show:ID}.
--
-- KEYS[1] ledger     hash. epoch, version, revision, blocked, due, server: facts of the show; lapsed: how many of its
--                    own holds Redis ended since somebody last asked (expire.lua);
--                    h<hold>, b<booking> -> record
-- KEYS[2] states     string, one letter per seat: A available, H held, S sold, B blocked
-- KEYS[3] deadlines  sorted set: "h<hold>" or "b<booking>" -> when it needs attention, ms; and "end", so that it
--                    is never empty and keeps the expiry that load.lua gave it
-- ARGV[1] channel of the show's deltas
-- ARGV[2] how long the tombstone of a hold outlives the hold's deadline, ms
-- ARGV[3] the field of the ledger that the script is about: h<hold> or b<booking>; '-' for none
--
-- Record of a hold:    status|user|digest|created|deadline|seats
--     L live; tombstones: X released, E expired, C consumed by a checkout, T taken by a sale;
--     created in seconds, deadline in ms
--     A hold whose number is odd is durable: PostgreSQL keeps it, and this only follows.
-- Record of a booking: version|status|until|seats
--     C claimed, S sold, F freed, L its claim lapsed
-- Seats of a record:   runs of neighbours, "first-last,first-last"
--
-- Invariants: a seat is H or S exactly when one live hold, claimed or sold booking has it in its record;
-- `due` is never later than the first deadline.
--
-- This is the hot path. Half of a script's time can go into building closures and turning numbers into text:
-- so rare work is built when it is needed (endings), and numbers stay text where they can.
local LEDGER, STATES, DEADLINES, TOKEN = KEYS[1], KEYS[2], KEYS[3], ARGV[3]

-- `epoch` is false when the show is not loaded, `record` when the ledger has no such field.
local epoch, version, revision, due, record =
  unpack(redis.call('HMGET', LEDGER, 'epoch', 'version', 'revision', 'due', TOKEN))
version, revision, due = tonumber(version), tonumber(revision), tonumber(due)

-- Fields of the ledger that commit() writes, flat; and the changes of this step, in their order.
local puts, delta = {}, {}

local function text(number) return string.format('%.0f', number) end

-- Gives letters to the seats from `first` on.
local function change(first, letters)
  redis.call('SETRANGE', STATES, first, letters)
  delta[#delta + 1] = first
  delta[#delta + 1] = letters
end

-- The parts that end holds and claims: built only when something ends.
local function endings()
  local self = {}
  local blocked
  local lapsed = 0

  -- Frees the runs of a record. A blocked seat that was sold becomes blocked again.
  function self.free(seats)
    blocked = blocked or redis.call('HGET', LEDGER, 'blocked')
    for first, last in string.gmatch(seats, '(%d+)%-(%d+)') do
      if blocked == '' then
        change(first, string.rep('A', last - first + 1))
      else
        for seat = tonumber(first), tonumber(last) do
          change(seat, string.find(blocked, ',' .. seat .. ',', 1, true) and 'B' or 'A')
        end
      end
    end
  end

  function self.parse_hold(record)
    local status, user, digest, created, deadline, seats =
      string.match(record, '^(%a)|([^|]*)|([^|]*)|(%d+)|(%d+)|(.*)$')
    return {
      status = status, user = user, digest = digest,
      created = created, deadline = tonumber(deadline), seats = seats,
    }
  end

  function self.format_hold(hold)
    return table.concat({
      hold.status, hold.user, hold.digest, hold.created, text(hold.deadline), hold.seats,
    }, '|')
  end

  -- Is this the token of a durable hold?
  function self.is_durable(token) return string.find(token, '^h%x*[13579bdf]$') ~= nil end

  -- The same request's hold in Redis, by the token of its durable one.
  function self.plain_twin(token)
    return string.sub(token, 1, -2) .. string.format('%x', tonumber(string.sub(token, -1), 16) - 1)
  end

  -- Is this record of a durable hold later than that one? Its deadline only grows, and then it ends.
  function self.supersedes(hold, other)
    return hold.deadline > other.deadline
      or (hold.deadline == other.deadline and hold.status ~= 'L' and other.status == 'L')
  end

  function self.parse_booking(record)
    local at, status, til, seats = string.match(record, '^(%d+)|(%a)|(%d+)|(.*)$')
    return { version = tonumber(at), status = status, til = tonumber(til), seats = seats }
  end

  function self.format_booking(booking)
    return table.concat({ text(booking.version), booking.status, text(booking.til), booking.seats }, '|')
  end

  -- A live hold becomes a tombstone, which answers late duplicates of its request. Its seats are the caller's.
  function self.bury(token, hold, status)
    hold.status, hold.seats = status, ''
    redis.call('HSET', LEDGER, token, self.format_hold(hold))
    redis.call('ZADD', DEADLINES, text(hold.deadline + tonumber(ARGV[2])), token)
  end

  local function lapse_one(token)
    local record = redis.call('HGET', LEDGER, token)
    if not record then
      redis.call('ZREM', DEADLINES, token)
    elseif string.sub(token, 1, 1) == 'b' then
      local booking = self.parse_booking(record)
      if booking.status == 'C' then
        self.free(booking.seats)
        booking.status, booking.seats = 'L', ''
        redis.call('HSET', LEDGER, token, self.format_booking(booking))
      end
      redis.call('ZREM', DEADLINES, token)
    else
      local hold = self.parse_hold(record)
      if hold.status == 'L' then
        self.free(hold.seats)
        self.bury(token, hold, 'E')
        if not self.is_durable(token) then lapsed = lapsed + 1 end
      else
        redis.call('HDEL', LEDGER, token)
        redis.call('ZREM', DEADLINES, token)
      end
    end
  end

  -- Ends what is overdue. Costs what it ends.
  function self.lapse()
    repeat
      for _, token in ipairs(redis.call('ZRANGE', DEADLINES, '-inf', text(now), 'BYSCORE')) do
        lapse_one(token)
      end
      due = tonumber(redis.call('ZRANGE', DEADLINES, 0, 0, 'WITHSCORES')[2]) or now + 1000
    until due > now
    redis.call('HSET', LEDGER, 'due', text(due))
    if lapsed > 0 then redis.call('HINCRBY', LEDGER, 'lapsed', lapsed) end
  end

  return self
end

-- What is overdue ends first, so that expiry is right although no job runs.
if epoch and due <= now then
  endings().lapse()
  record = redis.call('HGET', LEDGER, TOKEN)
end

-- Makes the changes of this step one version, and tells the viewers:
-- EPOCH VERSION, then SEAT LETTERS for each run; of two changes of a seat the later stands.
local function commit()
  if #delta > 0 then
    version = version + 1
    local version_text = text(version)
    puts[#puts + 1] = 'version'
    puts[#puts + 1] = version_text
    redis.call('PUBLISH', ARGV[1], epoch .. ' ' .. version_text .. ' ' .. table.concat(delta))
  end
  if #puts > 0 then redis.call('HSET', LEDGER, unpack(puts)) end
end
