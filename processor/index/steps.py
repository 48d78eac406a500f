"""One level of a walk over datasets: through which jobs, to which datasets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from processor.index.view import Link, View
from processor.model.history import KnownMapping
from processor.model.observation import EdgeType, Evidence


class Step(NamedTuple):
    """From one dataset to the next.

    `job` is None where a dataset derives from another without one; `target` is None where the job
    has nothing on its other side. `links` go with the data.
    """

    origin: bytes
    job: bytes | None
    target: bytes | None
    links: tuple[Link, ...]


def down(view: View, datasets: Sequence[bytes]) -> Iterator[Step]:
    """Who reads these datasets, and what those jobs write."""
    out = view.out_links(datasets)
    jobs = sorted({link.other for links in out.values() for link in _of(links, EdgeType.READS)})
    written = view.out_links(jobs)
    sources = _Sources(view)
    for origin in datasets:
        for read in _of(out[origin], EdgeType.READS):
            yield from _outputs(origin, read, _of(written[read.other], EdgeType.WRITES), sources)
        for link in _of(out[origin], EdgeType.DERIVES):
            if link.owner == link.other != origin and origin in sources.stated(link.other, link.other):
                yield Step(origin, None, link.other, (link,))


def up(view: View, datasets: Sequence[bytes]) -> Iterator[Step]:
    """Who writes these datasets, and what those jobs read."""
    into = view.in_links(datasets)
    jobs = sorted({link.other for links in into.values() for link in _of(links, EdgeType.WRITES)})
    read = view.in_links(jobs)
    sources = _Sources(view)
    for origin in datasets:
        for write in _of(into[origin], EdgeType.WRITES):
            allowed = sources.of(write.other, write, origin)
            yield from _inputs(origin, write, _of(read[write.other], EdgeType.READS), allowed)
        for link in _of(into[origin], EdgeType.DERIVES):
            if link.other == origin:
                yield from _own(origin, link, sources.stated(origin, origin))


class _Sources:
    """What jobs stated last as the sources of their outputs."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._current: dict[bytes, dict[bytes, KnownMapping]] = {}

    def of(self, job: bytes, write: Link, output: bytes) -> frozenset[bytes] | None:
        """The only sources that the writing job admits for this output; None when it did not say."""
        return self.stated(job, output) if Evidence.EXPLICIT in write.evidence else None

    def stated(self, owner: bytes, output: bytes) -> frozenset[bytes]:
        """The datasets that the current mapping of `owner` for `output` names."""
        if owner not in self._current:
            self._current[owner] = self._view.current_mappings([owner]).get(owner, {})
        known = self._current[owner].get(output)
        return frozenset(node.id for node in known.mapping.datasets()) if known else frozenset()


def _of(links: list[Link], type_: EdgeType) -> list[Link]:
    return [link for link in links if link.type is type_]


def _outputs(origin: bytes, read: Link, writes: list[Link], sources: _Sources) -> Iterator[Step]:
    if not writes:
        yield Step(origin, read.other, None, (read,))
    for write in writes:
        allowed = sources.of(read.other, write, write.other)
        if allowed is None or origin in allowed:
            yield Step(origin, read.other, write.other, (read, write))


def _inputs(origin: bytes, write: Link, reads: list[Link], allowed: frozenset[bytes] | None) -> Iterator[Step]:
    admitted = [read for read in reads if allowed is None or read.other in allowed]
    if not admitted:
        yield Step(origin, write.other, None, (write,))
    for read in admitted:
        yield Step(origin, write.other, read.other, (read, write))


def _own(origin: bytes, link: Link, sources: frozenset[bytes]) -> Iterator[Step]:
    for source in sorted(sources - {origin}):
        yield Step(origin, None, source, (link,))
