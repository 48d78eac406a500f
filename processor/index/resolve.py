"""From what a person types to a node of the index.

`kind:NAMESPACE:NAME[:FIELD]` is tried at every colon, longest namespace first; anything else is a
name, or the trailing part of one, that must be unique.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from processor.index.layout import SEPARATORS, last_word, word_id
from processor.index.past import PastView
from processor.index.view import View
from processor.model.errors import UsageError
from processor.model.history import NodeRecord
from processor.model.identity import Kind, Node, dataset, job
from processor.model.observation import EdgeType
from processor.model.wording import EMPTY_NODE

_WORDS = frozenset({Kind.DATASET.value, Kind.JOB.value, Kind.COLUMN.value})
_COLONS_MAX = 32
"""More colons than any real namespace has; a bound on what one question may cost."""


class UnknownNodeError(UsageError):
    """Nothing in the index goes by that name; `candidates` are near."""

    def __init__(self, text: str, candidates: tuple[Node, ...] = ()) -> None:
        super().__init__(f"unknown: {text}")
        self.candidates = candidates


class NotYetError(UnknownNodeError):
    """It is known now, and was not at the time asked about. `since_us`: when it came, where that is known."""

    def __init__(self, text: str, since_us: int | None) -> None:
        super().__init__(text)
        self.since_us = since_us
        since = "" if since_us is None else f"; it was first seen {_time(since_us)}"
        self.args = (f"{text} was not known at that time{since}",)


class AmbiguousNodeError(UsageError):
    """Several nodes go by that name; `candidates` are all of them."""

    def __init__(self, text: str, candidates: tuple[Node, ...]) -> None:
        super().__init__(f"ambiguous: {text} fits {len(candidates)} nodes")
        self.candidates = candidates


Near = Callable[[View, str], tuple[Node, ...]]
"""Finds what looks like a name."""


def _time(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us // 1_000_000, UTC):%Y-%m-%d %H:%M} UTC"


def resolve(view: View, text: str, nearby: Near | None = None) -> Node:
    """The node that `text` names. UnknownNodeError, with what is `nearby`, or AmbiguousNodeError otherwise.

    UsageError where there is no text: whoever has a name for that parameter looks before.
    """
    if not text.strip():
        raise UsageError(f"node: {EMPTY_NODE}")
    kind, separator, rest = text.partition(":")
    find = _find_identity if separator and kind in _WORDS else _find_name
    found = find(view, text)
    if not found and isinstance(view, PastView):
        _say_if_later(view.present(), text, find)
    if not found:
        raise UnknownNodeError(text, (nearby or near)(view, rest if find is _find_identity else text))
    if len(found) > 1:
        raise AmbiguousNodeError(text, tuple(sorted(found, key=str)))
    return found[0]


def is_called(view: View, text: str) -> bool:
    """Whether a node, or several, go by a name: in whole, or by its trailing part."""
    return bool(_find_name(view, text))


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
    found: list[Node] = []
    for at in reversed([i for i, letter in enumerate(text) if letter in ".:"]):
        tables = [n for n in _fitting(view, text[:at]) if n.kind is Kind.DATASET]
        found += [t.column(text[at + 1 :]) for t in tables if text[at + 1 :] in fields_of(view, t)]
    return found


def near(view: View, text: str, count: int = 5) -> tuple[Node, ...]:
    """Nodes whose names look like `text`, likeliest first. Reads every name."""
    by_name: dict[str, Node] = {}
    for kind in (Kind.DATASET, Kind.JOB):
        for record in view.all_nodes(kind):
            by_name.setdefault(record.node.name, record.node)
            by_name.setdefault(last_word(record.node.name), record.node)
    wanted = text.rpartition(":")[2]
    matches = difflib.get_close_matches(wanted, by_name, n=count * 2, cutoff=0.6)
    return tuple(dict.fromkeys(by_name[match] for match in matches))[:count]
