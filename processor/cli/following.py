"""`alerts --follow`: what fires and what resolves, as it comes, until Ctrl-C.

Rules kept here:
- where a Kafka is known the alerts topic is read, as no member of any group, from where it ends or from `--after`; else
  the alerts beside the index are looked at every second;
- what is known already of an alert (the same version, or a newer one) is not told again;
- who is away at the start ends it with exit 3, for the address may be wrong; who goes away later is told of once and
  waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from processor.cli.guard import say
from processor.cli.options import Output
from processor.model.errors import DependencyError, UsageError

if TYPE_CHECKING:
    from processor.alerter.redis_state import RedisAlerts
    from processor.api.tail import KafkaTail
    from processor.model.alert import Alert
    from processor.settings import Settings

_LOOK_S = 1.0


class Follower:
    """Tells alerts as they come. `wanted`: which."""

    def __init__(self, wanted: Callable[[Alert], bool], output: Output) -> None:
        self._wanted = wanted
        self._output = output
        self._versions: dict[str, int] = {}

    def knows(self, alert: Alert) -> bool:
        """Whether this was told already; from now on it was."""
        finding = alert.finding
        is_known = self._versions.get(finding.alert_id, 0) >= alert.version
        self._versions[finding.alert_id] = max(alert.version, self._versions.get(finding.alert_id, 0))
        return is_known

    def tell(self, alert: Alert) -> None:
        """Print what is new of an alert that is wanted."""
        from processor.render import console
        from processor.render.alerts import alert_lines, alert_record

        if self.knows(alert) or not self._wanted(alert):
            return
        if self._output is Output.TABLE:
            console.print_out(alert_lines(alert))
        else:
            console.write_ndjson([alert_record(alert)])
        console.flush()


def follow_topic(settings: Settings, follower: Follower, after: str | None, known: Callable[[], list[Alert]]) -> None:
    """Read the topic until Ctrl-C. `known`: what to tell first, unless it goes on `after` something."""
    from processor import wiring
    from processor.api.live import written_id
    from processor.model.codec import UnreadableRecordError, decode_alert

    with wiring.open_tail(settings, settings.topics.alerts) as tail:
        positions = _start(tail, after)
        for alert in [] if after else known():
            follower.tell(alert)
        say("waiting for what fires and resolves; Ctrl-C ends it")
        with _until_interrupted(lambda: say(f"to go on from here: --follow --after {written_id(positions)}")):
            absent = _Absent("Kafka")
            while True:
                page = list(tail.read())
                absent.note(tail.away)
                for heard in page:
                    positions[heard.partition] = heard.offset + 1
                    if heard.value is not None:
                        try:
                            follower.tell(decode_alert(heard.value))
                        except UnreadableRecordError as error:
                            say(f"partition {heard.partition}, offset {heard.offset} cannot be read: {error}")


def _start(tail: KafkaTail, after: str | None) -> dict[int, int]:
    """Begin to read; says what the topic no longer has."""
    from processor.api.live import read_id
    from processor.api.problems import ProblemError

    try:
        heard = read_id(after) if after else {}
    except ProblemError:
        raise UsageError(f"--after {after}: it is none that --follow gave; write it like 0:15,1:7") from None
    bounds = tail.bounds()
    positions = {number: heard.get(number, each.first if after else each.end) for number, each in bounds.items()}
    for number, each in bounds.items():
        if not each.first <= positions[number] <= each.end:
            say(f"partition {number} no longer has what came after {positions[number]}; it begins at {each.first}")
            positions[number] = each.first
    tail.start(positions)
    return positions


def follow_store(store: RedisAlerts, follower: Follower) -> None:
    """Look at the alerts beside the index until Ctrl-C."""
    for alert in store.all():
        if alert.ends_us is not None:
            follower.knows(alert)
    say("no Kafka is known, so the index is looked at every second; Ctrl-C ends it")
    absent = _Absent("Redis")
    with _until_interrupted(lambda: None):
        while True:
            try:
                for alert in store.all():
                    follower.tell(alert)
                absent.note("")
            except DependencyError as error:
                absent.note(error.detail)
            time.sleep(_LOOK_S)


class _Absent:
    """Says once that a server is away, and once that it is back."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_away = False

    def note(self, why: str) -> None:
        """Take note of what is wrong; of nothing, once it answers."""
        if why and not self._is_away:
            say(f"{self._name} does not answer ({why}); waiting for it; Ctrl-C ends it")
        elif self._is_away and not why:
            say(f"{self._name} answers again")
        self._is_away = bool(why)


@contextmanager
def _until_interrupted(last: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C is how it ends, and no failure."""
    try:
        yield
    except KeyboardInterrupt:
        last()
