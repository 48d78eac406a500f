-- Take note of how far the topic has been read, if the store is still the one that the reading began with. An era of the
-- store begins, unless one lasts.
--
-- KEYS  1 known (hash: partition -> next offset; `reading`; `era`: who read first since all was lost)
-- ARGV  1 who reads  2 how many records he restored  3… partition, next offset
-- Returns 1, or 0 when nothing was noted.

if redis.call('HGET', KEYS[1], 'reading') ~= ARGV[1] .. ':' .. ARGV[2] then
  return 0
end
local era = redis.call('HGET', KEYS[1], 'era') or ARGV[1]
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'era', era, unpack(ARGV, 3))
return 1
