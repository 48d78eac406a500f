"""From an outbox entry to the change that is published.

An entry says what was news and what stood there before; the contents that fingerprints name are
read from the same bucket. Ids are hashes of the content: the same news has the same id.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

from processor.index import joins
from processor.index.items import PackedCause, unframe, unpack_cause
from processor.index.keys import Key
from processor.index.layout import unpack_identity, unpack_observer
from processor.index.store import OutboxEntry, Store
from processor.model.change import (
    Cause,
    Change,
    ChangeItem,
    EdgeChange,
    ItemKind,
    RunChange,
    SchemaChange,
)
from processor.model.errors import LineageError
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType, Evidence, Place
from processor.model.tables import Columns, decode_columns, diff_columns

ITEMS = 200
"""Most items in one record: with names of usual length far below a broker's limit of 1 MB."""

_RUN_NEWS = {b"F": ItemKind.RUN_FAILED, b"D": ItemKind.RUN_DIFFERED}


class ForeignEntryError(LineageError):
    """An entry says what only another version of the worker can tell."""


def change_of(entry: OutboxEntry, store: Store) -> Change:
    """The change that an entry stands for. May raise DependencyError while reading contents, and ForeignEntryError."""
    try:
        return _change_of(entry, store)
    except ValueError as error:
        raise ForeignEntryError(str(error)) from error


def _change_of(entry: OutboxEntry, store: Store) -> Change:
    subject, *frames = unframe(entry.payload)
    node = unpack_identity(subject)
    reader = _Reader(node, entry.bucket, store)
    pairs = zip(frames[::2], frames[1::2], strict=True)
    items = tuple(reader.item(item, before) for item, before in pairs)
    return Change(_change_id(items), node, items)


def parts(change: Change, items: int = ITEMS) -> list[Change]:
    """The change in records of at most so many items each, so that no broker refuses one for its size."""
    pages = [change.items[at : at + items] for at in range(0, len(change.items), items)]
    return [Change(_change_id(page), change.node, page) for page in pages]


def without_columns(change: Change) -> Change:
    """The same change, under the same id, saying that schemas changed and not in which columns."""
    items = (replace(i, schema=replace(i.schema, columns=())) if i.schema else i for i in change.items)
    return replace(change, items=tuple(items))


class _Reader:
    """Reads the items of one entry."""

    def __init__(self, node: Node, bucket: int, store: Store) -> None:
        self._node = node
        self._bucket = bucket
        self._store = store

    def item(self, data: bytes, before: bytes) -> ChangeItem:
        kind_name, cause_data, details = unframe(data)
        kind, packed = ItemKind(kind_name.decode()), unpack_cause(cause_data)
        cause, item_id = _cause(packed), self._id(kind, packed, details, before)
        if kind is ItemKind.EDGE_ADDED:
            return ChangeItem(item_id, kind, packed.time_us, cause, edge=_edge(details))
        if kind is ItemKind.SCHEMA_CHANGED:
            schema = self._schema(details, before)
            return ChangeItem(item_id, kind, packed.time_us, cause, schema=schema)
        if kind is ItemKind.MAPPING_CHANGED:
            output = unpack_identity(details)
            return ChangeItem(item_id, kind, packed.time_us, cause, output=output)
        if kind is ItemKind.RUN_DIFFERED:
            run, news = _run(before[1:]), _RUN_NEWS[before[:1]]
            return ChangeItem(item_id, news, packed.time_us, cause, run=run)
        return ChangeItem(item_id, kind, packed.time_us, cause, detail=details.decode() or None)

    def _id(self, kind: ItemKind, cause: PackedCause, details: bytes, before: bytes) -> str:
        """What happened to whom, by which event; not where the event was read."""
        what = f"{kind}:{self._node}:{cause.time_us}:{cause.job}:{cause.run_id}".encode()
        return _hash(what + details + before)

    def _schema(self, details: bytes, before: bytes) -> SchemaChange:
        new, observer = unframe(details)
        old = joins.unpack_stamped(before).payload if before else b""
        before_columns, columns = self._columns(old), self._columns(new)
        changes = () if before_columns is None or columns is None else diff_columns(before_columns, columns)
        return SchemaChange(unpack_observer(observer), old.hex() or None, new.hex() or None, changes)

    def _columns(self, fingerprint: bytes) -> Columns | None:
        """None where there is none, or where the index has lost it since."""
        key = Key(self._bucket, "s", self._node.id.hex())
        content = self._store.fetch_fields(key, [b"b" + fingerprint])[0] if fingerprint else None
        return decode_columns(joins.unpack_stamped(content).payload) if content else None


def _cause(packed: PackedCause) -> Cause:
    job = Node(Kind.JOB, *packed.job) if packed.job else None
    place = Place(*packed.place) if packed.place else None
    return Cause(job, packed.run_id, packed.producer or None, place)


def _edge(details: bytes) -> EdgeChange:
    type_name, evidence, src, dst = unframe(details)
    nodes = (unpack_identity(src), unpack_identity(dst))
    return EdgeChange(EdgeType(type_name.decode()), *nodes, Evidence(evidence[0]))


def _run(figures: bytes) -> RunChange:
    recent = joins.unpack_recent(figures)
    counts = (recent.inputs, recent.outputs)
    return RunChange(recent.run_id, recent.state, recent.started_us, recent.ended_us, *counts)


def _change_id(items: tuple[ChangeItem, ...]) -> str:
    return _hash(b"".join(item.item_id.encode() for item in items))


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
