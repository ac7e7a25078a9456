-- limit_day: so many on each day of Redis' clock, UTC.
--
-- KEYS  1 hash: day (since 1970), count (taken on it)
-- ARGV  1 how many
-- gives the count with this one, or 0 when none is left

assert(#KEYS == 1 and #ARGV == 1, 'limit_day takes 1 key and 1 argument')
local most = assert(tonumber(ARGV[1]), 'limit_day: ARGV[1] is a number')

local day = tostring(math.floor(redis.call('TIME')[1] / 86400))
local known = redis.call('HMGET', KEYS[1], 'day', 'count')
local count = known[1] == day and tonumber(known[2]) or 0
if count >= most then return 0 end
redis.call('HSET', KEYS[1], 'day', day, 'count', count + 1)
redis.call('EXPIRE', KEYS[1], 172800)
return count + 1
