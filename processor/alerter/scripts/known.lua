-- Take note of how far the topic has been read, if the store is still the one that the reading began with. An era of the
-- store begins.
--
-- KEYS  1 known (hash: partition -> next offset; `reading`; `era`: who read last)
-- ARGV  1 who reads  2 how many records he restored  3… partition, next offset
-- Returns 1, or 0 when nothing was noted.

if redis.call('HGET', KEYS[1], 'reading') ~= ARGV[1] .. ':' .. ARGV[2] then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'era', ARGV[1], unpack(ARGV, 3))
return 1
