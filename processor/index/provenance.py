"""Where the data of a dataset or a job comes from, and what is known of every dataset on the way.

Rules kept here:
- breadth first and upstream, a few round trips a level; to each source leads its shortest way;
- a source is a dataset that derives from nothing; of datasets that derive from each other alone, the farthest is one;
- what a job reads and writes by its newest runs counts: an input that it gave up is none any more. Where no run of a
  job says so, or nobody writes a dataset any more, all that was ever stated counts;
- aliases are one dataset;
- a dropped dataset is walked through: what came by way of it came from somewhere all the same;
- beyond `LIMIT` datasets the walk ends, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from processor.index import steps
from processor.index.aliases import aliases_of
from processor.index.checks import check_words, failed_checks
from processor.index.parents import column_parents
from processor.index.records import Link
from processor.index.steps import Step
from processor.index.view import View
from processor.model.history import HOUR_US, JobHistory, NodeRecord
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType
from processor.model.provenance import ColumnCount, FailedCheck, Provenance, Stop, Trail

LIMIT = 2_000
NEWEST_RUNS = 3
"""What a job does now is what any of so many of its newest completed runs did."""


class _Came(NamedTuple):
    """How a dataset was reached: on the way from which one (None for the first), through which job."""

    origin: bytes | None
    job: bytes | None
    since_us: int


def provenance(view: View, subject: Node, *, limit: int = LIMIT) -> Provenance:
    """The sources of a dataset or a job. A subject that the index does not know has none."""
    walk = _Walk(view, limit)
    frontier = walk.begin(subject)
    while frontier and not walk.truncated:
        frontier = walk.level(frontier)
    walk.unasked = {walk.as_one[i] for i in frontier}
    return Provenance(subject, tuple(walk.trails(subject)), walk.truncated)


@dataclass(slots=True)
class _Walk:
    """`as_one`: each name to the one by which its dataset was reached first; the other fields go by that.

    `unasked`: datasets that were reached, and never asked what they derive from.
    """

    view: View
    limit: int
    as_one: dict[bytes, bytes] = field(default_factory=dict)
    names: dict[bytes, list[bytes]] = field(default_factory=dict)
    came: dict[bytes, _Came] = field(default_factory=dict)
    up: dict[bytes, set[bytes]] = field(default_factory=dict)
    written: set[bytes] = field(default_factory=set)
    unasked: set[bytes] = field(default_factory=set)
    truncated: bool = False

    def begin(self, subject: Node) -> list[bytes]:
        if subject.kind is Kind.DATASET:
            known = self.view.nodes([subject.id])
            return self.reach({i: _Came(None, None, known[i].first_seen_us) for i in known})
        reads = [link for link in self.view.in_links([subject.id])[subject.id] if link.type is EdgeType.READS]
        history = self.view.jobs([subject.id]).get(subject.id)
        now = [link for link in reads if _is_current(link, history)] or reads
        return self.reach({link.other: _Came(None, subject.id, link.first_us) for link in now})

    def level(self, frontier: Sequence[bytes]) -> list[bytes]:
        """One job further; the names of the datasets that were not known before."""
        fresh: dict[bytes, _Came] = {}
        for step in self.current(list(steps.up(self.view, sorted(frontier)))):
            origin = self.as_one[step.origin]
            self.written.add(origin)
            if step.target is not None and self.as_one.get(step.target) != origin:
                since_us = max(self.came[origin].since_us, *(link.first_us for link in step.links))
                fresh.setdefault(step.target, _Came(origin, step.job, since_us))
                self.up.setdefault(origin, set()).add(step.target)
        return self.reach({i: came for i, came in fresh.items() if i not in self.as_one})

    def current(self, found: Sequence[Step]) -> Iterator[Step]:
        """The steps that data takes now; all of a dataset's, where it takes none of them now."""
        histories = self.view.jobs(sorted({step.job for step in found if step.job}))
        by_origin: dict[bytes, list[Step]] = {}
        for step in found:
            by_origin.setdefault(self.as_one[step.origin], []).append(step)
        for some in by_origin.values():
            now = [s for s in some if all(_is_current(link, histories.get(s.job or b"")) for link in s.links)]
            # A writer's step without an input says less than one with: it is there for every run.
            yield from now or some

    def reach(self, fresh: dict[bytes, _Came]) -> list[bytes]:
        """Take in datasets with all their names, as far as there is room."""
        names = aliases_of(self.view, fresh)
        added: list[bytes] = []
        for i in sorted(fresh):
            if i in self.as_one:
                continue
            if len(self.came) >= self.limit:
                self.truncated = True
                break
            own = [i, *sorted(names[i] - {i} - self.as_one.keys())]
            self.as_one |= dict.fromkeys(own, i)
            self.names[i], self.came[i] = own, fresh[i]
            added += own
        return added

    # What was found

    def trails(self, subject: Node) -> Iterator[Trail]:
        sources = self.sources()
        if not sources:
            yield Trail((subject,), (), 0)
            return
        paths = {source: list(self.way(source)) for source in sources}
        datasets = {i for path in paths.values() for i in path}
        jobs = {came.job for i in datasets if (came := self.came[i]).job}
        nodes = self.view.nodes([*datasets, *jobs])
        stops = self.stops(sorted(datasets & nodes.keys()))
        for source in sorted(sources, key=lambda i: (len(paths[i]), i)):
            if source in nodes:
                yield self.trail(paths[source], subject, nodes, stops)

    def trail(
        self, way: Sequence[bytes], subject: Node, nodes: dict[bytes, NodeRecord], stops: dict[bytes, Stop]
    ) -> Trail:
        path: list[Node] = [subject] if subject.kind is Kind.JOB else []
        for i in way:
            job = self.came[i].job
            path += [nodes[job].node] if job in nodes and self.came[i].origin is not None else []
            path += [nodes[i].node] if i in nodes else []
        return Trail(tuple(path), tuple(stops[i] for i in way if i in stops), self.came[way[-1]].since_us)

    def way(self, source: bytes) -> Iterable[bytes]:
        """From the subject to the source."""
        found: list[bytes] = []
        at: bytes | None = source
        while at is not None:
            found.append(at)
            at = self.came[at].origin
        return reversed(found)

    def sources(self) -> set[bytes]:
        """Datasets that derive from nothing; one for those that derive from each other alone."""
        up = {i: {self.as_one.get(t, t) for t in self.up.get(i, ())} - {i} for i in self.came}
        found = {i for i in self.came if not up[i]} - self.unasked
        if self.truncated:
            return found
        down: dict[bytes, set[bytes]] = {}
        for i, targets in up.items():
            for target in targets:
                down.setdefault(target, set()).add(i)
        left = self.came.keys() - _reached(found, down)
        for farthest in reversed(list(self.came)):
            if farthest in left:
                found.add(farthest)
                left -= _reached({farthest}, down)
        return found

    def stops(self, ids: Sequence[bytes]) -> dict[bytes, Stop]:
        records = self.view.nodes(name for i in ids for name in self.names[i])
        known = {i: [records[name] for name in self.names[i] if name in records] for i in ids}
        deriving = {records[i].node: [r.node for r in known[i]] for i in ids if self.up.get(i)}
        parents = column_parents(self.view, deriving)
        failed = _failed_checks(self.view, records)
        return {i: _stop(known[i], parents.get(known[i][0].node), failed, is_written=i in self.written) for i in ids}


