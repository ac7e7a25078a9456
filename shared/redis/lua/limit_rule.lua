-- limit_rule: GCRA as in limits/bucket, in microseconds of Redis' clock; up to 2^53 a Lua number is
-- exact.
--
-- KEYS  1 the bucket
-- ARGV  1 microseconds from one to the next   2 how many may come at once
--       3 "1" to take one, "0" to look
-- gives 0 when one more is allowed, else for how many milliseconds it is not

assert(#KEYS == 1 and #ARGV == 3, 'limit_rule takes 1 key and 3 arguments')
local interval = assert(tonumber(ARGV[1]), 'limit_rule: ARGV[1] is a number')
local burst = assert(tonumber(ARGV[2]), 'limit_rule: ARGV[2] is a number')

local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + interval
local wait = full - now - interval * burst
if wait > 0 then return math.ceil(wait / 1000) end
if ARGV[3] == '1' then
  redis.call('SET', KEYS[1], string.format('%.0f', full),
    'PX', math.ceil((full - now) / 1000))
end
return 0
