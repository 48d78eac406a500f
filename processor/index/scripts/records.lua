-- Records of many nodes, whole or a portion of each, in one reply.
--
-- KEYS: a record of the first node, which tells a cluster where the script belongs. ARGV:
--   1, 2  what a key's name begins with before and behind its bucket: "lineage:{b" and "}:g1:"
--   3     the nodes, a line each: bucket and hexadecimal id, "17:0a0b…"; on a cluster all of one bucket
--   4 …   for each record: its name, then how much of it
--           "whole"                   all of it
--           "fields", count, name …   these fields
--           "prefix", beginning       the fields that begin so
-- It only reads. The reply is msgpack, one string: for each record and node a list, of the values of those fields (false
-- where there is none), else of fields and values in turn.

local call, before, behind = redis.call, ARGV[1], ARGV[2]

local function whole(name)
  return call('HGETALL', name)
end

local function fields(from, to)
  if from == to then
    local only = ARGV[from]
    return function(name)
      return {call('HGET', name, only)}
    end
  end
  return function(name)
    return call('HMGET', name, unpack(ARGV, from, to))
  end
end

local function beginning(prefix)
  local pattern = string.gsub(prefix, '[%*%?%[%]%^%-\\]', '\\%0') .. '*'
  return function(name)
    return matching(name, pattern)
  end
end

local at, middles, readers, found = 4, {}, {}, {}
while ARGV[at] do
  local record, how = ARGV[at], ARGV[at + 1]
  local read = whole
  at = at + 2
  if how == 'fields' then
    local count = tonumber(ARGV[at])
    read = fields(at + 1, at + count)
    at = at + 1 + count
  elseif how == 'prefix' then
    read = beginning(ARGV[at])
    at = at + 1
  end
  middles[#middles + 1] = behind .. record .. ':'
  readers[#readers + 1] = read
  found[#found + 1] = {}
end

local place = 0
for bucket, id in string.gmatch(ARGV[3], '(%d+):(%x+)') do
  place = place + 1
  local start = before .. bucket
  for each = 1, #readers do
    found[each][place] = readers[each](start .. middles[each] .. id)
  end
end
return cmsgpack.pack(found)
