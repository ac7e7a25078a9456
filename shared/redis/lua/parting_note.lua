-- parting_note: a connection broke now.
--
-- KEYS  1 the note
-- ARGV  1 for how long it is kept (ms)
-- gives 1

assert(#KEYS == 1 and #ARGV == 1, 'parting_note takes 1 key and 1 argument')
local kept = assert(tonumber(ARGV[1]), 'parting_note: ARGV[1] is a number')

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- What ended for good does not come back, even if another process sees only now that an earlier
-- connection of the same client broke.
if redis.call('GET', KEYS[1]) == '0' then now = 0 end
redis.call('SET', KEYS[1], string.format('%.0f', now), 'PX', kept)
return 1
