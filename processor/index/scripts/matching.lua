-- Not a script: it stands before those that read a hash in part.

-- Fields that match a glob, and their values, in turn. In pages: a small hash comes whole in the first.
local function matching(name, glob)
  local page = redis.call('HSCAN', name, '0', 'MATCH', glob, 'COUNT', 1000)
  local found = page[2]
  while page[1] ~= '0' do
    page = redis.call('HSCAN', name, page[1], 'MATCH', glob, 'COUNT', 1000)
    for at = 1, #page[2] do
      found[#found + 1] = page[2][at]
    end
  end
  return found
end
