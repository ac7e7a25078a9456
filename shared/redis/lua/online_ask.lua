-- online_ask: is a user online?
--
-- KEYS  1 the mark: "<lost> <epoch>"   2 sorted set of the processes, by the end of their lease
--       3 exists while a request of the user counts
-- ARGV  1 the epoch that this process found before; empty: it asks for the first time
--       2 ONLINE_TTL in ms   3 the user
-- gives {1 or 0, the epoch}
--
-- It also reads parley:online:<process>, the set of each process that lives.
--
-- The mark stands for all that Redis knows of who is online. When it is none, or one of another
-- epoch than before, all of it was lost (FLUSHALL, a lost disk); who made the new one may have
-- been too young to know that. Until a TTL later nothing is known for sure, and everybody counts
-- as online.

assert(#KEYS == 3 and #ARGV == 3, 'online_ask takes 3 keys and 3 arguments')
local ttl = assert(tonumber(ARGV[2]), 'online_ask: ARGV[2] is a number')

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local mark = redis.call('GET', KEYS[1]) or ''
local lost, epoch = mark:match('^(%d+) (%S+)$')
local found = epoch
epoch = epoch or t[1] .. '.' .. t[2]
if ARGV[1] ~= '' and ARGV[1] ~= epoch then
  lost, found = now, nil
end
if not found then
  lost = lost or 0
  redis.call('SET', KEYS[1], lost .. ' ' .. epoch)
end
if now - lost < ttl then return {1, epoch} end
if redis.call('EXISTS', KEYS[3]) == 1 then return {1, epoch} end
for _, i in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], now + 1, '+inf')) do
  if redis.call('SISMEMBER', 'parley:online:' .. i, ARGV[3]) == 1 then
    return {1, epoch}
  end
end
return {0, epoch}
