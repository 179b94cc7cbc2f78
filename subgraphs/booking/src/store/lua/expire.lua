-- Ends what is overdue, so that viewers see it without waiting for the next request.
-- Answers where the show stands, when there may be something to do again, ms, how many holds have lapsed that no
-- answer told of before, and the run of Redis that the show was loaded into.
if not epoch then return { 'NOT_LOADED' } end
commit()
local lapsed = redis.call('HGET', LEDGER, 'lapsed')
if lapsed then redis.call('HDEL', LEDGER, 'lapsed') end
return { 'DONE', epoch, version, text(due), revision, lapsed or 0,
  redis.call('HGET', LEDGER, 'server') or '' }
