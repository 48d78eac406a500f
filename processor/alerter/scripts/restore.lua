-- Take over what the topic says of an alert, where the store does not know better. What was said in public stands.
--
-- KEYS  1 alert  2 firing  3 subject  4 resolved  5 order  6 outbox  7 accepted (see step.lua)
--       8 known (hash: partition -> next offset, and `reading`: who reads the topic now, and how far he is)
--       9… the queues of the sinks, two keys each (see queue.lua)
-- ARGV  1 id  2 version  3 status  4 the alert  5 who reads  6 number of this record in his reading, from 1 on
--       7 limit of a queue  8 accepted (0, 1)
-- Returns 1 when the store has taken it over, 0 when it knew, -1 when it is no longer the store that the reading
-- began with: it was emptied meanwhile, went back in time, or somebody else reads.

local id, version, number = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[6])
if redis.call('HGET', KEYS[8], 'reading') ~= ARGV[5] .. ':' .. (number - 1) then
  return -1
end
redis.call('HSET', KEYS[8], 'reading', ARGV[5] .. ':' .. number)

-- No longer to be sent: this version and the ones before it. Gives them, the newest first.
local function withdraw(from)
  local withdrawn = {}
  for v = from, 1, -1 do
    local member = member_of(id, v)
    local body = redis.call('HGET', KEYS[6], member)
    if not body then break end
    redis.call('HDEL', KEYS[6], member)
    redis.call('ZREM', KEYS[5], member)
    withdrawn[#withdrawn + 1] = {member, body}
  end
  return withdrawn
end

local function note(said)
  return said and said.by .. ' ' .. string.format('%.0f', said.at_us) or ''
end

local function says_the_same(a, b)
  local x, y = cmsgpack.unpack(a), cmsgpack.unpack(b)
  return x.status == y.status and x.started_us == y.started_us and x.ends_us == y.ends_us
    and x.finding.severity == y.finding.severity
    and note(x.acknowledged) == note(y.acknowledged) and note(x.muted) == note(y.muted)
end

local stored = tonumber(redis.call('HGET', KEYS[1], 'v') or '0')
local waiting = redis.call('HGET', KEYS[6], member_of(id, version))
local is_other = waiting and not says_the_same(waiting, ARGV[4])
if version <= stored and not is_other then
  -- The topic has them, and whoever sent them did not come to confirm it: the sinks are still to be told.
  local sent = withdraw(version)
  for i = #sent, 1, -1 do
    queue_all(9, sent[i][1], sent[i][2], tonumber(ARGV[7]))
  end
  return 0
end

withdraw(stored)
redis.call('HSET', KEYS[1], 'v', version, 's', ARGV[3], 'b', ARGV[4])
if ARGV[3] == 'firing' then
  redis.call('SADD', KEYS[2], id)
  redis.call('SADD', KEYS[3], id)
  redis.call('ZREM', KEYS[4], id)
else
  local time = redis.call('TIME')
  redis.call('SREM', KEYS[2], id)
  redis.call('SREM', KEYS[3], id)
  redis.call('ZADD', KEYS[4], time[1] * 1000 + math.floor(time[2] / 1000), id)
end
redis.call(ARGV[8] == '1' and 'SADD' or 'SREM', KEYS[7], id)
return 1
