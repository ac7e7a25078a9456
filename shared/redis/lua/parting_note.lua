-- parting_note: a connection broke now, or its client ended it for good.
--
-- KEYS  1 the note
-- ARGV  1 for how long it is kept (ms)   2 "1": for good
-- gives 1

assert(#KEYS == 1 and #ARGV == 2, 'parting_note takes 1 key and 2 arguments')
local kept = assert(tonumber(ARGV[1]), 'parting_note: ARGV[1] is a number')

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- What ended for good does not come back, even if another process sees only now that an earlier
-- connection of the same client broke.
if ARGV[2] == '1' or redis.call('GET', KEYS[1]) == '0' then now = 0 end
redis.call('SET', KEYS[1], string.format('%.0f', now), 'PX', kept)
return 1
