"""What many events come to. Each answer is derived from the whole list of events, by its definition.

- `first_seen` is the earliest event's time, `last_seen` the latest's, floored to its hour.
- Of what is stated time and again the newest RECENT_HOURS hours are kept, each once.
- The hours in which runs of a job start are kept of the newest STARTED_DAYS days.
- A value is the one stated last: by event time, and of equal times by the event's digest.
- A facet is replaced whole; of equal times the fragment with the greater fingerprint counts as later.
- A DROP holds until a later write; a run's terminal state is the last one stated.
- Explicit statements of one run count together; a statement counts for the run that made it last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import TypeVar

import msgspec

from processor.model.history import RECENT_HOURS, RECENT_RUNS, STARTED_DAYS
from processor.model.identity import Kind, Node, run_key
from processor.model.observation import EdgeType, Evidence, Role
from tests.support.oracle.read import Event, Lineage, Link, Name, Stamp, Stated, name_of
from tests.support.oracle.values import Mapped, Observer, Run, Schema, Seen

HOUR_US = 3_600_000_000
TERMINAL = ("COMPLETE", "FAIL", "ABORT")

K = TypeVar("K")
T = TypeVar("T")


class Oracle:
    """The answers to everything that an index of these events can be asked."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = sorted({event.at: event for event in events}.values(), key=lambda event: event.at)

    # Nodes

    def nodes(self) -> set[Name]:
        return {name for event in self.events for name in _met(event)}

    def seen(self, name: Name) -> Seen:
        return _seen(event.at for event in self.events if name in _met(event))

    def facets(self, name: Name) -> dict[str, str]:
        """The newest statement of each facet, without those whose newest statement takes them back."""
        said = sorted((event.at.time_us, _fingerprint(facets), facets) for event, facets in self._facets_of(name))
        newest: dict[str, str | None] = {}
        for *_, facets in said:
            newest |= facets
        return {key: value for key, value in newest.items() if value is not None}

    def _facets_of(self, name: Name) -> Iterator[tuple[Event, dict[str, str | None]]]:
        for event in self.events:
            if event.job == name and event.job_facets:
                yield event, event.job_facets
        yield from ((event, stated.facets) for event, stated in self._stated(name) if stated.facets)

    def _stated(self, name: Name) -> Iterator[tuple[Event, Stated]]:
        for event in self.events:
            yield from ((event, stated) for stated in event.datasets if stated.name == name)

    # Life cycle

    def last_write_us(self, name: Name) -> int | None:
        """The newest event of a run that has it as an output and has not failed."""
        return max((event.at.time_us for event, stated in self._stated(name) if _is_write(event, stated)), default=None)

    def written_hours(self, name: Name) -> tuple[int, ...]:
        """The newest hours in which a run that has not failed had it as an output."""
        return _hours(event.at for event, stated in self._stated(name) if _is_write(event, stated))

    def started_hours(self, name: Name) -> tuple[int, ...]:
        """The hours in which its runs started, as a job, of the newest days on which any did."""
        hours = {e.at.time_us // HOUR_US for e in self.events if e.job == name and e.run_id and e.state == "START"}
        oldest = max(hours, default=0) // 24 - STARTED_DAYS + 1
        return tuple(sorted((hour for hour in hours if hour // 24 >= oldest), reverse=True))

    def lifecycle(self, name: Name) -> tuple[Stamp, str] | None:
        return _newest((event.at, s.lifecycle) for event, s in self._stated(name) if s.lifecycle)

    def is_dropped(self, name: Name) -> bool:
        change, written_us = self.lifecycle(name), self.last_write_us(name)
        if change is None or change[1] != "DROP":
            return False
        return written_us is None or written_us <= change[0].time_us

    # Edges and names

    def links(self) -> dict[tuple[EdgeType, Name, Name], Seen]:
        """Every edge that was stated, symlinks that were taken back among them."""
        return _spans((link[:3], event.at, link.evidence) for event in self.events for link in event.links)

    def is_in_force(self, link: tuple[EdgeType, Name, Name], evidence: Evidence) -> bool:
        """A symlink holds while the newest facet still names the other; a rename, and any other edge, for good."""
        type_, src, dst = link
        if type_ is not EdgeType.SYMLINK or evidence & Evidence.RENAME:
            return True
        facet = msgspec.json.decode(self.facets(src).get("symlinks", "{}"))
        return any(name_of("dataset", other) == dst for other in facet.get("identifiers", ()))

    def names_of(self, name: Name) -> set[Name]:
        """Every name of a dataset, itself included."""
        pairs = [key[1:] for key, seen in self.links().items() if self._joins(key, seen)]
        together = {name}
        while more := {other for pair in pairs for other in pair if together & set(pair)} - together:
            together |= more
        return together

    def _joins(self, link: tuple[EdgeType, Name, Name], seen: Seen) -> bool:
        return link[0] is EdgeType.SYMLINK and self.is_in_force(link, seen.evidence)

    # Schemas

    def lanes(self, name: Name) -> set[Observer]:
        return {_observer(event, stated) for event, stated in self._schemas(name)}

    def current_schema(self, name: Name, observer: Observer) -> tuple[Stamp, object]:
        """When the newest statement was made, and the plain form of what it says; None when it clears."""
        found = _newest(
            (event.at, _plain(stated)) for event, stated in self._schemas(name) if _observer(event, stated) == observer
        )
        assert found is not None
        return found[0], found[1] or None

    def schemas(self, name: Name, observer: Observer) -> dict[object, Schema]:
        """The versions of a lane by their plain form."""
        said: dict[object, list[tuple[Stamp, str | None]]] = {}
        for event, stated in self._schemas(name):
            if stated.columns and _observer(event, stated) == observer:
                said.setdefault(_plain(stated), []).append((event.at, event.run_id))
        spelled = self._spellings(name)
        return {p: _schema(spelled[p], each) for p, each in said.items()}

    def columns(self, name: Name) -> tuple[tuple[str, str | None], ...]:
        """The schema that stands: a writer's before a producer's before a reader's, then the newest."""
        held = []
        for observer in self.lanes(name):
            at, plain = self.current_schema(name, observer)
            if plain is not None:
                columns = self.schemas(name, observer)[plain].columns
                held.append(("wpr".index(observer.role), -at.time_us, observer, columns))
        return min(held)[-1] if held else ()

    def _schemas(self, name: Name) -> list[tuple[Event, Stated]]:
        return [(event, stated) for event, stated in self._stated(name) if stated.columns is not None]

    def _spellings(self, name: Name) -> dict[object, tuple[tuple[str, str | None], ...]]:
        """Of each schema the spelling that anybody used first."""
        found: dict[object, tuple[tuple[str, str | None], ...]] = {}
        for _, stated in self._schemas(name):
            found.setdefault(_plain(stated), tuple(stated.columns or ()))
        return found

    # Column lineage

    def mappings(self) -> dict[tuple[Name, Name], list[Mapped]]:
        """Every mapping ever stated, by owner and output."""
        return {key: self._mappings(*key) for key in sorted({key for *_, key in self._mapped()})}

    def current_mapping(self, owner: Name, output: Name) -> Lineage | None:
        """What holds now: the newest statement; if it is a run's explicit one, all that this run stated explicitly."""
        current: Lineage | None = None
        for mapped in self._mappings(owner, output):
            if mapped.is_current:
                current = mapped.lineage if current is None else current.plus(mapped.lineage)
        return current

    def derivations(self) -> dict[tuple[Name, Name, Name], Seen]:
        """Owner, output and input dataset of every mapping, with when it was stated."""
        return _spans(((*key, source), at, how) for key, lineage, at, how in self._sourced() for source in lineage)

    def derived(self) -> dict[tuple[Name, Name], Seen]:
        """Owner and output of every mapping that is not taken back, with when it was stated."""
        return _spans((key, at, how) for key, _, at, how in self._sourced())

    def _sourced(self) -> Iterator[tuple[tuple[Name, Name], set[Name], Stamp, Evidence]]:
        for event, stated, key in self._mapped():
            if stated.lineage is not None and not _takes_back(stated):
                how = Evidence.EXPLICIT if stated.is_explicit else Evidence.COLUMN
                yield key, stated.lineage.datasets(), event.at, how

    def _mapped(self) -> Iterator[tuple[Event, Stated, tuple[Name, Name]]]:
        for event in self.events:
            for stated in event.datasets:
                if stated.lineage is not None:
                    yield event, stated, (event.job or stated.name, stated.name)

    def _mappings(self, owner: Name, output: Name) -> list[Mapped]:
        said = [(event, stated) for event, stated, key in self._mapped() if key == (owner, output)]
        holding = list(_holding(said))
        versions: list[Lineage] = []
        for _, stated in said:
            if stated.lineage is not None and not _takes_back(stated) and stated.lineage not in versions:
                versions.append(stated.lineage)
        return [Mapped(v, _mapping_seen(said, v), v in holding) for v in versions]

    # Runs

    def runs(self) -> dict[tuple[Name, str], Run]:
        ours = [event for event in self.events if event.job is not None and event.run_id is not None]
        return {key: self._run(*key) for key in {_run_of(event) for event in ours}}

    def finished(self, job: Name) -> list[Run]:
        """The newest finished runs, newest end first; of equal ends the greater id counts as newer."""
        ended = [run for run in self.runs().values() if run.job == job and run.end_us is not None]
        ended.sort(key=lambda run: (run.end_us or 0, run_key(node(job), run.run_id)), reverse=True)
        return ended[:RECENT_RUNS]

    def unsteady_jobs(self) -> set[Name]:
        """Jobs whose newest finished run completed with other lineage than the one before it."""
        jobs = {job: self.finished(job)[:2] for job, _ in self.runs()}
        return {job for job, runs in jobs.items() if _differs(*runs)}

    def open_runs(self) -> set[tuple[Name, str, int, bool]]:
        """Job, run, when it began and whether it is known to have started, of every run that has not ended."""
        runs = (run for run in self.runs().values() if run.end_us is None)
        return {(run.job, run.run_id, run.since_us, run.state != "OTHER") for run in runs}

    def _run(self, job: Name, run_id: str) -> Run:
        events = [event for event in self.events if event.job == job and event.run_id == run_id]
        times = [event.at.time_us for event in events]
        ends = [event for event in events if event.state in TERMINAL]
        states = ends or [event for event in events if event.state in {"START", "RUNNING"}]
        return Run(
            job=job,
            run_id=run_id,
            state=states[-1].state if states else "OTHER",
            first_us=min(times),
            last_us=max(times),
            start_us=min((event.at.time_us for event in events if event.state == "START"), default=None),
            end_us=ends[-1].at.time_us if ends else None,
            inputs=frozenset(link.src for link in _own(events, job) if link.type is EdgeType.READS),
            outputs=frozenset(link.dst for link in _own(events, job) if link.type is EdgeType.WRITES),
            mapped=frozenset(
                s.name for event in events for s in event.datasets if s.lineage and not s.lineage.is_empty
            ),
            parent=next((event.parent for event in reversed(events) if event.parent), None),
            nominal_us=next((event.nominal_us for event in reversed(events) if event.nominal_us), None),
            error=next((event.error for event in reversed(events) if event.error is not None), None),
        )


def node(name: Name) -> Node:
    """The processor's own form of a name."""
    return Node(Kind(name.kind), name.namespace, name.name)


def _met(event: Event) -> set[Name]:
    """Every node that an event speaks of."""
    named = {stated.name for stated in event.datasets} | ({event.job} if event.job else set())
    sources = {name for stated in event.datasets if stated.lineage for name in stated.lineage.datasets()}
    return named | sources | {name for link in event.links for name in link[1:3]}


def _seen(stamps: Iterable[Stamp], evidence: Iterable[Evidence] = ()) -> Seen:
    times, together = [at.time_us for at in stamps], Evidence(0)
    for how in evidence:
        together |= how
    first, last = min(times), max(times)
    return Seen(first, max(first, last // HOUR_US * HOUR_US), together)


def _hours(stamps: Iterable[Stamp]) -> tuple[int, ...]:
    return tuple(sorted({at.time_us // HOUR_US for at in stamps}, reverse=True)[:RECENT_HOURS])


def _schema(columns: tuple[tuple[str, str | None], ...], said: list[tuple[Stamp, str | None]]) -> Schema:
    stamps = [at for at, _ in said]
    return Schema(columns, _seen(stamps), _hours(stamps), min(said)[1])


def _spans(said: Iterable[tuple[K, Stamp, Evidence]]) -> dict[K, Seen]:
    """When each was stated, and on what evidence."""
    found: dict[K, list[tuple[Stamp, Evidence]]] = {}
    for key, at, how in said:
        found.setdefault(key, []).append((at, how))
    return {key: _seen((at for at, _ in each), (how for _, how in each)) for key, each in found.items()}


def _newest(said: Iterable[tuple[Stamp, T]]) -> tuple[Stamp, T] | None:
    """The statement made last; of several in one event the first."""
    return max(said, key=lambda each: each[0], default=None)


def _fingerprint(facets: dict[str, str | None]) -> bytes:
    plain = {name: None if text is None else text.encode() for name, text in sorted(facets.items())}
    return blake2b(msgspec.msgpack.encode(plain), digest_size=12).digest()


def _is_write(event: Event, stated: Stated) -> bool:
    return stated.role is Role.WRITER and event.run_id is not None and event.state not in {"FAIL", "ABORT"}


def _observer(event: Event, stated: Stated) -> Observer:
    if event.job is None:
        return Observer(Role.PRODUCER, "", event.producer)
    return Observer(stated.role, event.job.namespace, event.job.name)


def _plain(stated: Stated) -> tuple[tuple[str, str | None], ...]:
    """A schema without what is no difference: order, and the case and spacing of types."""
    columns = dict(stated.columns or ())
    return tuple(sorted((path, None if t is None else "".join(t.split()).casefold()) for path, t in columns.items()))


def _takes_back(stated: Stated) -> bool:
    return stated.lineage is not None and stated.lineage.is_empty and not stated.is_explicit


def _holding(said: list[tuple[Event, Stated]]) -> Iterator[Lineage]:
    """The statement that holds, and those that hold together with it."""
    newest_at = max(event.at for event, _ in said)
    event, newest = next((event, stated) for event, stated in said if event.at == newest_at)
    if newest.lineage is not None and not _takes_back(newest):
        yield newest.lineage
    if newest.is_explicit and event.run_id is not None:
        explicit = [(e, s.lineage) for e, s in said if s.lineage is not None and s.is_explicit and e.run_id is not None]
        for _, lineage in explicit:
            last = max((e for e, stated in explicit if stated == lineage), key=lambda each: each.at)
            if last.run_id == event.run_id:
                yield lineage


def _mapping_seen(said: list[tuple[Event, Stated]], lineage: Lineage) -> Seen:
    stating = [(event.at, stated) for event, stated in said if stated.lineage == lineage and not _takes_back(stated)]
    how = (Evidence.EXPLICIT if stated.is_explicit else Evidence.COLUMN for _, stated in stating)
    return _seen((at for at, _ in stating), how)


def _mapped(event: Event) -> Iterator[Name]:
    """The outputs whose column lineage an event states."""
    return (s.name for s in event.datasets if s.lineage is not None and not s.lineage.is_empty)


def _run_of(event: Event) -> tuple[Name, str]:
    assert event.job is not None
    assert event.run_id is not None
    return event.job, event.run_id


def _differs(*newest: Run) -> bool:
    return len({run.shape for run in newest}) > 1 and newest[0].state == "COMPLETE"


def _own(events: Iterable[Event], job: Name) -> Iterator[Link]:
    return (link for event in events for link in event.links if job in link[1:3])
