"""The comparison at the end of a run: everything as the oracle says, everything accounted for, nobody fell.

Each check gives its complaints in words; none means that it holds.
"""

from __future__ import annotations

import json
import re
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from processor import wiring
from processor.alerter.redis_state import RedisAlerts
from processor.detect import lasting_loss
from processor.detect.standing import is_outlived
from processor.index.digest import digest
from processor.index.redis import RedisStore
from processor.indexer.records import Record
from processor.model.alert import Alert, AlertKind, Finding, Member, Status
from processor.model.codec import decode_alert, decode_change
from processor.model.errors import DependencyError
from tests.chaos.run.differences import differences
from tests.chaos.run.members import ALLOWED, Crew
from tests.chaos.run.oracle import Oracle, Origin, consult, news_of, pass_over, read_topic
from tests.chaos.run.world import World
from tests.support.indexing import World as Reading
from tests.waiting import eventually

_CATCH_UP_S: Final = 180.0
_SETTLE_S: Final = 120.0
_SWEEPS_S: Final = 300.0
"""The alerter rests four times as long as its last sweep took: where all is slow, the next one comes late."""
_FIRST: Final = 8
_PAUSE_S: Final = 0.5
_GIST: Final = 60
_SHOWN: Final = 600


@dataclass(slots=True)
class Verdict:
    """What was found wrong, and the figures of the run."""

    complaints: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)

    def complain(self, what: str, details: Iterable[str]) -> None:
        """Note a kind of difference with its first cases; nothing when there is none."""
        cases = list(details)
        if cases:
            more = [f"… and {len(cases) - _FIRST} more"] if len(cases) > _FIRST else []
            self.complaints.append("\n    ".join([f"{what} ({len(cases)}):", *cases[:_FIRST], *more]))


def judge(verdict: Verdict, world: World, acknowledged: set[Origin], say: Callable[[str], None]) -> None:
    """Wait until the members have caught up, and compare."""
    reading = Reading(world.settings)
    if not eventually(lambda: _pausing(reading.behind() == 0), guard_s=_CATCH_UP_S):
        verdict.complaints.append(f"the indexers do not catch up: {reading.behind()} records are not committed")
    say("caught up; asking the oracle")
    oracle = consult(world.settings)
    _judge_records(verdict, oracle, acknowledged)
    with _opened(world) as (store, alerts):
        _judge_index(verdict, store, oracle)
        say("comparing alerts")
        fired = _judge_alerts(verdict, alerts, oracle)
    _judge_letters(verdict, world, oracle)
    _judge_changes(verdict, world, oracle)
    _judge_transitions(verdict, world, fired)


def judge_processes(verdict: Verdict, crew: Crew) -> None:
    """After the end: nobody ended but by our hand or with an allowed code, and no log has a traceback."""
    fell = [each for each in crew.ended if not each.asked and each.code not in ALLOWED]
    # Asked to end before it had begun to listen, a process ends as any does.
    ended = (*ALLOWED, -signal.SIGTERM)
    asked = [each for each in crew.ended if each.asked == "SIGTERM" and each.code not in ended]
    verdict.complain("processes fell", (f"{name}: code {code}" for name, code, _ in (*fell, *asked)))
    verdict.complain(
        "tracebacks", (case for path in crew.logs for case in _tracebacks(path.read_text("utf-8"), path.stem))
    )


def said(crew: Crew) -> Counter[str]:
    """What the members warned of, and how often."""
    counts: Counter[str] = Counter()
    for path in crew.logs:
        for line in path.read_text("utf-8").splitlines():
            with suppress(ValueError):
                told = json.loads(line)
                if told.get("level") in ("warning", "error", "critical"):
                    counts[f"{told['level']}: {_gist(str(told.get('event')))}"] += 1
    return counts


@contextmanager
def _opened(world: World) -> Iterator[tuple[RedisStore, RedisAlerts]]:
    assert eventually(lambda: _pausing(_asked(lambda: _opens(world))), guard_s=_SETTLE_S), "Redis is not to be opened"
    store = wiring.open_store(world.settings)
    try:
        yield store, wiring.open_alerts(world.settings, store)
    finally:
        store.close()


