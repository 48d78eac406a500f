-- Nodes, and those that their links lead to, breadth first: what a walk asks of them, in one reply.
--
-- KEYS: a record of the first node. ARGV:
--   1, 2  what a key's name begins with before and behind its bucket: "lineage:{b" and "}:g1:"
--   3     how many buckets there are
--   4, 5  the record whose links are followed, and the one that has those of the other way: "o" and "i", or "i" and "o"
--   6, 7  how many nodes are read at most, and how many links lead to the farthest
--   8 …   the ids of the nodes to begin with
-- It only reads, and reads keys that it makes up from ids: it is for one server, not for a cluster. The reply is
-- msgpack, one string: a list of, for each node, its id, its identity, drop and last write (false where there is none)
-- and its links, as fields and values in turn, these five one after the other; and by id the alias links of the other
-- way, where there are any.

local call, byte, sub, format, unpack_id = redis.call, string.byte, string.sub, string.format, struct.unpack
local before, behind, buckets = ARGV[1], ARGV[2], tonumber(ARGV[3])
local way, back, most, farthest = ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local READS, WRITES, ALIASES = byte('r'), byte('w'), 's*'

local queue, distance, is_job = {}, {}, {}
local last = 0
-- More than are read at all need not wait: of a hub there may be millions.
local function wait(id, how_far)
  if last < most and not distance[id] then
    last = last + 1
    queue[last], distance[id] = id, how_far
  end
end

-- Reads lead to jobs going downstream, writes going upstream.
local to_job = way == 'o' and READS or WRITES
local function follow(links, how_far)
  for at = 1, #links, 2 do
    if last >= most then return end
    local letter = byte(links[at])
    if letter == READS or letter == WRITES then
      local other = sub(links[at], 2, 13)
      is_job[other] = letter == to_job
      wait(other, how_far)
    end
  end
end

for at = 8, #ARGV do
  wait(ARGV[at], 0)
end
local starts = {}
for bucket = 0, buckets - 1 do
  starts[bucket] = before .. bucket .. behind
end
local nodes, other_names, at, size = {}, {}, 0, 0
while at < last do
  at = at + 1
  local id = queue[at]
  local first, second, third = unpack_id('>I4I4I4', id)
  local start, owner = starts[first % buckets], format(':%08x%08x%08x', first, second, third)
  local who = call('HMGET', start .. 'n' .. owner, 'i', 'd', 'w')
  local links = call('HGETALL', start .. way .. owner)
  if distance[id] < farthest then
    follow(links, distance[id] + 1)
  end
  if not is_job[id] then
    local found = matching(start .. back .. owner, ALIASES)
    other_names[id] = found[1] and found
  end
  nodes[size + 1], nodes[size + 2], nodes[size + 3] = id, who[1], who[2]
  nodes[size + 4], nodes[size + 5] = who[3], links
  size = size + 5
end
return cmsgpack.pack({nodes, other_names})
