-- Nodes, and those that their links lead to, breadth first: what a walk asks of them, in one reply.
--
-- KEYS: a record of the first node. ARGV:
--   1, 2  what a key's name begins with before and behind its bucket: "lineage:{b" and "}:g1:"
--   3     how many buckets there are
--   4, 5  the record whose links are followed, and the one that has those of the other way: "o" and "i", or "i" and "o"
--   6, 7  how many nodes are read at most, and how many links lead to the farthest
--   8 …   the ids of the nodes to begin with
-- It only reads, and reads keys that it makes up from ids: it is for one server, not for a cluster. The reply is
-- msgpack, one string: a list of, for each node, its id and its links, as fields and values in turn, with what stands
-- beside these (layout.MARKS); by id the alias links of the other way, where there are any; and by id the drop and the
-- last write (false where there is none) of what was ever dropped.

local call, byte, sub, format, unpack_id = redis.call, string.byte, string.sub, string.format, struct.unpack
local before, behind, buckets = ARGV[1], ARGV[2], tonumber(ARGV[3])
local way, back, most, farthest = ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local READS, WRITES, ALIASES = byte('r'), byte('w'), 's*'
local HAS_ALIASES, WAS_DROPPED = byte('a'), byte('x')

local queue, distance = {}, {}
local last = 0
-- More than are read at all need not wait: of a hub there may be millions.
local function wait(id, how_far)
  if last < most and not distance[id] then
    last = last + 1
    queue[last], distance[id] = id, how_far
  end
end

-- What the links lead to waits, where it is not too far. Which marks stand beside them: whether that of aliases, that of
-- a drop.
local function follow(links, how_far)
  local has_aliases, was_dropped
  for at = 1, #links, 2 do
    local letter = byte(links[at])
    if letter == READS or letter == WRITES then
      if how_far <= farthest and last < most then wait(sub(links[at], 2, 13), how_far) end
    elseif letter == HAS_ALIASES then
      has_aliases = true
    elseif letter == WAS_DROPPED then
      was_dropped = true
    end
  end
  return has_aliases, was_dropped
end

for at = 8, #ARGV do
  wait(ARGV[at], 0)
end
local starts = {}
for bucket = 0, buckets - 1 do
  starts[bucket] = before .. bucket .. behind
end
local nodes, other_names, drops, at = {}, {}, {}, 0
while at < last do
  at = at + 1
  local id = queue[at]
  local first, second, third = unpack_id('>I4I4I4', id)
  local start, owner = starts[first % buckets], format(':%08x%08x%08x', first, second, third)
  local links = call('HGETALL', start .. way .. owner)
  local has_aliases, was_dropped = follow(links, distance[id] + 1)
  if has_aliases then other_names[id] = matching(start .. back .. owner, ALIASES) end
  if was_dropped then drops[id] = call('HMGET', start .. 'n' .. owner, 'd', 'w') end
  nodes[2 * at - 1], nodes[2 * at] = id, links
end
return cmsgpack.pack({nodes, other_names, drops})
