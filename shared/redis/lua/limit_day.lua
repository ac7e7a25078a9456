-- limit_day: so many in each period of Redis' clock, which begins at midnight, UTC.
--
-- KEYS  1 hash: day (which period since 1970), count (taken in it)
-- ARGV  1 the period in microseconds: a day   2 how many   3 "1" to take one, "0" to look
-- gives 0 when one more is allowed, else for how many milliseconds it is not

assert(#KEYS == 1 and #ARGV == 3, 'limit_day takes 1 key and 3 arguments')
local period = assert(tonumber(ARGV[1]), 'limit_day: ARGV[1] is a number')
local most = assert(tonumber(ARGV[2]), 'limit_day: ARGV[2] is a number')

local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local number = math.floor(now / period)
local day = string.format('%.0f', number)
local known = redis.call('HMGET', KEYS[1], 'day', 'count')
local count = known[1] == day and tonumber(known[2]) or 0
if count >= most then return math.ceil(((number + 1) * period - now) / 1000) end
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], 'day', day, 'count', count + 1)
  redis.call('PEXPIRE', KEYS[1], math.ceil(2 * period / 1000))
end
return 0
