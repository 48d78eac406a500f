-- Take one step in the life of an alert, from the version that was read, or not at all.
--
-- KEYS  1 alert    hash: v version, s status, b the alert
--       2 firing   set of alert ids
--       3 subject  set of the ids that fire about this node
--       4 resolved sorted set of alert ids by when they were resolved, the server's milliseconds
--       5 order    sorted set of "id:version" by the server's milliseconds
--       6 outbox   hash "id:version" -> the alert as it is to be published
--       7 accepted set of the ids of alerts that are resolved because somebody accepted what they tell
--       8 known    hash: `era`, and what known.lua says
-- ARGV  1 id  2 expected version  3 version  4 status  5 the alert  6 publish (0, 1)  7 accepted (0, 1)
--       8 the era in which this was judged; '' where that does not matter
-- Returns 1, or 0 when the alert has another version, or -1 when these alerts are of another era.

local id, expected, version = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if ARGV[8] ~= '' and redis.call('HGET', KEYS[8], 'era') ~= ARGV[8] then
  return -1
end
if tonumber(redis.call('HGET', KEYS[1], 'v') or '0') ~= expected then
  return 0
end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('HSET', KEYS[1], 'v', version, 's', ARGV[4], 'b', ARGV[5])
if ARGV[4] == 'firing' then
  redis.call('SADD', KEYS[2], id)
  redis.call('SADD', KEYS[3], id)
  redis.call('ZREM', KEYS[4], id)
else
  redis.call('SREM', KEYS[2], id)
  redis.call('SREM', KEYS[3], id)
  redis.call('ZADD', KEYS[4], now_ms, id)
end

redis.call(ARGV[7] == '1' and 'SADD' or 'SREM', KEYS[7], id)

if ARGV[6] == '1' then
  -- Within a millisecond the order is the member's: an alert's versions stay in order by their padding.
  local member = id .. ':' .. string.format('%010d', version)
  redis.call('ZADD', KEYS[5], 'NX', now_ms, member)
  redis.call('HSET', KEYS[6], member, ARGV[5])
end
return 1
