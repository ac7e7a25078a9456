-- parting_find: when did a connection break?
--
-- KEYS  1 the note   2 sorted set of lives, as for held_tell   3 since when all sockets are known
-- ARGV  1 the id of its socket
--       2 for how long (ms) all must have been known, so that who is not must be gone for long;
--         0: never, for the socket may be of a process that tells nobody what it has
-- gives for how many milliseconds it is gone; decades if for good, or if nobody has it any more; -1
--       when that is not known, or it did not break yet
--
-- It also reads parley:held:<life>, the sockets of each process that lives, or died just now.

assert(#KEYS == 3 and #ARGV == 2, 'parting_find takes 3 keys and 2 arguments')
local sure = assert(tonumber(ARGV[2]), 'parting_find: ARGV[2] is a number')

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local note = redis.call('GET', KEYS[1]) or ''
local at = #note <= 13 and note:match('^%d+$') and tonumber(note)
if at == 0 then return now end
for _, life in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], now + 1, '+inf')) do
  if redis.call('SISMEMBER', 'parley:held:' .. life, ARGV[1]) == 1 then return -1 end
end
if at then return math.max(now - at, 0) end
local since = tonumber(redis.call('GET', KEYS[3]) or '')
if not since then
  redis.call('SET', KEYS[3], string.format('%.0f', now))
  return -1
end
if sure > 0 and now - since >= sure then return now end
return -1
