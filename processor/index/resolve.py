"""From what a person types to a node of the index.

`kind:NAMESPACE:NAME[:FIELD]` is tried at every colon, longest namespace first; anything else is a
name, or the trailing part of one, that must be unique.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain

from processor.index.layout import SEPARATORS, last_word, word_id
from processor.index.past import PastView
from processor.index.view import View
from processor.model.errors import UsageError
from processor.model.history import NodeRecord
from processor.model.identity import Kind, Node, dataset, job
from processor.model.observation import EdgeType
from processor.model.text import quoted
from processor.model.wording import nearest, wrong_node

_WORDS = frozenset({Kind.DATASET.value, Kind.JOB.value, Kind.COLUMN.value})
MOST_NEAR = 5
"""So many are told of what is near."""
_COLONS_MAX = 32
_SPLITS_MAX = 100
"""More colons than any real namespace has, more parts than any real name: bounds on what one question may cost."""


class UnclearNodeError(UsageError):
    """No node, or not one alone, is known to be meant. `parameter`: where it was named, for whoever has several."""

    parameter = "node"


class UnknownNodeError(UnclearNodeError):
    """Nothing in the index goes by that name; `candidates` are near."""

    def __init__(self, text: str, candidates: tuple[Node, ...] = ()) -> None:
        super().__init__(f"unknown: {quoted(text)}")
        self.candidates = candidates


class NotYetError(UnknownNodeError):
    """It is known now, and was not at the time asked about. `since_us`: when it came, where that is known."""

    def __init__(self, text: str, since_us: int | None) -> None:
        super().__init__(text)
        self.since_us = since_us
        since = "" if since_us is None else f"; it was first seen {_time(since_us)}"
        self.args = (f"{quoted(text)} was not known at that time{since}",)


class AmbiguousNodeError(UnclearNodeError):
    """Several nodes go by that name; `candidates` are all of them."""

    def __init__(self, text: str, candidates: tuple[Node, ...]) -> None:
        super().__init__(f"ambiguous: {quoted(text)} fits {len(candidates)} nodes")
        self.candidates = candidates


Near = Callable[[View, str, Kind | None], tuple[Node, ...]]
"""Finds what looks like a name: of one kind, or of any."""


def _time(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us // 1_000_000, UTC):%Y-%m-%d %H:%M} UTC"


def resolve(view: View, text: str, nearby: Near | None = None) -> Node:
    """The node that `text` names. UnknownNodeError, with what is `nearby`, or AmbiguousNodeError otherwise.

    UsageError for a text that nothing can be called: whoever has a name for that parameter looks before.
    """
    if (fault := wrong_node(text)) != "":
        raise UsageError(f"node: {fault}")
    kind, separator, _ = text.partition(":")
    find = _find_identity if separator and kind in _WORDS else _find_name
    found = find(view, text)
    if not found and isinstance(view, PastView):
        _say_if_later(view.present(), text, find)
    if not found:
        raise UnknownNodeError(text, _alike(view, text, nearby or near))
    if len(found) > 1:
        raise AmbiguousNodeError(text, tuple(sorted(found, key=str)))
    return found[0]


def is_called(view: View, text: str) -> bool:
    """Whether a node, or several, go by a name: in whole, or by its trailing part."""
    return bool(_find_name(view, text))


def _alike(view: View, text: str, nearby: Near) -> tuple[Node, ...]:
    """What is near a name that is not known: of the kind that was asked for, where there is any."""
    word, separator, rest = text.partition(":")
    if not separator or word not in _WORDS:
        return (*_columns_alike(view, text), *nearby(view, text, None))[:MOST_NEAR]
    if word == Kind.COLUMN.value:
        return _columns_alike(view, text)[:MOST_NEAR] or nearby(view, rest.rpartition(":")[0] or rest, Kind.DATASET)
    return of_kind_or_any(lambda kind: nearby(view, rest, kind), Kind(word))


def of_kind_or_any(find: Callable[[Kind | None], tuple[Node, ...]], kind: Kind | None) -> tuple[Node, ...]:
    """What is near: of the kind that was asked for, where there is any."""
    return find(kind) or (() if kind is None else find(None))


def _columns_alike(view: View, text: str) -> tuple[Node, ...]:
    """Columns of a dataset that is known, spelled like the one that it has not."""
    meant = identities(text)
    known = view.standing([node.dataset.id for node in meant])
    stated = ((node.dataset, str(node.field)) for node in meant if node.dataset.id in known)
    for table, field in chain(stated, _read_as_column(view, text.removeprefix(f"{Kind.COLUMN}:"))):
        alike = nearest(field, sorted(fields_of(view, table)))
        if alike:
            return tuple(table.column(each) for each in alike)
    return ()


def _say_if_later(present: View, text: str, find: Callable[[View, str], list[Node]]) -> None:
    """Raise `NotYetError` for what has come since the time asked about."""
    for node in find(present, text)[:1]:
        record = present.node(node.dataset)
        raise NotYetError(text, None if record is None or node.field is not None else record.first_seen_us)


def identities(text: str) -> list[Node]:
    """Every node that `kind:NAMESPACE:NAME[:FIELD]` may stand for, longest namespace first; none for another text."""
    word, _, rest = text.partition(":")
    return list(_splits(Kind(word), rest)) if word in _WORDS else []


def _find_identity(view: View, text: str) -> list[Node]:
    word, _, rest = text.partition(":")
    kind = Kind(word)
    candidates = identities(text)
    known = view.standing([node.dataset.id for node in candidates])
    for node in candidates:
        if node.dataset.id in known and _has_field(view, node):
            return [node]
    return _find_name(view, rest, kinds={kind})


def _splits(kind: Kind, rest: str) -> Iterator[Node]:
    """Every way to part `rest` into namespace and name (and field), longest namespace first."""
    colons = [at for at, letter in enumerate(rest) if letter == ":"][-_COLONS_MAX:]
    for at in reversed(colons):
        namespace, name = rest[:at], rest[at + 1 :]
        if kind is Kind.COLUMN:
            yield from _column_splits(namespace, name, rest, colons, at)
        else:
            yield dataset(namespace, name) if kind is Kind.DATASET else job(namespace, name)


def _column_splits(namespace: str, name: str, rest: str, colons: list[int], at: int) -> Iterator[Node]:
    for end in reversed([colon for colon in colons if colon > at]):
        yield dataset(namespace, rest[at + 1 : end]).column(rest[end + 1 :])
    table, dot, field = name.rpartition(".")
    if dot:
        yield dataset(namespace, table).column(field)


def _has_field(view: View, node: Node) -> bool:
    return node.field is None or node.field in fields_of(view, node.dataset)


def fields_of(view: View, table: Node) -> frozenset[str]:
    """Every column that the index knows of a dataset: in any schema, or in any mapping for it."""
    named = {c.path for lane in view.lanes(table) for v in lane.versions for c in v.columns}
    links = view.in_links([table.id])[table.id]
    owners = [link.other for link in links if link.type is EdgeType.DERIVES]
    for mappings in view.mappings(owners).values():
        for known in mappings:
            if known.output == table:
                named |= {output.field for output in known.mapping.fields}
    return frozenset(named | set(_read_fields(view, table)))


def _read_fields(view: View, table: Node) -> Iterator[str]:
    """Columns that others' mappings name as their sources."""
    links = view.out_links([table.id])[table.id]
    owners = sorted({link.owner for link in links if link.owner})
    for mappings in view.mappings(owners).values():
        for known in mappings:
            for source in known.mapping.sources():
                if source.field is not None and source.node.dataset == table:
                    yield source.field


