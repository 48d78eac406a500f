"""The deliberate bugs: where, what instead of what, and which test has to notice."""

from __future__ import annotations

from typing import NamedTuple

_ORACLE = "tests/property/test_deliveries.py"
_ON_VALKEY = "tests/integration/test_deliveries.py::test_valkey_comes_to_what_the_twin_and_the_events_say"
_BY_TWO = "tests/integration/test_deliveries.py::test_two_workers_at_the_same_time_come_to_the_same_as_one"
_KILLED = "tests/chaos/test_indexer_steps.py"
_LUA = "processor/index/scripts/apply.lua"


class Mutant(NamedTuple):
    """`old` stands exactly once in `file`; with `new` instead, `test` fails."""

    name: str
    file: str
    old: str
    new: str
    test: str


MUTANTS = (
    # The joins
    Mutant(
        "maximum instead of minimum for first seen",
        "processor/index/joins.py",
        "_SPAN.pack(min(first, other_first),",
        "_SPAN.pack(max(first, other_first),",
        _ORACLE,
    ),
    Mutant(
        "last write wins without event time",
        "processor/index/joins.py",
        "return new if _stamp(new) > _stamp(old) else old",
        "return new",
        _ORACLE,
    ),
    Mutant(
        "last write wins without event time, in Redis",
        _LUA,
        "L = function(old, new) if later(new, old) then return new end return old end,",
        "L = function(old, new) return new end,",
        _BY_TWO,
    ),
    Mutant(
        "equal times decided by who comes first, in Redis",
        _LUA,
        "  return less(sub(b, 9, 16), sub(a, 9, 16))",
        "  return false",
        _ON_VALKEY,
    ),
    Mutant(
        "a dominated touch is kept, in Redis",
        _LUA,
        "    call('HDEL', key, late[i], 'B' .. sub(late[i], 2))",
        "",
        _ON_VALKEY,
    ),
    Mutant(
        "a dominated touch is kept",
        "processor/index/joins.py",
        "        if stated.issuperset(names):",
        "        if False:",
        "tests/unit/test_joins.py",
    ),
    Mutant(
        "the oldest hours are kept instead of the newest",
        "processor/index/joins.py",
        "sorted(hours, key=_HOUR.unpack, reverse=True)",
        "sorted(hours, key=_HOUR.unpack)",
        "tests/unit/test_joins.py",
    ),
    Mutant(
        "the hour in which later ones begin is kept twice, in Redis",
        _LUA,
        "local rest = oldest == newest and 13 or 9",
        "local rest = 9",
        "tests/integration/test_store_joins.py",
    ),
    Mutant(
        "hours of starts are not moved by the days between, in Redis",
        _LUA,
        "byte(new, 4 + i - gap)",
        "byte(new, 4 + i)",
        "tests/integration/test_store_joins.py",
    ),
    Mutant(
        "an hour in which a run ended counts as one in which one started",
        "processor/index/reduce.py",
        "(seen.time_us // HOUR_US, _starts(seen))",
        "(seen.time_us // HOUR_US, True)",
        "tests/unit/test_written.py",
    ),
    Mutant(
        "the newest of a job's runs is not known anew, in Redis",
        _LUA,
        "if job.newest and job.newest ~= field then return job.newest end",
        "if job.newest then return job.newest end",
        "tests/integration/test_store_joins.py",
    ),
    Mutant(
        "an hour that both sides know is kept twice, in Redis",
        _LUA,
        "    if y >= x then j = j + 4 end",
        "    if y > x then j = j + 4 end",
        _ON_VALKEY,
    ),
    Mutant(
        "the newest finished run is dropped instead of the oldest",
        "processor/index/joins.py",
        "return min(recents, key=lambda f: (_TIME.unpack_from(recents[f]), f))",
        "return max(recents, key=lambda f: (_TIME.unpack_from(recents[f]), f))",
        "tests/unit/test_joins.py",
    ),
    # What events state, and what the index says
    Mutant(
        "a terminal state does not stick",
        "processor/index/records.py",
        'there.get(b"e") or there.get(b"q")',
        'there.get(b"q") or there.get(b"e")',
        _ORACLE,
    ),
    Mutant(
        "an absent schema clears",
        "processor/decode/normalize.py",
        "    if facets.schema is None or facets.schema.fields is None:\n        return None",
        "    if facets.schema is None or facets.schema.fields is None:\n        return ()",
        _ORACLE,
    ),
    Mutant(
        "a run takes what its event says of other jobs for its own",
        "processor/index/plan.py",
        "if (edge.type is EdgeType.READS and edge.dst == job) or",
        "if edge.type is EdgeType.READS or",
        "tests/unit/test_explicit_lineage.py",
    ),
    Mutant(
        "a symlink that was taken back goes on joining",
        "processor/index/aliases.py",
        "return Evidence.RENAME in link.evidence or target in stated",
        "return True",
        _ORACLE,
    ),
    Mutant(
        "a write does not revive what was dropped",
        "processor/index/records.py",
        "(last_write_us is None or last_write_us <= change.time_us)",
        "(last_write_us is None or last_write_us > 0)",
        _ORACLE,
    ),
    Mutant(
        "one run id of two jobs is one run",
        "processor/model/identity.py",
        "(Kind.RUN.value, namespace, name)",
        "(Kind.RUN.value, namespace)",
        _ORACLE,
    ),
    Mutant(
        "of two joins of one field in a batch the last one wins, in Redis",
        _LUA,
        "if joined == there then return end",
        "joined = value",
        "tests/integration/test_store_contract.py",
    ),
    Mutant(
        "a statement that is silent about a record silences those after it, in Redis",
        _LUA,
        "then entry.subject = subject end",
        "then local _ = subject end",
        "tests/integration/test_store_contract.py",
    ),
    Mutant(
        "a run that was open for very long stays open when it ends, in Redis",
        _LUA,
        "    open[settle.run_field] = false\n",
        "    if run then open[settle.run_field] = false end\n",
        "tests/integration/test_store_expiry.py",
    ),
    Mutant(
        "what is known to be written stays known when nobody can know it",
        "processor/index/written.py",
        "        self._doubts += 1\n",
        "",
        "tests/unit/test_written.py",
    ),
    Mutant(
        "what was claimed is known before the store has answered",
        "processor/index/written.py",
        "        self._claims.append((statement, Seen(",
        "        statement.written = self._doubts, Seen(first_us, frozenset(hours))\n"
        "        self._claims.append((statement, Seen(",
        "tests/unit/test_written.py",
    ),
    # What is announced
    Mutant(
        "a revival is not announced",
        "processor/index/memory.py",
        'not in {b"", undone}',
        "in set[bytes]()",
        _ORACLE,
    ),
    Mutant(
        "what a replay brings again is announced again",
        "processor/index/memory.py",
        "        if dropped == settle.run_field:\n            return\n",
        "",
        _ORACLE,
    ),
    Mutant(
        "the outbox is not drained after a crash",
        "processor/indexer/outbox.py",
        "return ours if at_once else",
        "return [] if at_once else",
        _KILLED,
    ),
    Mutant(
        "a change leaves the outbox before the broker has it",
        "processor/indexer/loop.py",
        "        changes = self._steadily(lambda: self._outbox.outgoing(news))\n",
        "        changes = self._steadily(lambda: self._outbox.outgoing(news))\n"
        "        self._steadily(lambda: self._outbox.confirm(news))\n",
        _KILLED,
    ),
    # Offsets and dead letters
    Mutant(
        "commit before confirm",
        "processor/indexer/loop.py",
        "        covers = self._chores.covers(offsets)\n",
        "        covers = self._chores.covers(offsets)\n        self._source.commit(self._chores.to_commit(offsets))\n"
        "        self._steadily(lambda: self._source.settle(10))\n",
        _KILLED,
    ),
    Mutant(
        "a dead letter is not waited for",
        "processor/indexer/loop.py",
        "        if not news and not dead_letters:\n            return\n",
        "        if not news:\n            self._publisher.send(dead_letters)\n            return\n",
        "tests/chaos/test_indexer_broken_worlds.py::test_nothing_is_committed_before_its_dead_letter_is_confirmed",
    ),
    Mutant(
        "a dependency's failure becomes a dead letter",
        "processor/decode/observe.py",
        "        except LineageError:\n            raise\n",
        "",
        "tests/unit/test_observe.py",
    ),
    Mutant(
        "an offset too many is committed",
        "processor/indexer/progress.py",
        "record.offset + 1 for record in records",
        "record.offset + 2 for record in records",
        "tests/unit/test_indexer_parts.py",
    ),
    Mutant(
        "a gap in what a bucket holds is not noticed",
        _LUA,
        "  if had[i] < start then return { 'GAP' } end\n",
        "",
        "tests/integration/test_store_contract.py",
    ),
    Mutant(
        "a stored offset goes back",
        _LUA,
        "if had[i] < stop then",
        "if true then",
        "tests/integration/test_store_contract.py",
    ),
    Mutant(
        "a job's runs expire by what other jobs tell",
        "processor/index/memory.py",
        "bytes.fromhex(self._job)\n",
        'b""\n',
        "tests/property/test_expiry.py",
    ),
    Mutant(
        "a job's runs expire by what other jobs tell, in Redis",
        _LUA,
        "local clock = call('HGET', clock_key, field)",
        "field = 'all'\n  local clock = call('HGET', clock_key, field)",
        "tests/integration/test_store_expiry.py",
    ),
    Mutant(
        "expiry by the wall clock",
        "processor/index/reduce.py",
        "    return min(time_us, received_us if",
        "    return now_us if now_us else min(time_us, received_us if",
        "tests/unit/test_expiry.py",
    ),
    # Alerts
    Mutant(
        "an alert is published whose step is not stored",
        "processor/alerter/scripts/step.lua",
        "redis.call('HSET', KEYS[1], 'v', version, 's', ARGV[4], 'b', ARGV[5])",
        "",
        "tests/integration/test_alerter_state.py",
    ),
    Mutant(
        "what the topic has never enters the queues of the sinks",
        "processor/alerter/scripts/confirm.lua",
        "superseded = superseded + queue_all(",
        "superseded = superseded or (",
        "tests/integration/test_alerter_state.py",
    ),
    Mutant(
        "the sinks never hear of what a dead alerter had sent",
        "processor/alerter/scripts/restore.lua",
        "for i = #sent, 1, -1 do",
        "for i = #sent, #sent + 1, -1 do",
        "tests/integration/test_alerter_recall.py",
    ),
    Mutant(
        "what was accepted fires again",
        "processor/alerter/life.py",
        "    return alert.status is Status.RESOLVED and alert.acknowledged is not None and",
        "    return False and",
        "tests/unit/test_alerter_notes.py",
    ),
    Mutant(
        "a sink that is down is told nothing any more",
        "processor/alerter/sinks/crew.py",
        "            failures = 0 if asked_s is None else failures + 1\n",
        "            failures = 0\n            if asked_s is not None:\n                return\n",
        "tests/unit/test_alerter_sinks.py",
    ),
    Mutant(
        "an alert's step is taken from a version that is gone",
        "processor/alerter/scripts/step.lua",
        "~= expected then",
        "< 0 then",
        "tests/integration/test_alerter_state.py",
    ),
)