def _is_current(link: Link, history: JobHistory | None) -> bool:
    """Whether one of the job's newest completed runs states the link; links are dated to the hour."""
    completed = history.completed() if history else []
    if not completed:
        return True
    oldest_us = min(run.started_us or run.ended_us for run in completed[:NEWEST_RUNS])
    return link.last_us >= oldest_us - oldest_us % HOUR_US


def _reached(starts: set[bytes], down: dict[bytes, set[bytes]]) -> set[bytes]:
    reached, frontier = set(starts), list(starts)
    while frontier:
        fresh = down.get(frontier.pop(), set()) - reached
        reached |= fresh
        frontier += fresh
    return reached


def _stop(
    records: Sequence[NodeRecord],
    parents: ColumnCount | None,
    failed: Mapping[bytes, Sequence[FailedCheck]],
    *,
    is_written: bool,
) -> Stop:
    """What is known of a dataset under all its names."""
    writes = [record.last_write_us for record in records if record.last_write_us is not None]
    return Stop(
        dataset=records[0].node,
        names=tuple(record.node for record in records),
        is_written=is_written or bool(writes),
        last_write_us=max(writes, default=None),
        written_hours=tuple(sorted({hour for record in records for hour in record.written_hours}, reverse=True)),
        failed=tuple(check for record in records for check in failed.get(record.node.id, ())),
        parents=parents,
    )


def _failed_checks(view: View, records: Mapping[bytes, NodeRecord]) -> dict[bytes, list[FailedCheck]]:
    """What checks found wrong by the newest word of each job, with when that job was seen last."""
    found = {i: list(_checks_of(record)) for i, record in records.items()}
    jobs = view.nodes({check.job.id for checks in found.values() for check in checks if check.job})
    seen = {i: record.last_seen_us for i, record in jobs.items()}
    return {
        i: [check._replace(job_seen_us=seen.get(check.job.id) if check.job else None) for check in checks]
        for i, checks in found.items()
    }


def _checks_of(record: NodeRecord) -> Iterator[FailedCheck]:
    for checked in failed_checks(record):
        yield from (FailedCheck(check_words(check), check.blocks, checked.job) for check in checked.failed)
