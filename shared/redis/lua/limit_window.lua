-- limit_window: never more than so many in any stretch of a length. When as many are in the
-- window, the first of them has to leave it.
--
-- KEYS  1 list of when each was taken (us), oldest first
-- ARGV  1 the window in microseconds   2 how many   3 "1" to take one, "0" to look
-- gives 0 when one more is allowed, else for how many milliseconds it is not

assert(#KEYS == 1 and #ARGV == 3, 'limit_window takes 1 key and 3 arguments')
local window = assert(tonumber(ARGV[1]), 'limit_window: ARGV[1] is a number')
local most = assert(tonumber(ARGV[2]), 'limit_window: ARGV[2] is a number')

local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local first = redis.call('LINDEX', KEYS[1], -most)
local wait = first and first + window - now or 0
if wait > 0 then return math.ceil(wait / 1000) end
if ARGV[3] == '1' then
  redis.call('RPUSH', KEYS[1], string.format('%.0f', now))
  redis.call('LTRIM', KEYS[1], -most, -1)
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
end
return 0
