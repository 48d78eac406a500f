-- Whole hashes in one reply: for each key, in order, its fields and values one after the other.
--
-- KEYS: the first hash, which tells a cluster where the script belongs. ARGV: the names of all hashes, that one too, a
-- line each; they are of one server, on a cluster of one bucket. It only reads. The reply is msgpack: one string costs a
-- client less than thousands.

local hashes, at = {}, 0
for name in string.gmatch(ARGV[1], '[^\n]+') do
  at = at + 1
  hashes[at] = redis.call('HGETALL', name)
end
return cmsgpack.pack(hashes)
