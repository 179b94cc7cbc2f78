-- The seats as they are now, and the revision of the show that they were loaded from.
if not epoch then return { 'NOT_LOADED' } end
commit()
return { 'SEATS', epoch, version, redis.call('GET', STATES), revision }
