-- Send an alert again as it is, where the topic's last record of it is an older one.
--
-- KEYS  1 alert  2 order  3 outbox (see step.lua)
-- ARGV  1 id  2 the version that the topic has
-- Returns 1 when it is to be sent again, else 0.

local stored = tonumber(redis.call('HGET', KEYS[1], 'v') or '0')
local member = ARGV[1] .. ':' .. string.format('%010d', stored)
if stored <= tonumber(ARGV[2]) or redis.call('HEXISTS', KEYS[3], member) == 1 then
  return 0
end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[2], time[1] * 1000 + math.floor(time[2] / 1000), member)
redis.call('HSET', KEYS[3], member, redis.call('HGET', KEYS[1], 'b'))
return 1
