-- Drop an alert that is resolved.
--
-- KEYS  1 alert (hash)  2 resolved (sorted set)  3 accepted (set)
-- ARGV  1 id
-- Returns 1, or 0 when it fires (again).

if redis.call('HGET', KEYS[1], 's') == 'firing' then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('SREM', KEYS[3], ARGV[1])
return 1
