"""Which datasets somebody is known to write, under any of their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from processor.index.aliases import aliases_of
from processor.index.view import Link, View
from processor.model.observation import EdgeType

_WRITING = frozenset({EdgeType.WRITES, EdgeType.DERIVES})
"""Links into a dataset that say where its data comes from; `derives` without a job counts too."""


def is_written(into: Iterable[Link]) -> bool:
    """Whether one of these links says where a dataset's data comes from."""
    return any(link.type in _WRITING for link in into)


def written(view: View, into: Mapping[bytes, Sequence[Link]]) -> set[bytes]:
    """Those of these datasets that have a writer under this name or another one, by the links into each."""
    here = {id_ for id_, links in into.items() if is_written(links)}
    names = {id_: others - {id_} for id_, others in aliases_of(view, into.keys() - here).items()}
    others = sorted({other for aliases in names.values() for other in aliases})
    there = {other for other, links in view.in_links(others).items() if is_written(links)}
    return here | {id_ for id_, aliases in names.items() if aliases & there}
