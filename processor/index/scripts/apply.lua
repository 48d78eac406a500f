-- Joins one bucket's batch, atomically, and puts what it brought into the bucket's outbox.
--
-- KEYS: the outbox, the offsets, the clocks of the jobs (all of one bucket: one hash tag). Every other key is of the
--       same bucket too; the argument names them without what the outbox has in front, or they are made here.
-- ARGV: one argument, a MessagePack array of:
--       number of partitions that the batch covers, each: field, first offset, next offset
--       how many are kept: recent runs of a job, epochs of ended runs, epochs of open runs, versions;
--       from how old an event is late, µs; whether to announce nothing (1)
--       number of parts (see processor/index/wire.py), each: three causes, number of stems, stems, number of hashes,
--           each: key, subject ("" = silent), number of joins, number of elements that follow, the joins' fields,
--           each: letter, place of its stem, payload, which cause (0 = silent: then the item is left out),
--               what stands before the cause in its item, and behind it, and of a touch what it touches
--       number of runs' segments, by age, each: job (hex), job's id, run's id and epoch (hex), subject, run field,
--           item, newest time of its events, number of its events, whether it has ended (1) by what is told here,
--           the run's place among the recent (ended) or open runs if this is all of it, number of its fields,
--           then for each field: field, value (its letter is that of RUN_JOINS; members sorted)
-- Returns a flat list: how many run events were late, then
--       entry id, payload, entry id, payload, … of what was put into the outbox;
-- or the one word GAP, with nothing written, when this bucket lacks what came before the batch.
--
-- The stored forms and the meaning of each join stand in processor/index/joins.py, what expires in
-- processor/index/expiry.py. Nothing is written before every argument, and all that the joins need, has
-- been read. What was news is put into the outbox even if a write fails after the first (a right that the
-- user lacks, say): the repeat, to which it is no news, would be silent about it.

-- Under names of their own, for a name of a library is looked up with each call.
local call, sub, byte, pack, parse = redis.call, string.sub, string.byte, struct.pack, struct.unpack
local min, max = math.min, math.max

local arguments, position = cmsgpack.unpack(ARGV[1]), 1
local function take()
  local value = arguments[position]
  position = position + 1
  return value
end

local CHUNK = 2000
-- The values of the fields that stand in a list from one place to another.
local function hmget(key, list, first, last)
  if last - first < CHUNK then return call('HMGET', key, unpack(list, first, last)) end
  local values = {}
  for start = first, last, CHUNK do
    local part = call('HMGET', key, unpack(list, start, min(start + CHUNK - 1, last)))
    for i = 1, #part do values[start - first + i] = part[i] end
  end
  return values
end

-- Writes the fields and values that stand by turns in a list, from one place to another.
local function hset(key, list, first, last)
  for start = first, last, CHUNK do
    call('HSET', key, unpack(list, start, min(start + CHUNK - 1, last)))
  end
end

local outbox_key, offsets_key, clock_key = KEYS[1], KEYS[2], KEYS[3]
local covered, starts, stops = {}, {}, {}
for i = 1, take() do covered[i], starts[i], stops[i] = take(), take(), take() end
local had = #covered > 0 and hmget(offsets_key, covered, 1, #covered) or {}
for i, start in ipairs(starts) do
  had[i] = tonumber(had[i] or '0')
  if had[i] < start then return { 'GAP' } end
end

