-- Not a script: it stands before those that fill the queues of the sinks.
--
-- A queue is two keys: order (sorted set of "id:version" by the server's milliseconds), queue (hash of the same -> the
-- alert as it is to be told). KEYS holds them from `first` on, two for each sink.

local function member_of(id, version)
  return id .. ':' .. string.format('%010d', version)
end

-- Put a transition into every queue; returns how many others it took the place of.
local function queue_all(first, member, body, limit)
  local superseded = 0
  if not body then return 0 end
  local id, version = string.match(member, '^(.*):(%d+)$')
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  for k = first, #KEYS, 2 do
    if redis.call('ZCARD', KEYS[k]) >= limit then
      for before = tonumber(version) - 1, 1, -1 do
        if redis.call('HDEL', KEYS[k + 1], member_of(id, before)) == 0 then break end
        redis.call('ZREM', KEYS[k], member_of(id, before))
        superseded = superseded + 1
      end
    end
    redis.call('ZADD', KEYS[k], 'NX', now_ms, member)
    redis.call('HSET', KEYS[k + 1], member, body)
  end
  return superseded
end
