-- Takes the room that user_room.lua found, and remembers the request under its key.
redis.call('HSET', HOLDS, ARGV[U + 2], table.concat({ room_until, ARGV[U + 4], ARGV[U + 3], ARGV[U + 9] }, '|'))
redis.call('PEXPIRE', HOLDS, ARGV[U + 6])
redis.call('SET', REQUEST, ARGV[U + 1], 'PX', ARGV[U + 6])