def _find_name(view: View, text: str, *, kinds: set[Kind] | None = None) -> list[Node]:
    found = _fitting(view, text) if kinds is None or kinds & {Kind.DATASET, Kind.JOB} else []
    if kinds is not None:
        found = [node for node in found if node.kind in kinds]
    if not found and (kinds is None or Kind.COLUMN in kinds):
        found = _fitting_columns(view, text)
    return found


def _fitting(view: View, text: str) -> list[Node]:
    records = view.nodes(view.found_by(word_id(last_word(text)))).values()
    exact = [r.node for r in records if r.node.name == text]
    return exact or [r.node for r in records if _ends_with(r, text)]


def _ends_with(record: NodeRecord, text: str) -> bool:
    whole, part = (name.casefold().rstrip(SEPARATORS) for name in (record.node.name, text))
    return whole == part or whole.endswith(tuple(separator + part for separator in SEPARATORS))


def _fitting_columns(view: View, text: str) -> list[Node]:
    """`orders.amount`: every split into a dataset's name and one of its columns."""
    return [t.column(field) for t, field in _read_as_column(view, text) if field in fields_of(view, t)]


def _read_as_column(view: View, text: str) -> Iterator[tuple[Node, str]]:
    """Every dataset that a beginning of the text names, with what the rest then is; the longest first."""
    for at in reversed([i for i, letter in enumerate(text) if letter in ".:"][-_SPLITS_MAX:]):
        yield from ((node, text[at + 1 :]) for node in _fitting(view, text[:at]) if node.kind is Kind.DATASET)


def near(view: View, text: str, kind: Kind | None = None) -> tuple[Node, ...]:
    """Nodes whose names look like `text`, of one kind or of any, likeliest first. Reads every name."""
    by_name: dict[str, Node] = {}
    for each in (Kind.DATASET, Kind.JOB) if kind is None else (kind,):
        for record in view.all_nodes(each):
            by_name.setdefault(record.node.name, record.node)
            by_name.setdefault(last_word(record.node.name), record.node)
    wanted = text.rpartition(":")[2]
    matches = difflib.get_close_matches(wanted, by_name, n=2 * MOST_NEAR, cutoff=0.6)
    return tuple(dict.fromkeys(by_name[match] for match in matches))[:MOST_NEAR]
