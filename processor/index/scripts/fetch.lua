-- Whole hashes in one reply: for each key, in order, its fields and values one after the other.
--
-- KEYS: hashes of the index; it only reads. The reply is msgpack: one string costs a client less than thousands.

local hashes = {}
for at = 1, #KEYS do
  hashes[at] = redis.call('HGETALL', KEYS[at])
end
return cmsgpack.pack(hashes)