local function claim()
  local put = {}
  for i, stop in ipairs(stops) do
    if had[i] < stop then
      put[#put + 1] = covered[i]
      put[#put + 1] = string.format('%.0f', stop)
    end
  end
  hset(offsets_key, put, 1, #put)
end

local keep = take()
local bucket = { runs = take(), open_runs = take(), versions = take(), late = take() }
local is_silent = take() == 1

-- Each bucket is told of each batch, and a small one has nothing else for most: what follows would cost them the most.
if arguments[position] == 0 and arguments[position + 1] == 0 then
  claim()
  return { 0 }
end

-- Byte order, whatever the server's locale makes of "<" on strings.
local function less(a, b)
  if a == b then return false end
  local shared = min(#a, #b)
  for i = 1, shared do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local function time_of(value)
  return (parse('>d', value))
end

local function later(a, b)
  local x, y = time_of(a), time_of(b)
  if x ~= y then return x > y end
  return less(sub(b, 9, 16), sub(a, 9, 16))
end

local HOURS = 14 -- history.RECENT_HOURS
local function hour_at(value, at)
  if at > #value then return -math.huge end
  return (parse('>i4', value, at))
end

local joins = {
  S = function(old, new)
    local first, hour, bits = parse('>di4I2', old)
    local first2, hour2, bits2 = parse('>di4I2', new)
    return pack('>di4I2', min(first, first2), max(hour, hour2), bit.bor(bits, bits2))
  end,
  H = function(old, new)
    local newest, oldest = hour_at(old, 9), hour_at(new, #new - 3)
    if oldest >= newest then -- nearly always: what comes is later than all that is there
      local rest = oldest == newest and 13 or 9
      local left = 4 * HOURS - (#new - 8)
      return pack('>d', min(time_of(old), time_of(new))) .. sub(new, 9)
        .. sub(old, rest, rest - 1 + left)
    end
    local first, hours, i, j = min(time_of(old), time_of(new)), {}, 9, 9
    while #hours < HOURS and (i <= #old or j <= #new) do
      local x, y = hour_at(old, i), hour_at(new, j)
      hours[#hours + 1] = pack('>i4', max(x, y))
      if x >= y then i = i + 4 end
      if y >= x then j = j + 4 end
    end
    return pack('>d', first) .. table.concat(hours)
  end,
  K = function(old, new)
    local day, before = parse('>i4', old), (parse('>i4', new))
    if before > day then
      day, before, old, new = before, day, new, old
    end
    local gap = 3 * (day - before) -- a day has three bytes; what is older than all that are kept is left out
    if gap >= #old - 4 then return old end
    local days = { byte(old, 5, -1) }
    for i = gap + 1, #days do days[i] = bit.bor(days[i], byte(new, 4 + i - gap)) end
    return sub(old, 1, 4) .. string.char(unpack(days))
  end,
  L = function(old, new) if later(new, old) then return new end return old end,
  E = function(old, new) if later(old, new) then return new end return old end,
  X = function(old, new) if time_of(new) > time_of(old) then return new end return old end,
  O = function(old, _) return old end,
}
joins.T = joins.X
joins.W = joins.X

local function frame(text)
  return pack('>I4', #text) .. text
end

-- News by subject: each piece is an item and what the join knows about it.
local news, order = {}, {}
local function add_news(subject, piece)
  local pieces = news[subject]
  if pieces then
    pieces[#pieces + 1] = piece
    return
  end
  news[subject] = { piece }
  order[#order + 1] = subject
end

local function tell(subject, item, extra)
  if is_silent or subject == '' then return end
  add_news(subject, frame(item) .. frame(extra))
end

-- The same of an item that stands in `arguments`, as its cause does.
local function announce(subject, at, cause, extra)
  if not at or is_silent or subject == '' then return end
  local before, between, behind = arguments[at], arguments[cause], arguments[at + 1]
  local sizes = pack('>I4', #before + #between + #behind)
  add_news(subject, sizes .. before .. between .. behind .. pack('>I4', #extra) .. extra)
end

local function is_news(letter, old, new)
  if not old then return letter ~= 'W' end
  return letter == 'L' and sub(old, 17) ~= sub(new, 17)
end

local function hgetall(key)
  local flat, map = call('HGETALL', key), {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

local function newest_first(map)
  local fields = {}
  for field in pairs(map) do fields[#fields + 1] = field end
  table.sort(fields, function(a, b)
    local x, y = time_of(map[a]), time_of(map[b])
    if x ~= y then return x > y end
    return less(b, a)
  end)
  return fields
end

-- Drops the touches all of whose facets a later touch states too (joins.dominated).
local function settle_touches(key)
  local names, touches = {}, {}
  for _, field in ipairs(call('HKEYS', key)) do
    if byte(field) == 84 then names[#names + 1] = field end -- T
  end
  local count = #names
  if count < 2 then return end
  for i, value in ipairs(hmget(key, names, 1, count)) do touches[names[i]] = value end
  local stated, late = {}, {}
  for _, field in ipairs(newest_first(touches)) do
    local value, fresh = touches[field], false
    for i = 9, #value, 4 do
      local name = sub(value, i, i + 3)
      if not stated[name] then stated[name] = true; fresh = true end
    end
    if not fresh then late[#late + 1] = field end
  end
  local from = (#late == count) and 2 or 1
  for i = from, #late do
    call('HDEL', key, late[i], 'B' .. sub(late[i], 2))
  end
end

-- The DROP that a later write has undone; '' when there is none (joins.revived).
local function revived(change, written)
  if not change or not written or sub(change, 17, 21) ~= '\4DROP' then return '' end
  return time_of(written) > time_of(change) and change or ''
end

local function announce_revival(entry)
  local was_change = call('HGET', entry.key, 'd')
  local undone = revived(entry.change or was_change, entry.written)
  if undone ~= '' and undone ~= revived(was_change, entry.was_written) then
    announce(entry.subject, entry.at_write, entry.cause_of_write, undone)
  end
end

-- The versions that an output's or a lane's record has too many of; see expiry.surplus.
local MARK = 12
local function group_of(field) return sub(field, 2, -MARK - 1) end
local function mark_of(field) return sub(field, -MARK) end
local function last_hour(value) return hour_at(value, 9) end

local function drop_surplus(key, group, most)
  if call('HLEN', key) <= most then return end
  local there, versions, stated = hgetall(key), {}, {}
  for field in pairs(there) do
    if sub(field, 1, 1) == 'v' then
      if group_of(field) == group then versions[#versions + 1] = field else stated[mark_of(field)] = true end
    end
  end
  if #versions <= most then return end
  table.sort(versions, function(a, b)
    local x, y = last_hour(there[a]), last_hour(there[b])
    if x ~= y then return x > y end
    return less(b, a)
  end)
  local needed, run = { [sub(there['c' .. group], 17)] = true }, there['k' .. group]
  for i = most + 1, #versions do
    local mark = mark_of(versions[i])
    local of_run = there['q' .. group .. mark]
    if not needed[mark] and not (run and of_run and sub(of_run, 17) == sub(run, 17)) then
      call('HDEL', key, 'v' .. group .. mark, 'e' .. group .. mark, 'q' .. group .. mark)
      if not stated[mark] then call('HDEL', key, 'b' .. mark) end
    end
  end
end

-- Where a hash may hold more than one touch: besides i, t and what is known to be there, each takes two fields.
local function may_hold_touches(entry)
  return call('HLEN', entry.key) >= 6 + entry.others
end

local LEAST = { S = 14, H = 12, K = 28, L = 16, E = 16, X = 8, W = 8, T = 8, O = 0 }
local wrong = nil

local function check(letter, value)
  local least = LEAST[letter]
  if not least then
    wrong = 'ERR unknown join ' .. tostring(letter)
  elseif #value < least then
    wrong = 'ERR short value for join ' .. letter
  end
end

-- What is to be written of all hashes, fields and values by turns; those of a hash lie together. One list for all, and
-- below one for all merging: making lists for each would cost more than what is put into them.
local changed, size = {}, 0

-- A hash that is joined into. `at`: where what a statement joins into it stands in `arguments`, `part`: where that
-- statement's part does; `more`: the same of further statements, by turns. `first`, `last`: what is written to it.
local function new_entry(key, subject, at, part)
  return { key = key, subject = subject, at = at, part = part, first = 1, last = 0, others = 0 }
end

-- Reads the join that stands at a place of a part: its letter, what it joins (nil = no event makes it), where its item
-- stands (nil = silent) and its cause, what it touches, and where the next join stands.
local function read_join(at, part)
  local letter, stem, value, cause = arguments[at], arguments[part + 3 + arguments[at + 1]], arguments[at + 2],
    arguments[at + 3]
  local behind, item, touched = at + 4, nil, nil
  if cause ~= 0 then
    item, behind = behind, at + 6
    cause = part + cause - 1
    if arguments[cause] == '' then cause = part end
  end
  if letter == 'T' then
    touched = arguments[behind]
    behind = behind + 1
  end
  if not stem then return letter, nil, nil, nil, nil, behind end
  if stem ~= '' then value = stem .. value end
  if #value < (LEAST[letter] or math.huge) then check(letter, value) end
  return letter, value, item, cause, touched, behind
end

-- What a field becomes; `write_key` writes it. `item`, `cause`: where these stand, nil = silent.
local function join_field(entry, letter, field, old, value, item, cause, touched)
  local new = value
  if old and old ~= value then new = joins[letter](old, value) end
  if #field == 1 and (field == 'w' or field == 'h' or field == 'd') then
    entry.others = entry.others + 1
    if field == 'd' then
      entry.change = new
    elseif letter == 'W' then
      entry.was_written, entry.written, entry.at_write, entry.cause_of_write = old, new, item, cause
    end
  end
  if new == old then return end
  changed[size + 1], changed[size + 2] = field, new
  size = size + 2
  if letter == 'T' then
    entry.is_touched = true
    if not old then
      changed[size + 1], changed[size + 2] = 'B' .. sub(field, 2), touched
      size = size + 2
    end
  elseif not old and byte(field) == 118 and letter ~= 'O' then -- v; of the ids of a registry some begin so too
    entry.grown = entry.grown or {}
    entry.grown[group_of(field)] = true
  end
  if item and is_news(letter, old, new) then announce(entry.subject, item, cause, old or '') end
end

-- Of what several statements join into one hash, one join for each field. The item is that of the join that made the
-- value, else that of the earlier. `places`: by field, its place behind those of the hashes before.
local fields, letters, values, items, causes, touches = {}, {}, {}, {}, {}, {}
local places, before, count = {}, 0, 0
local function merge(field, letter, value, item, cause, touched)
  local place = places[field]
  if not place or place <= before then
    count = count + 1
    places[field], fields[count], letters[count], values[count] = before + count, field, letter, value
    items[count], causes[count], touches[count] = item or false, cause or false, touched or false
    return
  end
  local i = place - before
  local there = values[i]
  if there == value then return end
  local joined = joins[letter](there, value)
  if joined == there then return end
  values[i] = joined
  if joined == value or time_of(value) < time_of(there) then
    items[i], causes[i] = item or false, cause or false
  end
end

local function merge_statement(at, part)
  local names, most = at + 3, arguments[at + 2]
  local next_join = at + 4 + most
  for i = 1, most do
    local letter, value, item, cause, touched
    letter, value, item, cause, touched, next_join = read_join(next_join, part)
    if wrong then return end
    if value then merge(arguments[names + i], letter, value, item, cause, touched) end
  end
end

local function join_merged(entry)
  local more = entry.more
  before, count = before + count, 0
  merge_statement(entry.at, entry.part)
  for i = 1, #more, 2 do merge_statement(more[i], more[i + 1]) end
  if wrong or count == 0 then return end
  local there = hmget(entry.key, fields, 1, count)
  for i = 1, count do
    join_field(entry, letters[i], fields[i], there[i], values[i], items[i], causes[i], touches[i])
  end
end

local function join_statement(entry)
  local part, fields, count = entry.part, entry.at + 3, arguments[entry.at + 2]
  local next_join, there = entry.at + 4 + count, hmget(entry.key, arguments, fields + 1, fields + count)
  for i = 1, count do
    local letter, value, item, cause, touched
    letter, value, item, cause, touched, next_join = read_join(next_join, part)
    if wrong then return end
    if value then join_field(entry, letter, arguments[fields + i], there[i], value, item, cause, touched) end
  end
end

-- Reads what is there and works out what it becomes.
local function join_key(entry)
  entry.first = size + 1
  if entry.more then join_merged(entry) else join_statement(entry) end
  entry.last = size
  if entry.written then announce_revival(entry) end
end

local function write_key(entry, versions)
  if entry.last < entry.first then return end
  hset(entry.key, changed, entry.first, entry.last)
  if entry.is_touched and may_hold_touches(entry) then settle_touches(entry.key) end
  for group in pairs(entry.grown or {}) do drop_surplus(entry.key, group, versions) end
end

local STATE_CODE = { COMPLETE = 0, FAIL = 1, ABORT = 2 }

-- What a run comes to among its job's recent ones.
local function summarize(run)
  local members, counts = {}, { I = 0, O = 0, M = 0 }
  for field in pairs(run) do
    local letter = sub(field, 1, 1)
    if counts[letter] then
      counts[letter] = counts[letter] + 1
      members[#members + 1] = field
    end
  end
  table.sort(members, less)
  local signature = sub(redis.sha1hex(table.concat(members)), 1, 16)
  local state = STATE_CODE[sub(run.e, 17)]
  return pack('>ddBI2I2I2', time_of(run.e), time_of(run.b or run.t), state, min(counts.I, 65535),
    min(counts.O, 65535), min(counts.M, 65535)) .. signature .. run.i
end

-- A run's segments; see expiry.py. `bucket` is the bucket's: its prefix of keys, what it keeps; `job` is a job's:
-- its clock before and after the batch, its keys, how many settles it has.
local EPOCH_US, LAST_EPOCH, SWEEP = 864000000000, 65535, 500
local RUN_JOINS = {
  i = 'O', t = 'S', u = 'X', b = 'E', e = 'L', q = 'L', p = 'L', n = 'L', x = 'L', I = 'O', O = 'O', M = 'O',
}

local function epoch_of(time)
  return min(max(math.floor(time / EPOCH_US), 0), LAST_EPOCH)
end

local function epoch_of_segment(key) return tonumber(sub(key, -4), 16) end

local function member(segment) return sub(segment, -28) end

-- Names of a run's segments of epochs that follow one another.
local DIGITS = {}
local function digits_of(epoch)
  local digits = DIGITS[epoch]
  if not digits then
    digits = string.format('%04x', epoch)
    DIGITS[epoch] = digits
  end
  return digits
end

local function unhex(text)
  return (string.gsub(text, '%x%x', function(hex) return string.char(tonumber(hex, 16)) end))
end

local function nearest(segment, first, last, step)
  local names, stem = {}, sub(segment, 1, -5)
  for epoch = first, last, step do names[#names + 1] = stem .. digits_of(epoch) end
  if #names == 0 or call('EXISTS', unpack(names)) == 0 then return nil end
  for _, name in ipairs(names) do
    if call('EXISTS', name) == 1 then return name end
  end
end

-- Joins into a run's segment the values of the fields that stand by turns in a list, from one place to another.
local function join_segment(segment, list, first, last)
  local entry, fields = new_entry(segment, ''), {}
  for at = first, last, 2 do fields[#fields + 1] = list[at] end
  local there = hmget(segment, fields, 1, #fields)
  entry.first = size + 1
  for i = 1, #fields do
    local letter, value = RUN_JOINS[sub(fields[i], 1, 1)], list[first + 2 * i - 1]
    check(letter, value)
    if wrong then return end
    join_field(entry, letter, fields[i], there[i], value)
  end
  entry.last = size
  return entry
end

-- One segment into a later one, unless too much time lies between them; which of them it is now.
local function move_on(bucket, job, former, into)
  if not former then return into end
  local ended = call('HEXISTS', former, 'e') == 1
  local gap = epoch_of_segment(into) - epoch_of_segment(former)
  if gap >= (ended and bucket.runs or bucket.open_runs) then return former end
  local there = call('HGETALL', former)
  write_key(join_segment(into, there, 1, #there))
  call('UNLINK', former)
  call('ZREM', job.due, member(former))
  return into
end

local function link(bucket, settle)
  local segment, job, reach, epoch = settle.key, settle.job, bucket.open_runs - 1, settle.epoch
  if not call('ZSCORE', job.due, settle.member) then
    move_on(bucket, job, nearest(segment, epoch - 1, max(epoch - reach, 0), -1), segment)
    call('ZADD', job.due, epoch, settle.member)
  end
  local following = nearest(segment, epoch + 1, min(epoch + reach, job.now), 1)
  return following and move_on(bucket, job, segment, following) or segment
end

local function drop_segment(job, entry, epoch)
  call('ZREM', job.due, entry)
  call('UNLINK', job.segments .. entry)
  local run = unhex(sub(entry, 1, 24))
  local opened = call('HGET', job.open, run)
  if opened and select(2, parse('>dI2', opened)) == epoch then call('HDEL', job.open, run) end
end

local function sweep(bucket, job)
  local until_epoch = job.now - bucket.runs
  if until_epoch <= 0 then return end
  local found = call('ZRANGEBYSCORE', job.due, '-inf', '(' .. until_epoch, 'LIMIT', 0, SWEEP + job.settles)
  for _, entry in ipairs(found) do
    local epoch = epoch_of_segment(entry)
    if epoch >= job.now - bucket.open_runs and call('HEXISTS', job.segments .. entry, 'e') == 0 then
      call('ZADD', job.due, epoch + bucket.open_runs - bucket.runs, entry)
    else
      drop_segment(job, entry, epoch)
    end
  end
end

-- The recent runs of a job; read once, and kept true while the script goes on. `ends`: when each ended.
local function recents_of(job)
  if not job.recents then
    local there, ends, count = hgetall(job.recent_key), {}, 0
    for field, value in pairs(there) do ends[field], count = time_of(value), count + 1 end
    job.recents, job.ends, job.count = there, ends, count
  end
  return job.recents
end

local function ends_before(x, a, y, b)
  if x ~= y then return x < y end
  return less(a, b)
end

local function oldest_of(ends)
  local oldest, first = nil, math.huge
  for other, at in pairs(ends) do
    if at < first or at == first and (not oldest or less(other, oldest)) then oldest, first = other, at end
  end
  return oldest
end

-- The run that ended last, besides this one. A look at each, unless it is known from the run before.
local function newest_but(job, field)
  if job.newest and job.newest ~= field then return job.newest end
  local newest, last = nil, -math.huge
  for other, at in pairs(job.ends) do
    if other ~= field and (at > last or at == last and (not newest or less(newest, other))) then
      newest, last = other, at
    end
  end
  return newest
end

local function remember_recent(job, field, summary, other)
  local ends, at = job.ends, time_of(summary)
  job.recents[field], ends[field] = summary, at
  job.newest = other and ends_before(at, field, ends[other], other) and other or field
end

-- The oldest of several, so never the one that ended last.
local function forget_recent(job, field)
  job.recents[field], job.ends[field], job.count = nil, nil, job.count - 1
end

-- A run that has ended takes its place among its job's recent runs.
local function settle_ended(settle, summary, keep)
  local job, field = settle.job, settle.run_field
  local recents = recents_of(job)
  local old = recents[field]
  if old == summary then return end
  if not old then job.count = job.count + 1 end
  local other = newest_but(job, field)
  remember_recent(job, field, summary, other)
  local is_full = job.count > keep
  local oldest = is_full and oldest_of(job.ends)
  if is_full and oldest == field then
    forget_recent(job, field)
    return
  end
  local failed = byte(summary, 17) ~= 0
  if failed and not (old and byte(old, 17) == byte(summary, 17)) then
    tell(settle.subject, settle.item, 'F' .. summary)
  elseif not failed and other and sub(recents[other], 24, 39) ~= sub(summary, 24, 39) then
    tell(settle.subject, settle.item, 'D' .. summary)
  end
  job.places.recent[field] = summary
  if is_full then
    job.places.recent[oldest] = false
    forget_recent(job, oldest)
  end
end

-- A run's place among its job's recent and open runs follows from the run's newest segment.
local function settle_run(bucket, settle, keep)
  local job, segment, run = settle.job, settle.key, nil
  if not settle.is_fresh or settle.epoch < job.now then
    local newest = link(bucket, settle)
    if not settle.is_fresh or newest ~= segment then
      segment = newest
      run = hgetall(segment)
    end
  end
  local open = job.places.open
  if settle.has_ended and not run or run and run.e then
    -- Even of one of which nothing is kept that could move on: an older segment may have left it open.
    open[settle.run_field] = false
    settle_ended(settle, run and summarize(run) or settle.place, keep)
  elseif run then
    local entry = pack('>dI2', time_of(run.b or run.t), epoch_of_segment(segment)) .. run.i
    open[settle.run_field] = entry
  else
    open[settle.run_field] = settle.place
  end
end

-- Writes what became of fields: their values, false where they are no more.
local function write_places(key, places)
  local put, gone = {}, {}
  for field, value in pairs(places) do
    if value then
      put[#put + 1] = field
      put[#put + 1] = value
    else
      gone[#gone + 1] = field
    end
  end
  hset(key, put, 1, #put)
  for start = 1, #gone, CHUNK do call('HDEL', key, unpack(gone, start, min(start + CHUNK - 1, #gone))) end
end

local prefix = sub(outbox_key, 1, -#'outbox' - 1)
local work, by_key = {}, {}
-- Takes note of what a statement joins into a hash.
local function read_hash(at, part)
  local name, subject = arguments[at], arguments[at + 1]
  local entry = by_key[name]
  if not entry then
    entry = new_entry(prefix .. name, subject, at, part)
    by_key[name], work[#work + 1] = entry, entry
    return
  end
  local more = entry.more or {}
  more[#more + 1], more[#more + 2] = at, part
  entry.more = more
  -- Of two statements one may say nothing here that is announced.
  if entry.subject == '' then entry.subject = subject end
end

local function read_part()
  local part = position
  position = part + 4 + arguments[part + 3]
  for _ = 1, take() do
    read_hash(position, part)
    position = position + 4 + arguments[position + 3]
  end
end

for _ = 1, take() do read_part() end
local settles = {}
for i = 1, take() do
  local job, id, name = take(), take(), take()
  local settle = {
    id = job, job_field = id, member = name, key = prefix .. 'r:' .. job .. name, subject = take(), run_field = take(),
    item = take(), newest = take(), events = take(), has_ended = take() == 1, place = take(), count = take(),
    at = position, epoch = epoch_of_segment(name),
  }
  position = position + 2 * settle.count
  settles[i] = settle
end

local function open_job(hex, field)
  local clock = call('HGET', clock_key, field)
  local before = clock and time_of(clock) or 0
  return {
    field = field, before = before, told = before, settles = 0, fresh = {}, places = { open = {}, recent = {} },
    due = prefix .. 'due:' .. hex, open = prefix .. 'open:' .. hex, segments = prefix .. 'r:' .. hex,
    recent_key = prefix .. 'j:' .. hex,
  }
end

-- Whether nothing is kept of a run yet: no segment of its own epoch, none of an earlier one that could move on.
local function is_new_run(settle, reach)
  local names, stem = { settle.key }, sub(settle.key, 1, -5)
  for epoch = max(settle.epoch - reach, 0), settle.epoch - 1 do names[#names + 1] = stem .. digits_of(epoch) end
  return call('EXISTS', unpack(names)) == 0
end

-- A run of which nothing is kept yet is written as it is told, unchecked: that is a tenth of what runs cost here.
local function write_fresh(settle)
  hset(settle.key, arguments, settle.at, settle.at + 2 * settle.count - 1)
end

local function write_due(job)
  local fresh = job.fresh
  for start = 1, #fresh, CHUNK do
    call('ZADD', job.due, unpack(fresh, start, min(start + CHUNK - 1, #fresh)))
  end
end

local jobs, met, late_events = {}, {}, 0
for _, settle in ipairs(settles) do
  local job = jobs[settle.id] or open_job(settle.id, settle.job_field)
  jobs[settle.id], settle.job = job, job
  job.settles = job.settles + 1
  job.told = max(job.told, settle.newest)
  if settle.newest < job.before - bucket.late then late_events = late_events + settle.events end
  settle.refused = settle.epoch < epoch_of(job.before) - bucket.runs
end
for _, job in pairs(jobs) do job.now = epoch_of(job.told) end
for _, entry in ipairs(work) do
  join_key(entry)
  if wrong then return redis.error_reply(wrong) end
end
for _, settle in ipairs(settles) do
  if not settle.refused then
    local run = settle.id .. settle.run_field
    settle.is_fresh = not met[run] and is_new_run(settle, bucket.open_runs - 1)
    met[run] = true
    if settle.is_fresh then
      local fresh = settle.job.fresh
      fresh[#fresh + 1], fresh[#fresh + 2] = settle.epoch, settle.member
    else
      settle.entry = join_segment(settle.key, arguments, settle.at, settle.at + 2 * settle.count - 1)
      if wrong then return redis.error_reply(wrong) end
    end
  end
end
local written, failure = pcall(function()
  for _, entry in ipairs(work) do write_key(entry, bucket.versions) end
  for _, settle in ipairs(settles) do
    if settle.entry then write_key(settle.entry) elseif settle.is_fresh then write_fresh(settle) end
  end
  for _, job in pairs(jobs) do write_due(job) end
  for _, settle in ipairs(settles) do
    if not settle.refused then settle_run(bucket, settle, keep) end
  end
  for _, job in pairs(jobs) do
    write_places(job.open, job.places.open)
    write_places(job.recent_key, job.places.recent)
    sweep(bucket, job)
    if job.told > job.before then call('HSET', clock_key, job.field, pack('>d', job.told)) end
  end
end)

local reply = { late_events }
for _, subject in ipairs(order) do
  local payload = frame(subject) .. table.concat(news[subject])
  local id = redis.sha1hex(payload)
  call('HSET', outbox_key, id, payload)
  reply[#reply + 1] = id
  reply[#reply + 1] = payload
end
if not written then
  if type(failure) == 'table' then return failure end
  return redis.error_reply(failure)
end

claim()
return reply