def _opens(world: World) -> bool:
    wiring.open_store(world.settings).close()
    return True


def _judge_records(verdict: Verdict, oracle: Oracle, acknowledged: set[Origin]) -> None:
    lost = acknowledged - oracle.records.keys()
    verdict.complain("records that the brokers acknowledged are not on the topic", map(str, sorted(lost)))
    differ = oracle.marked ^ oracle.rejected
    verdict.complain("records bad by their maker or by the decoder, not by both", map(str, sorted(differ)))
    verdict.figures |= {
        "records on the topic": len(oracle.records),
        "records that say nothing": oracle.silent,
        "bad records": len(oracle.marked),
        "kinds of bad records": len(oracle.bad_kinds),
    }


def _judge_index(verdict: Verdict, store: RedisStore, oracle: Oracle) -> None:
    wanted = digest(oracle.store)
    if not eventually(lambda: _pausing(_asked(lambda: digest(store) == wanted)), guard_s=_SETTLE_S):
        verdict.complain("the index differs from the oracle's", differences(store, oracle.store))
    if not eventually(lambda: _pausing(_asked(lambda: not store.outbox())), guard_s=_SETTLE_S):
        verdict.complain("the outbox does not empty", (str(entry.entry_id) for entry in store.outbox()))
    verdict.figures["hashes in the index"] = len(list(oracle.store.keys()))


def _judge_alerts(verdict: Verdict, alerts: RedisAlerts, oracle: Oracle) -> Collection[str]:
    """Ids of those that fire."""

    def is_same() -> bool:
        return not alerts.pending(1) and not list(_differing(alerts.firing(), oracle))

    if not eventually(lambda: _pausing(_asked(is_same)), guard_s=_SWEEPS_S):
        verdict.complain("alerts that fire differ from the oracle's", _differing(alerts.firing(), oracle))
        verdict.complain("the alerts' outbox does not empty", (str(each[:2]) for each in alerts.pending(500)))
    kinds = Counter(alert.finding.kind.value for alert in oracle.alerts.values())
    verdict.figures |= {f"firing at the end: {kind}": count for kind, count in sorted(kinds.items())}
    return alerts.firing().keys()


def _differing(found: dict[str, Alert], oracle: Oracle) -> Iterator[str]:
    """The same holds as by one pass over all events; and a pass that knows what fires leaves it all as it is.

    Who tells of what may depend on what was told first, and a loss that was told lasts longer than it is remembered.
    """
    mine, theirs = _holding(found), _holding(oracle.alerts)
    extra = sorted(i for i in mine.keys() - theirs.keys() if mine[i].kind not in lasting_loss.KINDS)
    yield from (f"{i} is not told: {theirs[i].summary}" for i in sorted(theirs.keys() - mine.keys()))
    yield from (f"{i} should not be told: {mine[i].summary}" for i in extra)
    left = pass_over(oracle, found)
    for alert_id in sorted(found.keys() | left.keys()):
        one, other = found.get(alert_id), left.get(alert_id)
        if one is None or other is None or one.finding != other.finding:
            yield f"{alert_id} says {one and one.finding}\n      and should say {other and other.finding}"


def _holding(alerts: dict[str, Alert]) -> dict[str, Finding | Member]:
    """What is said to hold, by id: of a storm and of what is over by itself only the members."""
    said: dict[str, Finding | Member] = {}
    for finding in (alert.finding for alert in alerts.values()):
        said |= {member.alert_id: member for member in finding.members}
        if finding.kind is not AlertKind.ALERT_STORM and not is_outlived(finding):
            said[finding.alert_id] = finding
    return said


