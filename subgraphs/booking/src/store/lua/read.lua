-- The seats as they are now.
if open('epoch') == nil then return { 'NOT_LOADED' } end
commit()
return { 'SEATS', epoch, version, redis.call('GET', STATES) }
