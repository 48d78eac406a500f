-- Joins one bucket's batch, atomically, and puts what it brought into the bucket's outbox.
--
-- KEYS: 1..n the hashes to join into, n+1 the outbox, n+2 the offsets, n+3 the clocks of the jobs
--       (all of one bucket: one hash tag). The keys of a run's other segments, and of what a job has open
--       and due, are of the same bucket too; their names are made here.
-- ARGV: one argument, a MessagePack array of:
--       n
--       for each of the n keys: subject ("" = silent), number of ops,
--           then for each op: letter, field, value, item ("" = silent)
--       number of settles, each: index of the run's key, index of the job's recent runs' key,
--           run field, item, newest time of its events, number of its events
--       number of partitions that the batch covers, each: field, first offset, next offset
--       how many are kept: recent runs of a job, epochs of ended runs, epochs of open runs, versions;
--       from how old an event is late, µs
-- Returns a flat list: how many run events were late, then
--       entry id, payload, entry id, payload, … of what was put into the outbox;
-- or the one word GAP, with nothing written, when this bucket lacks what came before the batch.
--
-- The stored forms and the meaning of each join stand in processor/index/joins.py, what expires in
-- processor/index/expiry.py. Nothing is written before every argument, and all that the joins need, has
-- been read. What was news is put into the outbox even if a write fails after the first (a right that the
-- user lacks, say): the repeat, to which it is no news, would be silent about it.

local arguments, position = cmsgpack.unpack(ARGV[1]), 1
local function take()
  local value = arguments[position]
  position = position + 1
  return value
end

