"""Reading the index: nodes, links, schema histories, mappings, runs.

Everything that asks the index asks through a `View`: command line, API, detectors, export. Reads come
in batches of keys, one round trip each; nothing is written. Only what never changes is cached
(contents by fingerprint).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Self, TypeVar

from processor.index import joins
from processor.index.expiry import epoch_of
from processor.index.keys import Key
from processor.index.layout import bucket_of, run_key_of
from processor.index.neighborhood import Ahead, Neighborhood
from processor.index.progress import Clock, Progress, decode_progress, is_whole, now_us
from processor.index.records import (
    ROLE_ORDER,
    Hash,
    Link,
    Standing,
    current_marks,
    current_of,
    ended_run_id,
    facet_times,
    flows_in,
    job_history,
    lanes_in,
    links_in,
    node_record,
    open_run,
    open_run_id,
    open_segment,
    run_members,
    run_record,
    several_versions,
    standing_of,
)
from processor.index.remembered import STARTED, WHO, Records, aliases, remember
from processor.index.store import Store
from processor.model.history import (
    FinishedRun,
    JobHistory,
    KnownMapping,
    Lane,
    NodeRecord,
    OpenRun,
    RunMembers,
    RunRecord,
)
from processor.model.identity import ID_BYTES, Kind, Node, run_key
from processor.model.mapping import EMPTY, Mapping, decode_mapping
from processor.model.memo import Memo
from processor.model.tables import Columns

__all__ = ["Link", "View", "current_columns"]

_PAGE = 500
_MAPPINGS_BYTES = 16 * 1024 * 1024
"""Of mappings as they are stored; decoded they take several times that. A view and all its walks share them."""
_V = TypeVar("_V")


@dataclass(slots=True)
class _Memo:
    """What is known to a walk of what it has read."""

    records: dict[bytes, NodeRecord] = field(default_factory=dict)
    standings: dict[bytes, Standing] = field(default_factory=dict)
    links: dict[tuple[str, bytes], list[Link]] = field(default_factory=dict)
    mappings: dict[bytes, list[KnownMapping]] = field(default_factory=dict)


class View:
    """Reads over a store. Any method may raise DependencyError."""

    def __init__(self, store: Store, breathe: Callable[[], None] = lambda: None) -> None:
        """`breathe` is called now and then by who computes much between two reads; what it raises ends that."""
        self._store = store
        self.breathe = breathe
        self._records = Records(store)
        self._memo: _Memo | None = None
        self._mappings: Memo[Mapping] = Memo(_MAPPINGS_BYTES)

    # Walks

    def walking(self) -> Self:
        """The same view for one walk, or several: what it has read, it reads no second time. Not for keeping."""
        if self._memo is not None:
            return self
        view = copy(self)
        view._memo, view._records = _Memo(), Records(self._store, is_walk=True)  # noqa: SLF001  it is of this class
        return view

    def look_ahead(self, ids: Sequence[bytes], *records: str) -> None:
        """Read in one round trip what a walk asks for next; nothing if it is no walk.

        `n`: nodes; `WHO`: their standing only; `o`, `i`: links; `aliases` of one of these: its alias links only.
        """
        self._records.load(ids, records)

    def look_around(self, ids: Sequence[bytes], ahead: Ahead) -> None:
        """Read what a walk asks of these and of what lies ahead of them; nothing if it is no walk, or a wide one."""
        self._records.load_around(ids, ahead)

    def around(self, way: str) -> Neighborhood:
        """What was read so, of the links of one way, `o` or `i`."""
        return self._records.around(way)

    # Nodes

    def node(self, node: Node) -> NodeRecord | None:
        """One node, or None when the index does not know it."""
        return self.nodes([node.id]).get(node.id)

    def nodes(self, ids: Iterable[bytes]) -> dict[bytes, NodeRecord]:
        """The known ones among these datasets and jobs, by id."""
        return self._of_nodes("n", ids, node_record, None if self._memo is None else self._memo.records)

    def standing(self, ids: Iterable[bytes]) -> dict[bytes, Standing]:
        """Who the known ones among these are, by id, and whether they are dropped: `nodes` for who needs no more."""
        return self._of_nodes(WHO, ids, standing_of, None if self._memo is None else self._memo.standings)

    def facet_times(self, ids: Sequence[bytes]) -> dict[bytes, dict[str, int]]:
        """When each facet of these datasets and jobs was stated last, by id and name."""
        return {i: facet_times(there) for i, there in zip(ids, self._records.fetch("n", ids), strict=True) if there}

    def all_nodes(self, kind: Kind) -> Iterator[NodeRecord]:
        """Every dataset or every job, streamed in pages, in no order."""
        for ids in self._all_ids(kind):
            yield from self.nodes(ids).values()

    def count(self, kind: Kind) -> int:
        """How many datasets or jobs there are."""
        return sum(self.sizes(kind))

    def ids(self, kind: Kind) -> Iterator[bytes]:
        """The id of every dataset or every job, streamed in pages, in no order."""
        for ids in self._all_ids(kind):
            yield from ids

    @property
    def generation(self) -> int:
        """Which generation of the index is read."""
        return self._store.generation

    def sizes(self, kind: Kind) -> list[int]:
        """How many datasets or jobs each bucket has, in one round trip."""
        return self._store.sizes(f"reg.{kind.value}")

    def ids_in(self, kind: Kind, buckets: Sequence[int]) -> Iterator[bytes]:
        """The id of every dataset or every job of these buckets."""
        for _, page in self._store.scan(f"reg.{kind.value}", buckets):
            yield from (name for name, _ in page)

    # Links

    def out_links(self, ids: Sequence[bytes]) -> dict[bytes, list[Link]]:
        """Links that lead downstream, by node id."""
        return self._links("o", ids)

    def in_links(self, ids: Sequence[bytes]) -> dict[bytes, list[Link]]:
        """Links that come from upstream, by node id."""
        return self._links("i", ids)

    def flows(self, record: str, ids: Sequence[bytes]) -> dict[bytes, list[Link]]:
        """Of the links of one way (`o`, `i`) what data flows along, by node id; see `flows_in`."""
        hashes = zip(ids, self._records.fetch(record, ids), strict=True)
        return {i: flows_in(record, i, there) if there else [] for i, there in hashes}

    def symlinks(self, ids: Sequence[bytes]) -> tuple[dict[bytes, list[Link]], dict[bytes, list[Link]]]:
        """The alias links that begin, and those that end, at those of these nodes that have any."""
        return self._alias_links("o", ids), self._alias_links("i", ids)

    # Schemas

    def lanes(self, dataset: Node) -> list[Lane]:
        """Schema history of a dataset, one lane an observer; writers first."""
        return self.lanes_of([dataset])[dataset]

    def lanes_of(self, datasets: Sequence[Node]) -> dict[Node, list[Lane]]:
        """`lanes` of many datasets in few round trips."""
        hashes = self._records.fetch("s", [dataset.id for dataset in datasets])
        return {d: lanes_in(d, there) for d, there in zip(datasets, hashes, strict=True)}

    def columns(self, dataset: Node) -> Columns:
        """The current schema: the newest statement of a writer, else a producer, else a reader."""
        return current_columns(self.lanes(dataset))

    # Mappings

    def mappings(self, owners: Sequence[bytes]) -> dict[bytes, list[KnownMapping]]:
        """Every mapping that these owners ever stated, by owner id."""
        known = {} if self._memo is None else self._memo.mappings
        missing = [owner for owner in owners if owner not in known] if known else owners
        hashes = self._records.fetch("m", missing)
        fresh = self._named({o: there for o, there in zip(missing, hashes, strict=True) if there})
        found = {owner: known[owner] for owner in owners if owner in known} | fresh if known else fresh
        remember(known, fresh)
        return found

    def _named(self, stated: dict[bytes, Hash]) -> dict[bytes, list[KnownMapping]]:
        outputs = {name[1 : 1 + ID_BYTES] for there in stated.values() for name in there if name[:1] == b"v"}
        names = self.standing([*stated, *outputs])
        return {owner: list(self._known(names, owner, there)) for owner, there in stated.items()}

    def current_mappings(self, owners: Sequence[bytes]) -> dict[bytes, dict[bytes, KnownMapping]]:
        """The mappings that hold now: by owner id, then by output id."""
        return {owner: current_of(known) for owner, known in self.mappings(owners).items()}

    def remapped(self, owners: Sequence[bytes]) -> dict[bytes, list[KnownMapping]]:
        """`mappings` of those outputs only of which an owner ever stated several."""
        hashes = self._records.fetch("m", owners)
        found = {owner: several_versions(there) for owner, there in zip(owners, hashes, strict=True) if there}
        return self._named({owner: there for owner, there in found.items() if there})

    # Jobs and runs

    def jobs(self, ids: Sequence[bytes]) -> dict[bytes, JobHistory]:
        """The known ones among these jobs with their finished and open runs, by id."""
        records = {i: r for i, r in self.nodes(ids).items() if r.node.kind is Kind.JOB}
        recents = self._records.fetch("j", list(records))
        opened = self._open_runs(list(records))
        return {
            i: job_history(record, recent, opened.get(i, ()))
            for (i, record), recent in zip(records.items(), recents, strict=True)
        }

    def all_jobs(self) -> Iterator[JobHistory]:
        """Every job, streamed in pages, in no order."""
        for ids in self._all_ids(Kind.JOB):
            yield from self.jobs(ids).values()

    def job_with(self, run_id: str, *, ended: bool) -> Node | None:
        """The job that has this run, open or among the newest that ended: every job is asked."""
        wanted, named = run_id.encode(), ended_run_id if ended else open_run_id
        for ids in self._all_ids(Kind.JOB):
            for i, there in zip(ids, self._records.fetch("j" if ended else "open", ids), strict=True):
                if any(wanted in value and named(value) == run_id for value in there.values()):
                    return self.nodes([i])[i].node
        return None

    def open_runs(self) -> Iterator[tuple[Node, OpenRun]]:
        """Every run that has not ended, with its job."""
        for history in self.all_jobs():
            for run in history.open:
                yield history.job, run

    def run(self, job: Node, run_id: str) -> RunRecord | None:
        """One run of a job."""
        id_, buckets = run_key(job, run_id), self._store.buckets
        clock = self._store.fetch_fields(Key(bucket_of(job.id, buckets), "clock"), [job.id])[0]
        now = epoch_of(joins.unpack_time(clock)) if clock else 0
        epochs = range(now, max(-1, now - self._store.keep.open_runs - 1), -1)
        segments = self._store.fetch([run_key_of(job.id, id_, epoch, buckets) for epoch in epochs])
        return next((run_record(job, there) for there in segments if there), None)

    def members(self, job: Node, runs: Sequence[FinishedRun]) -> list[RunMembers]:
        """What these runs of a job read and wrote, of those whose detail is still kept as it was when they ended.

        That is looked for where a run ends whose events tell the time; more is not worth the reads.
        """
        buckets = self._store.buckets
        places = [(run, epoch_of(run.ended_us) + step) for run in runs for step in (0, 1)]
        keys = [run_key_of(job.id, run_key(job, run.run_id), epoch, buckets) for run, epoch in places]
        found = zip(places, self._store.fetch(keys), strict=True)
        return [
            run_members(run, there) for (run, _), there in found if there and joins.signature(there) == run.signature
        ]

    # Time

    def now_us(self, wall_us: int, clock: Clock) -> int | None:
        """The time to judge by (`progress.now_us`); None while nothing has been read."""
        return now_us(list(self.progress().values()), wall_us, clock)

    def refresh(self) -> bool:
        """Go over to the generation of the index that is live now; whether that is another one than before."""
        return self._store.refresh()

    def is_whole(self) -> bool:
        """Whether the index holds all that was ever read into it (`progress.is_whole`)."""
        progress = self.progress()
        return is_whole(progress, self._store.offsets())

    def progress(self) -> dict[bytes, Progress]:
        """How far each b"topic:partition" has been read, as its indexer told last."""
        return {name: decode_progress(value) for name, value in self._store.progress().items()}

    def found_by(self, word: bytes) -> list[bytes]:
        """Ids of the datasets and jobs that a search word (`layout.word_id`) names."""
        return self.found_by_any([word])[word]

    def found_by_any(self, words: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """`found_by` of many words in one round trip, by word."""
        return {
            word: [name[1:] for name in there]
            for word, there in zip(words, self._records.fetch("w", words), strict=True)
        }

    # Inside

    def _of_nodes(
        self, record: str, ids: Iterable[bytes], decode: Callable[[Hash], _V], known: dict[bytes, _V] | None
    ) -> dict[bytes, _V]:
        """What the records of the known ones among these say, and what of it is known already."""
        wanted, known = list(dict.fromkeys(ids)), {} if known is None else known
        missing = [i for i in wanted if i not in known] if known else wanted
        hashes = zip(missing, self._records.fetch(record, missing), strict=True)
        fresh = {i: decode(there) for i, there in hashes if there}
        if len(missing) < len(wanted):
            found = {i: known.get(i) or fresh[i] for i in wanted if i in known or i in fresh}
        else:
            found = fresh
        remember(known, fresh)
        return found

    def _open_runs(self, jobs: Sequence[bytes]) -> dict[bytes, list[OpenRun]]:
        """The open runs of those of these jobs that have any."""
        hashes = zip(jobs, self._records.fetch("open", jobs), strict=True)
        entries = [(job, value, open_segment(job, run, value)) for job, there in hashes for run, value in there.items()]
        segments = self._records.fetch(STARTED, [segment for *_, segment in entries]) if entries else ()
        found: dict[bytes, list[OpenRun]] = {}
        for (job, value, _), segment in zip(entries, segments, strict=True):
            found.setdefault(job, []).append(open_run(value, segment))
        return found

    def _all_ids(self, kind: Kind) -> Iterator[list[bytes]]:
        for _, page in self._store.scan(f"reg.{kind.value}"):
            ids = [name for name, _ in page]
            for start in range(0, len(ids), _PAGE):
                yield ids[start : start + _PAGE]

    def _links(self, record: str, ids: Sequence[bytes]) -> dict[bytes, list[Link]]:
        if self._memo is None:
            return self._read_links(record, ids)
        known = self._memo.links
        fresh = self._read_links(record, [i for i in ids if (record, i) not in known])
        found = {i: fresh[i] if i in fresh else known[record, i] for i in ids}
        remember(known, {(record, i): links for i, links in fresh.items()})
        return found

    def _alias_links(self, record: str, ids: Sequence[bytes]) -> dict[bytes, list[Link]]:
        hashes = zip(ids, self._records.fetch(aliases(record), ids), strict=True)
        return {i: links_in(record, there) for i, there in hashes if there}

    def _read_links(self, record: str, ids: Sequence[bytes]) -> dict[bytes, list[Link]]:
        hashes = zip(ids, self._records.fetch(record, ids), strict=True)
        return {i: links_in(record, there) if there else [] for i, there in hashes}

    def _known(self, names: dict[bytes, Standing], owner: bytes, there: Hash) -> Iterator[KnownMapping]:
        current = {name[1:]: current_marks(name[1:], there) for name in there if name[:1] == b"c"}
        for name in sorted(there):
            if name[:1] != b"v":
                continue
            output, mark = name[1 : 1 + ID_BYTES], name[1 + ID_BYTES :]
            if owner not in names or output not in names:
                continue
            span = joins.unpack_span(there[name])
            yield KnownMapping(
                owner=names[owner].node,
                output=names[output].node,
                mapping=self._mapping(mark, there),
                evidence=span.evidence,
                first_seen_us=span.first_us,
                last_seen_us=span.last_us,
                is_current=mark in current[output],
            )

    def _mapping(self, mark: bytes, there: Hash) -> Mapping:
        """The mapping of a fingerprint, whose content is in an owner's record; what it names never changes."""
        known = self._mappings.get("", mark)
        if known is None and (content := there.get(b"b" + mark)):
            known = decode_mapping(content)
            self._mappings.put("", mark, known, len(content) + len(mark))
        return EMPTY if known is None else known


def current_columns(lanes: Iterable[Lane]) -> Columns:
    """The schema that stands: writers before producers before readers, then the newest statement."""
    held = [lane for lane in lanes if lane.version(lane.current)]
    if not held:
        return ()
    best = min(held, key=lambda lane: (ROLE_ORDER[lane.observer.role], -lane.current_us, lane.observer))
    version = best.version(best.current)
    return version.columns if version else ()
