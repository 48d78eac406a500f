"""One level of a walk over datasets: through which jobs, to which datasets.

Every input of a job leads to every output of it, as far as events without explicit lineage listed the
two; where explicit lineage governs one of them, the job's newest statement for the output decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from processor.index.remembered import WHO
from processor.index.view import Link, View
from processor.model.observation import EdgeType, Evidence

is_read_inferred: Final = int(Evidence.INPUTS_OUTPUTS | Evidence.COLUMN | Evidence.DECLARED).__and__
is_write_inferred: Final = int(Evidence.INPUTS_OUTPUTS | Evidence.DECLARED).__and__
"""Whether there is evidence of a read, of a write, by which an input leads to every output.

As integers: each flag that an enum makes costs a walk as much as the link it stands on.
"""
_Infers = Callable[[int], int]
_Links = dict[bytes, list[Link]]
"""Links of one type, by node."""


class Step(msgspec.Struct, frozen=True, gc=False):
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
    out = view.flows("o", datasets)
    reads = {i: _of(links, EdgeType.READS) for i, links in out.items()}
    jobs = sorted({link.other for links in reads.values() for link in links})
    view.look_ahead(jobs, WHO, "o")
    writes = view.flows("o", jobs)
    alone = {link.other for links in out.values() for link in links if link.owner}
    explicit = _governed(reads, is_read_inferred) | _governing(writes, is_write_inferred)
    sources = _Sources(view, explicit | alone)
    for origin in datasets:
        for read in reads[origin]:
            job, written = read.other, writes[read.other]
            for write in written:
                if job not in explicit or _infers(read, write) or origin in sources.stated(job, write.other):
                    yield Step(origin, job, write.other, (read, write))
            if not written:
                yield Step(origin, job, None, (read,))
        for link in out[origin]:
            if link.owner and link.other != origin and origin in sources.stated(link.other, link.other):
                yield Step(origin, None, link.other, (link,))


def up(view: View, datasets: Sequence[bytes]) -> Iterator[Step]:
    """Who writes these datasets, and what those jobs read."""
    into = view.flows("i", datasets)
    writes = {i: _of(links, EdgeType.WRITES) for i, links in into.items()}
    jobs = sorted({link.other for links in writes.values() for link in links})
    view.look_ahead(jobs, WHO, "i")
    reads = view.flows("i", jobs)
    alone = {i for i, links in into.items() if _of(links, EdgeType.DERIVES)}
    explicit = _governed(writes, is_write_inferred) | _governing(reads, is_read_inferred)
    sources = _Sources(view, explicit | alone)
    for origin in datasets:
        for write in writes[origin]:
            leading = reads[write.other]
            if write.other in explicit:
                stated = sources.stated(write.other, origin)
                leading = [r for r in leading if _infers(r, write) or r.other in stated]
            yield from (Step(origin, write.other, r.other, (r, write)) for r in leading)
            if not leading:
                yield Step(origin, write.other, None, (write,))
        for link in _of(into[origin], EdgeType.DERIVES):
            yield from _own(origin, link, sources.stated(origin, origin))


def _infers(read: Link, write: Link) -> bool:
    """Whether an input leads to an output because a job listed the two."""
    return bool(is_read_inferred(read.evidence) and is_write_inferred(write.evidence))


def _governed(links: _Links, is_inferred: _Infers) -> set[bytes]:
    """The jobs at the far end of links that only explicit lineage states."""
    return {link.other for found in links.values() for link in found if not is_inferred(link.evidence)}


def _governing(links: _Links, is_inferred: _Infers) -> set[bytes]:
    """The jobs that have links that only explicit lineage states."""
    return {job for job, found in links.items() for link in found if not is_inferred(link.evidence)}


class _Sources:
    """What owners stated last as the sources of their outputs, read in one go."""

    def __init__(self, view: View, owners: set[bytes]) -> None:
        self._current = view.current_mappings(sorted(owners)) if owners else {}

    def stated(self, owner: bytes, output: bytes) -> frozenset[bytes]:
        """The datasets that the current mapping of `owner` for `output` names."""
        known = self._current.get(owner, {}).get(output)
        return frozenset(node.id for node in known.mapping.datasets()) if known else frozenset()


def _of(links: list[Link], type_: EdgeType) -> list[Link]:
    return [link for link in links if link.type is type_]


def _own(origin: bytes, link: Link, sources: frozenset[bytes]) -> Iterator[Step]:
    for source in sorted(sources - {origin}):
        yield Step(origin, None, source, (link,))
