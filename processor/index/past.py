"""The index as it was at some time: what was known by then, read like any other view.

Rules kept here:
- what was first seen later is not there; edges never leave the index, so what was seen by then still stands;
- a dataset was dropped if it is dropped by what happened until then;
- of a lane's schemas and a job's mappings, the one stated last by then was current. Of a schema the newest hours in
  which it was stated are kept, of a mapping the first and the last one: what alternated long ago is told roughly. Of a
  schema that was stated in more hours than are kept, it is taken that it was as often before;
- facets are not kept by time: they are told as they are now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from msgspec import structs

from processor.index.neighborhood import Ahead
from processor.index.records import Standing
from processor.index.remembered import WHO
from processor.index.store import Store
from processor.index.view import Link, View
from processor.model.history import (
    HOUR_US,
    RECENT_HOURS,
    JobHistory,
    KnownMapping,
    Lane,
    NodeRecord,
    OpenRun,
    SchemaVersion,
)
from processor.model.identity import Node


class PastView(View):
    """A view of the index as of `at_us`."""

    def __init__(self, store: Store, at_us: int, breathe: Callable[[], None] = lambda: None) -> None:
        super().__init__(store, breathe)
        self._at_us = at_us

    def present(self) -> View:
        """The index as it is now."""
        return View(self._store, self.breathe)

    def look_ahead(self, ids: Sequence[bytes], *records: str) -> None:
        """See `View`; whether a node was dropped is in the whole of its record."""
        super().look_ahead(ids, *("n" if record == WHO else record for record in records))

    def look_around(self, ids: Sequence[bytes], ahead: Ahead) -> None:
        """Nothing: what is read so of a node does not tell whether it was dropped then."""

    def nodes(self, ids: Iterable[bytes]) -> dict[bytes, NodeRecord]:
        """See `View`."""
        return {i: self._then(r) for i, r in super().nodes(ids).items() if r.first_seen_us <= self._at_us}

    def standing(self, ids: Iterable[bytes]) -> dict[bytes, Standing]:
        """See `View`."""
        return {i: Standing(record.node, record.dropped) for i, record in self.nodes(ids).items()}

    def out_links(self, ids: Sequence[bytes]) -> dict[bytes, list[Link]]:
        """See `View`."""
        return {i: self._by_then(links) for i, links in super().out_links(ids).items()}

    def in_links(self, ids: Sequence[bytes]) -> dict[bytes, list[Link]]:
        """See `View`."""
        return {i: self._by_then(links) for i, links in super().in_links(ids).items()}

    def flows(self, record: str, ids: Sequence[bytes]) -> dict[bytes, list[Link]]:
        """See `View`."""
        return {i: self._by_then(links) for i, links in super().flows(record, ids).items()}

    def symlinks(self, ids: Sequence[bytes]) -> tuple[dict[bytes, list[Link]], dict[bytes, list[Link]]]:
        """See `View`."""
        out, into = ({i: self._by_then(links) for i, links in found.items()} for found in super().symlinks(ids))
        return out, into

    def lanes_of(self, datasets: Sequence[Node]) -> dict[Node, list[Lane]]:
        """See `View`."""
        lanes = super().lanes_of(datasets)
        return {dataset: [past for lane in of if (past := self._lane(lane))] for dataset, of in lanes.items()}

    def mappings(self, owners: Sequence[bytes]) -> dict[bytes, list[KnownMapping]]:
        """See `View`."""
        return {owner: self._mapped(known) for owner, known in super().mappings(owners).items()}

    def jobs(self, ids: Sequence[bytes]) -> dict[bytes, JobHistory]:
        """See `View`."""
        return {i: self._history(history) for i, history in super().jobs(ids).items()}

    def _then(self, record: NodeRecord) -> NodeRecord:
        """The node as it was; a drop holds until a later hour in which the dataset was written."""
        if record.lifecycle is None or record.lifecycle_us is None:
            return record
        if record.lifecycle_us > self._at_us:
            return structs.replace(record, lifecycle=None, lifecycle_us=None, dropped=False)
        since, until = record.lifecycle_us // HOUR_US, self._at_us // HOUR_US
        is_written = any(since < hour <= until for hour in record.written_hours)
        return structs.replace(record, dropped=record.lifecycle.state == "DROP" and not is_written)

    def _by_then(self, links: list[Link]) -> list[Link]:
        return [link for link in links if link.first_us <= self._at_us]

    def _lane(self, lane: Lane) -> Lane | None:
        """The lane as it stood; None where nothing had been stated."""
        if lane.current_us <= self._at_us:
            return lane
        versions = tuple(version for version in lane.versions if version.first_seen_us <= self._at_us)
        if not versions:
            return None
        stated_us = {version.fingerprint: self._stated_us(version) for version in versions}
        current = max(stated_us, key=lambda mark: (stated_us[mark], mark))
        return replace(lane, versions=versions, current=current, current_us=stated_us[current])

    def _stated_us(self, version: SchemaVersion) -> int:
        """When a version was stated last, as far as is kept; before that, as often as since."""
        kept_us = next((hour * HOUR_US for hour in version.hours if hour * HOUR_US <= self._at_us), None)
        if kept_us is not None:
            return kept_us
        if len(version.hours) < RECENT_HOURS:
            return version.first_seen_us
        usual_us = (version.hours[0] - version.hours[-1]) * HOUR_US // (RECENT_HOURS - 1)
        return max(version.first_seen_us, self._at_us - usual_us)

    def _mapped(self, known: list[KnownMapping]) -> list[KnownMapping]:
        by_output: dict[Node, list[KnownMapping]] = {}
        for each in known:
            if each.first_seen_us <= self._at_us:
                by_output.setdefault(each.output, []).append(each)
        return [past for of in by_output.values() for past in self._current(of)]

    def _current(self, known: list[KnownMapping]) -> list[KnownMapping]:
        """Of one output's mappings, the current ones: those that are now, if the newest by then was one of them."""
        newest = max(known, key=lambda each: (min(each.last_seen_us, self._at_us), each.first_seen_us))
        if newest.is_current:
            return known
        return [structs.replace(each, is_current=each is newest) for each in known]

    def _history(self, history: JobHistory) -> JobHistory:
        finished = tuple(run for run in history.finished if run.ended_us <= self._at_us)
        since = (OpenRun(run.run_id, run.started_us) for run in history.finished if run.ended_us > self._at_us)
        running = (run for run in (*history.open, *since) if run.started_us <= self._at_us)
        return replace(history, finished=finished, open=tuple(sorted(running, key=lambda run: run.started_us)))
