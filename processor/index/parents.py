"""Which columns of a dataset have parents: by the mappings that hold now, and by any that ever held.

Rules kept here:
- the columns are those of the current schema; where none is known, those that a mapping names;
- a mapping's `every` gives each column of its output a parent;
- a nested column has a parent when the column around it has one, and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from processor.index.view import View, current_columns
from processor.model.history import KnownMapping
from processor.model.identity import Node
from processor.model.observation import EdgeType
from processor.model.provenance import ColumnCount


def column_parents(view: View, groups: Mapping[Node, Sequence[Node]]) -> dict[Node, ColumnCount]:
    """Of each dataset, which is known by these names: its columns, and how many have parents."""
    names = [name for group in groups.values() for name in group]
    lanes, stated = view.lanes_of(names), _stated(view, [name.id for name in names])
    found = {}
    for dataset, group in groups.items():
        schema = {c.path for c in current_columns([lane for name in group for lane in lanes[name]])}
        found[dataset] = _count(schema, [known for name in group for known in stated.get(name.id, ())])
    return found


def _stated(view: View, ids: Sequence[bytes]) -> dict[bytes, list[KnownMapping]]:
    """Every mapping for these outputs, by output."""
    links = view.in_links(ids)
    owners = sorted({link.other for found in links.values() for link in found if link.type is EdgeType.DERIVES})
    stated: dict[bytes, list[KnownMapping]] = {i: [] for i in ids}
    for mappings in view.mappings(owners).values():
        for known in mappings:
            if known.output.id in stated:
                stated[known.output.id].append(known)
    return stated


def _count(schema: set[str], stated: Sequence[KnownMapping]) -> ColumnCount:
    current = [known for known in stated if known.is_current]
    columns = schema or {output.field for known in current for output in known.mapping.fields}
    return ColumnCount(len(columns), _having(columns, current), _having(columns, stated))


def _having(columns: set[str], stated: Iterable[KnownMapping]) -> int:
    mappings = [known.mapping for known in stated]
    if any(mapping.every for mapping in mappings):
        return len(columns)
    named = {output.field for mapping in mappings for output in mapping.fields if output.sources}
    around = {path for name in named for path in _around(name)}
    return sum(1 for column in columns if column in around or not named.isdisjoint(_around(column)))


def _around(path: str) -> Iterator[str]:
    """The path, and the columns around it."""
    while path:
        yield path
        path = path.rpartition(".")[0]
