-- The seats as they are now.
if not epoch then return { 'NOT_LOADED' } end
commit()
return { 'SEATS', epoch, version, redis.call('GET', STATES) }
