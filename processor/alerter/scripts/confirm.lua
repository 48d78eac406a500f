-- Take what the topic has out of the outbox, and go on in what is known of the topic.
--
-- KEYS  1 order (see step.lua)  2 outbox  3 known (hash: partition -> next offset, and `reading`)
--       4… the queues of the sinks, two keys each (see queue.lua)
-- ARGV  1 limit of a queue  2 how many members, then the members; then partition, offset of each record in the order of
--       the offsets
-- Returns how many entries of queues were superseded.
-- An offset that does not follow on what is known says that somebody else wrote there too: what is known stays
-- then, and the topic is read from there.

local limit, count, superseded = tonumber(ARGV[1]), tonumber(ARGV[2]), 0
for i = 3, count + 2 do
  superseded = superseded + queue_all(4, ARGV[i], redis.call('HGET', KEYS[2], ARGV[i]), limit)
  redis.call('ZREM', KEYS[1], ARGV[i])
  redis.call('HDEL', KEYS[2], ARGV[i])
end
for i = count + 3, #ARGV, 2 do
  if redis.call('HGET', KEYS[3], ARGV[i]) == ARGV[i + 1] then
    redis.call('HINCRBY', KEYS[3], ARGV[i], 1)
  end
end
return superseded
