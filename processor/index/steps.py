"""One level of a walk over datasets: through which jobs, to which datasets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from processor.index.view import Link, View
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
    for origin in datasets:
        derived = {(link.owner, link.other) for link in _of(out[origin], EdgeType.DERIVES)}
        for read in _of(out[origin], EdgeType.READS):
            yield from _outputs(origin, read, _of(written[read.other], EdgeType.WRITES), derived)
        for link in _of(out[origin], EdgeType.DERIVES):
            if link.owner == link.other != origin:
                yield Step(origin, None, link.other, (link,))


def up(view: View, datasets: Sequence[bytes]) -> Iterator[Step]:
    """Who writes these datasets, and what those jobs read."""
    into = view.in_links(datasets)
    jobs = sorted({link.other for links in into.values() for link in _of(links, EdgeType.WRITES)})
    read = view.in_links(jobs)
    sources = _Sources(view)
    for origin in datasets:
        for write in _of(into[origin], EdgeType.WRITES):
            allowed = sources.of(write, origin)
            yield from _inputs(origin, write, _of(read[write.other], EdgeType.READS), allowed)
        for link in _of(into[origin], EdgeType.DERIVES):
            if link.other == origin:
                yield from _own(origin, link, sources.stated(origin, origin))


class _Sources:
    """What jobs stated as the sources of their outputs, each read once."""

    def __init__(self, view: View) -> None:
        self._view = view

    def of(self, write: Link, output: bytes) -> frozenset[bytes] | None:
        """The only sources that the writing job admits for this output; None when it did not say."""
        if Evidence.EXPLICIT not in write.evidence:
            return None
        return self.stated(write.other, output)

    def stated(self, owner: bytes, output: bytes) -> frozenset[bytes]:
        """The datasets that the current mapping of `owner` for `output` names."""
        mapping = self._view.current_mappings([owner]).get(owner, {}).get(output)
        return frozenset(node.id for node in mapping.mapping.datasets()) if mapping else frozenset()


def _of(links: list[Link], type_: EdgeType) -> list[Link]:
    return [link for link in links if link.type is type_]


def _outputs(origin: bytes, read: Link, writes: list[Link], derived: set[tuple[bytes | None, bytes]]) -> Iterator[Step]:
    if not writes:
        yield Step(origin, read.other, None, (read,))
    for write in writes:
        explicit = Evidence.EXPLICIT in write.evidence
        if not explicit or (read.other, write.other) in derived:
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
