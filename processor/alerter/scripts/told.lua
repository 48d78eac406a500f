-- Take what a sink was told out of its queue.
--
-- KEYS  1 order  2 queue (see queue.lua)
-- ARGV  the members

for _, member in ipairs(ARGV) do
  redis.call('ZREM', KEYS[1], member)
  redis.call('HDEL', KEYS[2], member)
end
return 1