def _judge_letters(verdict: Verdict, world: World, oracle: Oracle) -> None:
    letters = read_topic(world.settings, world.settings.topics.dead_letters)
    by_origin = Counter(map(_origin_of_letter, letters))
    verdict.complain("bad records without a dead letter", map(str, sorted(oracle.rejected - by_origin.keys())))
    verdict.complain("dead letters of no bad record", map(str, sorted(by_origin.keys() - oracle.rejected)))
    changed = (letter for letter in letters if not _is_untouched(letter, oracle))
    verdict.complain("dead letters that are not what was sent", (str(_origin_of_letter(each)) for each in changed))
    verdict.figures["dead letters doubled"] = len(letters) - len(by_origin)


def _origin_of_letter(letter: Record) -> tuple[int, int]:
    headers = dict(letter.headers)
    number = headers.get("__connect.errors.partition") or b"-1"
    return int(number), int(headers.get("__connect.errors.offset") or b"-1")


def _is_untouched(letter: Record, oracle: Oracle) -> bool:
    sent = oracle.records.get(_origin_of_letter(letter))
    return sent is not None and (letter.key, letter.value) == (sent.key, sent.value)


def _judge_changes(verdict: Verdict, world: World, oracle: Oracle) -> None:
    records = read_topic(world.settings, world.settings.topics.changes)
    changes = [decode_change(record.value or b"") for record in records]
    announced = {news for change in changes for news in news_of(change)}
    verdict.complain("never announced", map(str, oracle.news - announced))
    verdict.complain("announced, and never so", map(str, announced - oracle.news))
    verdict.figures["changes announced"] = len({change.change_id for change in changes})
    verdict.figures["changes doubled"] = len(changes) - verdict.figures["changes announced"]


def _judge_transitions(verdict: Verdict, world: World, fired: Collection[str]) -> None:
    """Who drops doubles by (alert_id, version) sees each transition once, and ends with what fires."""
    told = [decode_alert(each.value) for each in read_topic(world.settings, world.settings.topics.alerts) if each.value]
    versions: dict[str, dict[int, Alert]] = defaultdict(dict)
    contradictions = []
    for alert in told:
        known = versions[alert.finding.alert_id].setdefault(alert.version, alert)
        if known.status is not alert.status:
            contradictions.append(f"{alert.finding.alert_id} version {alert.version}: {alert.finding.summary}")
    verdict.complain("transitions told in two ways", contradictions)
    verdict.complain("transitions with holes or repetitions", _unsteady(versions))
    firing = {i for i, known in versions.items() if known[max(known)].status is Status.FIRING}
    verdict.complain("the alerts' topic and Redis differ on what fires", sorted(firing ^ set(fired)))
    seen = sum(map(len, versions.values()))
    verdict.figures |= {"alerts": len(versions), "transitions": seen, "transitions doubled": len(told) - seen}


def _unsteady(versions: dict[str, dict[int, Alert]]) -> Iterator[str]:
    for alert_id, known in versions.items():
        if sorted(known) != list(range(1, len(known) + 1)):
            yield f"{alert_id}: versions {sorted(known)}"


def _tracebacks(text: str, name: str) -> Iterator[str]:
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("Traceback"):
            rest = takewhile(lambda each: each.startswith((" ", "Traceback")), lines[number:])
            end = number + len(list(rest))
            yield f"{name}, line {number + 1}: " + " | ".join(lines[max(number, end - 4) : end + 1])
        elif '"exception"' in line:
            told = json.loads(line)
            yield f"{name}, line {number + 1}: {told.get('event')}: …{told['exception'][-_SHOWN:]}"


def _gist(event: str) -> str:
    """What a line says, without the addresses and figures of the case."""
    return re.sub(r"\[[^\]]*\]|[\d.:]*\d[\d.:]*", "#", event)[:_GIST]


def _asked(question: Callable[[], bool]) -> bool:
    """Redis may still be finding itself."""
    with suppress(DependencyError):
        return question()
    return False


def _pausing(held: bool) -> bool:  # noqa: FBT001  a value on its way through
    """Give the members the processor while nothing holds yet."""
    if not held:
        time.sleep(_PAUSE_S)
    return held