-- Byte order, whatever the server's locale makes of "<" on strings.
local function less(a, b)
  if a == b then return false end
  local shared = math.min(#a, #b)
  for i = 1, shared do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local function time_of(value)
  return (struct.unpack('>d', value))
end

local function later(a, b)
  local x, y = time_of(a), time_of(b)
  if x ~= y then return x > y end
  return less(string.sub(b, 9, 16), string.sub(a, 9, 16))
end

local HOURS = 14 -- history.RECENT_HOURS
local function hour_at(value, at)
  if at > #value then return -math.huge end
  return (struct.unpack('>i4', value, at))
end

local joins = {
  S = function(old, new)
    local first, hour, bits = struct.unpack('>di4I2', old)
    local first2, hour2, bits2 = struct.unpack('>di4I2', new)
    return struct.pack('>di4I2', math.min(first, first2), math.max(hour, hour2), bit.bor(bits, bits2))
  end,
  H = function(old, new)
    local first, hours, i, j = math.min(time_of(old), time_of(new)), {}, 9, 9
    while #hours < HOURS and (i <= #old or j <= #new) do
      local x, y = hour_at(old, i), hour_at(new, j)
      hours[#hours + 1] = struct.pack('>i4', math.max(x, y))
      if x >= y then i = i + 4 end
      if y >= x then j = j + 4 end
    end
    return struct.pack('>d', first) .. table.concat(hours)
  end,
  L = function(old, new) if later(new, old) then return new end return old end,
  E = function(old, new) if later(old, new) then return new end return old end,
  X = function(old, new) if time_of(new) > time_of(old) then return new end return old end,
  O = function(old, _) return old end,
}
joins.T = joins.X
joins.W = joins.X

local function frame(text)
  return struct.pack('>I4', #text) .. text
end

-- News by subject: each piece is an item and what the join knows about it.
local news, order = {}, {}
local function announce(subject, item, extra)
  if subject == '' or item == '' then return end
  if not news[subject] then
    news[subject] = {}
    order[#order + 1] = subject
  end
  table.insert(news[subject], frame(item) .. frame(extra))
end

local function is_news(letter, old, new)
  if not old then return letter ~= 'W' end
  return letter == 'L' and string.sub(old, 17) ~= string.sub(new, 17)
end

local CHUNK = 2000
local function hmget(key, fields)
  local values = {}
  for start = 1, #fields, CHUNK do
    local stop = math.min(start + CHUNK - 1, #fields)
    local part = redis.call('HMGET', key, unpack(fields, start, stop))
    for i = 1, #part do values[start + i - 1] = part[i] end
  end
  return values
end

local function hset(key, pairs_list)
  for start = 1, #pairs_list, CHUNK do
    local stop = math.min(start + CHUNK - 1, #pairs_list)
    redis.call('HSET', key, unpack(pairs_list, start, stop))
  end
end

local function hgetall(key)
  local flat, map = redis.call('HGETALL', key), {}
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
  local touches, count = {}, 0
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 1) == 'T' then touches[field] = true; count = count + 1 end
  end
  if count < 2 then return end
  for field in pairs(touches) do touches[field] = redis.call('HGET', key, field) end
  local stated, late = {}, {}
  for _, field in ipairs(newest_first(touches)) do
    local value, fresh = touches[field], false
    for i = 9, #value, 4 do
      local name = string.sub(value, i, i + 3)
      if not stated[name] then stated[name] = true; fresh = true end
    end
    if not fresh then late[#late + 1] = field end
  end
  local from = (#late == count) and 2 or 1
  for i = from, #late do
    redis.call('HDEL', key, late[i], 'B' .. string.sub(late[i], 2))
  end
end

-- The DROP that a later write has undone; '' when there is none (joins.revived).
local function revived(change, written)
  if not change or not written or string.sub(change, 17, 21) ~= '\4DROP' then return '' end
  return time_of(written) > time_of(change) and change or ''
end

local function announce_revival(entry, op, was_written, written, change)
  local was_change = redis.call('HGET', entry.key, 'd')
  local undone = revived(change or was_change, written or was_written)
  if undone ~= '' and undone ~= revived(was_change, was_written) then announce(entry.subject, op.item, undone) end
end

-- The versions that an output's or a lane's record has too many of; see expiry.surplus.
local MARK = 12
local function group_of(field) return string.sub(field, 2, -MARK - 1) end
local function mark_of(field) return string.sub(field, -MARK) end
local function last_hour(value) return hour_at(value, 9) end

local function drop_surplus(key, group, most)
  if redis.call('HLEN', key) <= most then return end
  local there, versions, stated = hgetall(key), {}, {}
  for field in pairs(there) do
    if string.sub(field, 1, 1) == 'v' then
      if group_of(field) == group then versions[#versions + 1] = field else stated[mark_of(field)] = true end
    end
  end
  if #versions <= most then return end
  table.sort(versions, function(a, b)
    local x, y = last_hour(there[a]), last_hour(there[b])
    if x ~= y then return x > y end
    return less(b, a)
  end)
  local needed, run = { [string.sub(there['c' .. group], 17)] = true }, there['k' .. group]
  for i = most + 1, #versions do
    local mark = mark_of(versions[i])
    local of_run = there['q' .. group .. mark]
    if not needed[mark] and not (run and of_run and string.sub(of_run, 17) == string.sub(run, 17)) then
      redis.call('HDEL', key, 'v' .. group .. mark, 'e' .. group .. mark, 'q' .. group .. mark)
      if not stated[mark] then redis.call('HDEL', key, 'b' .. mark) end
    end
  end
end

-- Reads what is there and works out what it becomes; `write_key` writes it.
local function join_key(entry)
  local fields = {}
  for i, op in ipairs(entry.ops) do fields[i] = op.field end
  local there, changed = hmget(entry.key, fields), {}
  local pending, write = {}, nil
  entry.grown = {}
  for i, op in ipairs(entry.ops) do
    if op.letter == 'W' then write = i end
    local old = pending[op.field] or there[i]
    local new = old and joins[op.letter](old, op.value) or op.value
    if new ~= old then
      changed[#changed + 1] = op.field
      changed[#changed + 1] = new
      pending[op.field] = new
      entry.touched = entry.touched or op.letter == 'T'
      if not old and string.byte(op.field) == 118 then entry.grown[group_of(op.field)] = true end -- v
      if is_news(op.letter, old, new) then announce(entry.subject, op.item, old or '') end
    end
  end
  if write then announce_revival(entry, entry.ops[write], there[write], pending.w, pending.d) end
  entry.changed = changed
end

local function write_key(entry, versions)
  hset(entry.key, entry.changed)
  if entry.touched then settle_touches(entry.key) end
  for group in pairs(entry.grown) do drop_surplus(entry.key, group, versions) end
end

local STATE_CODE = { COMPLETE = 0, FAIL = 1, ABORT = 2 }

local function summarize(run)
  local members, counts = {}, { I = 0, O = 0, M = 0 }
  for field in pairs(run) do
    local letter = string.sub(field, 1, 1)
    if counts[letter] then
      counts[letter] = math.min(counts[letter] + 1, 65535)
      members[#members + 1] = field
    end
  end
  table.sort(members, less)
  local signature = string.sub(redis.sha1hex(table.concat(members)), 1, 16)
  local started = time_of(run.b or run.t)
  local state = STATE_CODE[string.sub(run.e, 17)]
  return struct.pack('>ddBI2I2I2', time_of(run.e), started, state, counts.I, counts.O, counts.M)
    .. signature .. run.i
end

-- A run's segments; see expiry.py. `bucket` is the bucket's: its prefix of keys, what it keeps; `job` is a job's:
-- its clock before and after the batch, its keys, how many settles it has.
local EPOCH_US, LAST_EPOCH, SWEEP = 864000000000, 65535, 500
local RUN_JOINS = {
  i = 'O', t = 'S', u = 'X', b = 'E', e = 'L', q = 'L', p = 'L', n = 'L', x = 'L', I = 'O', O = 'O', M = 'O',
}

local function epoch_of(time)
  return math.min(math.max(math.floor(time / EPOCH_US), 0), LAST_EPOCH)
end

local function epoch_of_segment(key) return tonumber(string.sub(key, -4), 16) end

local function member(segment) return string.sub(segment, -28) end

local function unhex(text)
  return (string.gsub(text, '%x%x', function(hex) return string.char(tonumber(hex, 16)) end))
end

local function nearest(segment, first, last, step)
  local names = {}
  for epoch = first, last, step do names[#names + 1] = string.sub(segment, 1, -5) .. string.format('%04x', epoch) end
  if #names == 0 or redis.call('EXISTS', unpack(names)) == 0 then return nil end
  for _, name in ipairs(names) do
    if redis.call('EXISTS', name) == 1 then return name end
  end
end

-- One segment into a later one, unless too much time lies between them; which of them it is now.
local function move_on(bucket, job, former, into)
  if not former then return into end
  local ended = redis.call('HEXISTS', former, 'e') == 1
  local gap = epoch_of_segment(into) - epoch_of_segment(former)
  if gap >= (ended and bucket.runs or bucket.open_runs) then return former end
  local entry = { key = into, subject = '', ops = {} }
  for field, value in pairs(hgetall(former)) do
    local letter = RUN_JOINS[string.sub(field, 1, 1)]
    entry.ops[#entry.ops + 1] = { letter = letter, field = field, value = value, item = '' }
  end
  join_key(entry)
  write_key(entry)
  redis.call('UNLINK', former)
  redis.call('ZREM', job.due, member(former))
  return into
end

local function link(bucket, settle)
  local segment, job, reach = settle.run, settle.job, bucket.open_runs - 1
  local epoch = epoch_of_segment(segment)
  if not redis.call('ZSCORE', job.due, member(segment)) then
    move_on(bucket, job, nearest(segment, epoch - 1, math.max(epoch - reach, 0), -1), segment)
    redis.call('ZADD', job.due, epoch, member(segment))
  end
  local following = nearest(segment, epoch + 1, math.min(epoch + reach, job.now), 1)
  return following and move_on(bucket, job, segment, following) or segment
end

local function drop_segment(job, entry, epoch)
  redis.call('ZREM', job.due, entry)
  redis.call('UNLINK', job.segments .. entry)
  local run = unhex(string.sub(entry, 1, 24))
  local opened = redis.call('HGET', job.open, run)
  if opened and select(2, struct.unpack('>dI2', opened)) == epoch then redis.call('HDEL', job.open, run) end
end

local function sweep(bucket, job)
  local until_epoch = job.now - bucket.runs
  if until_epoch <= 0 then return end
  local found = redis.call('ZRANGEBYSCORE', job.due, '-inf', '(' .. until_epoch, 'LIMIT', 0, SWEEP + job.settles)
  for _, entry in ipairs(found) do
    local epoch = epoch_of_segment(entry)
    if epoch >= job.now - bucket.open_runs and redis.call('HEXISTS', job.segments .. entry, 'e') == 0 then
      redis.call('ZADD', job.due, epoch + bucket.open_runs - bucket.runs, entry)
    else
      drop_segment(job, entry, epoch)
    end
  end
end

-- A run's place among its job's recent and open runs follows from the run's newest segment.
local function settle_run(bucket, settle, keep)
  local segment, open_key = link(bucket, settle), settle.job.open
  local run = hgetall(segment)
  if not run.e then
    local entry = struct.pack('>dI2', time_of(run.b or run.t), epoch_of_segment(segment)) .. run.i
    redis.call('HSET', open_key, settle.run_field, entry)
    return
  end
  redis.call('HDEL', open_key, settle.run_field)
  local recents, summary = hgetall(settle.recent), summarize(run)
  local old = recents[settle.run_field]
  if old == summary then return end
  recents[settle.run_field] = summary
  local fields = newest_first(recents)
  if #fields > keep and fields[#fields] == settle.run_field then return end
  local failed = string.byte(summary, 17) ~= 0
  local other = (fields[1] == settle.run_field) and fields[2] or fields[1]
  if failed and not (old and string.byte(old, 17) == string.byte(summary, 17)) then
    announce(settle.subject, settle.item, 'F' .. summary)
  elseif not failed and other and string.sub(recents[other], 24, 39) ~= string.sub(summary, 24, 39) then
    announce(settle.subject, settle.item, 'D' .. summary)
  end
  redis.call('HSET', settle.recent, settle.run_field, summary)
  if #fields > keep then redis.call('HDEL', settle.recent, fields[#fields]) end
end

local LEAST = { S = 14, H = 12, L = 16, E = 16, X = 8, W = 8, T = 8, O = 0 }

local n = tonumber(take())
local work = {}
for k = 1, n do
  local subject, ops = take(), {}
  for i = 1, tonumber(take()) do
    local op = { letter = take(), field = take(), value = take(), item = take() }
    if not joins[op.letter] then return redis.error_reply('ERR unknown join ' .. op.letter) end
    if #op.value < LEAST[op.letter] then return redis.error_reply('ERR short value for join ' .. op.letter) end
    ops[i] = op
  end
  work[k] = { key = KEYS[k], subject = subject, ops = ops }
end
local settles = {}
for i = 1, tonumber(take()) do
  local run, recent = tonumber(take()), tonumber(take())
  settles[i] = {
    run = KEYS[run], work = work[run], subject = work[run].subject, recent = KEYS[recent],
    id = string.sub(KEYS[recent], -24), run_field = take(), item = take(),
    newest = tonumber(take()), events = tonumber(take()),
  }
end
local offsets = {}
for i = 1, tonumber(take()) do offsets[i] = { field = take(), start = tonumber(take()), stop = tonumber(take()) } end
local keep = tonumber(take())
local outbox_key, offsets_key, clock_key = KEYS[#KEYS - 2], KEYS[#KEYS - 1], KEYS[#KEYS]
local bucket = {
  prefix = string.sub(outbox_key, 1, -#'outbox' - 1),
  runs = tonumber(take()), open_runs = tonumber(take()), versions = tonumber(take()), late = tonumber(take()),
}

for _, each in ipairs(offsets) do
  each.had = tonumber(redis.call('HGET', offsets_key, each.field) or '0')
  if each.had < each.start then return { 'GAP' } end
end

local function open_job(hex)
  local field = unhex(hex)
  local clock = redis.call('HGET', clock_key, field)
  local before = clock and time_of(clock) or 0
  return {
    field = field, before = before, told = before, settles = 0, due = bucket.prefix .. 'due:' .. hex,
    open = bucket.prefix .. 'open:' .. hex, segments = bucket.prefix .. 'r:' .. hex,
  }
end

local jobs, late_events = {}, 0
for _, settle in ipairs(settles) do
  local job = jobs[settle.id] or open_job(settle.id)
  jobs[settle.id], settle.job = job, job
  job.settles = job.settles + 1
  job.told = math.max(job.told, settle.newest)
  if settle.newest < job.before - bucket.late then late_events = late_events + settle.events end
  settle.refused = epoch_of_segment(settle.run) < epoch_of(job.before) - bucket.runs
  if settle.refused then settle.work.ops = {} end
end
for _, job in pairs(jobs) do job.now = epoch_of(job.told) end
for _, entry in ipairs(work) do join_key(entry) end
local written, failure = pcall(function()
  for _, entry in ipairs(work) do write_key(entry, bucket.versions) end
  for _, settle in ipairs(settles) do
    if not settle.refused then settle_run(bucket, settle, keep) end
  end
  for _, job in pairs(jobs) do
    sweep(bucket, job)
    if job.told > job.before then redis.call('HSET', clock_key, job.field, struct.pack('>d', job.told)) end
  end
end)

local reply = { late_events }
for _, subject in ipairs(order) do
  local payload = frame(subject) .. table.concat(news[subject])
  local id = redis.sha1hex(payload)
  redis.call('HSET', outbox_key, id, payload)
  reply[#reply + 1] = id
  reply[#reply + 1] = payload
end
if not written then
  if type(failure) == 'table' then return failure end
  return redis.error_reply(failure)
end

for _, each in ipairs(offsets) do
  if each.had < each.stop then redis.call('HSET', offsets_key, each.field, string.format('%.0f', each.stop)) end
end
return reply
