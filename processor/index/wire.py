"""What a store is told to join: templates that are packed once, and what the events of a batch add to them.

A statement writes the same joins each time, but for times, digests and causes. So its templates are packed when it is
met first, by bucket; a batch adds the values that its events make, and whoever applies it (`scripts/apply.lua`, or
the twin in memory) puts the two together. Everything is MessagePack, one element after the other:

    part      three causes: of the first event, of the last, of the last that writes ("" = as the first)
              · number of stems · stems (false = no event makes it) · number of hashes · hashes
    hash      key without its bucket · subject ("" = silent) · number of joins · number of elements that follow
              · fields · joins
    join      letter · which stem stands in front of the payload · payload
              · which cause its item names (0 = it has no item), and then: what stands before it · behind it
              · of a touch (T) only: what it touches, for the field B… beside it
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]  # it ships no types

from processor.index.keys import Key

Item = tuple[bytes, bytes] | None
"""What stands before and behind the cause in an item."""

_FEW, _MANY = 15, 65_535
"""Up to so many elements the head of an array takes one byte, or three."""

TOUCH = "T"

FIRST, LAST, WRITING = 1, 2, 3
"""Which cause: that of the first event, of the last, of the last that writes."""

pack = msgpack.Packer(use_bin_type=False, autoreset=True).pack
"""One element. Without the types that the script's decoder lacks."""


def pack_all(elements: list[Any]) -> bytes:
    """Several elements, one after the other: as an array of them, without what stands in front of it."""
    size = len(elements)
    packed: bytes = pack(elements)
    return packed[1 if size <= _FEW else 3 if size <= _MANY else 5 :]


class Template(NamedTuple):
    """One join of a statement. `stem`: its place among the stems, from 1 on; `item`: None for a silent one.

    `touched`: what a touch touches.
    """

    join: str
    field: bytes
    stem: int
    payload: bytes = b""
    cause: int = 0
    item: Item = None
    touched: bytes = b""


class Packed(NamedTuple):
    """Elements, packed: so many. `hashes`: how many hashes they are."""

    hashes: int
    size: int
    data: bytes


class Join(NamedTuple):
    """One join of `value` into `field`. `join` is a letter of `joins.JOINS`.

    `item`: the change item to announce if the join brings something new, None to stay silent.
    """

    join: str
    field: bytes
    value: bytes
    item: bytes | None = None


Templates = Sequence[tuple[Key, Sequence[Template]]]
"""By key, no field twice in one group; a key may have several groups."""

NOTHING = Packed(0, 0, b"")


def pack_templates(templates: Templates, subjects: Mapping[Key, bytes]) -> dict[int, Packed]:
    """Templates by bucket. `subjects`: the node (packed identity) that the changes of a key are about."""
    found: dict[int, list[tuple[int, bytes]]] = {}
    for key, group in templates:
        found.setdefault(key.bucket, []).append(_pack_hash(key, group, subjects.get(key, b"")))
    return {bucket: _together(hashes) for bucket, hashes in found.items()}


def _together(hashes: Sequence[tuple[int, bytes]]) -> Packed:
    return Packed(len(hashes), sum(size for size, _ in hashes), b"".join(data for _, data in hashes))


def _pack_hash(key: Key, group: Sequence[Template], subject: bytes) -> tuple[int, bytes]:
    fields, joins = [each.field for each in group], [part for each in group for part in _join(each)]
    elements = [key.suffix, subject, len(group), len(fields) + len(joins), *fields, *joins]
    return len(elements), pack_all(elements)


def _join(template: Template) -> Iterator[Any]:
    join, _name, stem, payload, cause, item, touched = template
    yield from (join, stem, payload, cause, *(item or ()))
    if join == TOUCH:
        yield touched


def pack_stems(causes: tuple[bytes, bytes, bytes], stems: Sequence[bytes | None]) -> tuple[int, bytes]:
    """What the events of a batch add: how many elements, and these."""
    elements = [*causes, len(stems), *(False if stem is None else stem for stem in stems)]
    return len(elements), pack_all(elements)


class Parts:
    """What a batch joins into the hashes of one bucket."""

    __slots__ = ("_data", "_parts", "_size")

    def __init__(self) -> None:
        """Nothing yet."""
        self._data: list[bytes] = []
        self._parts = self._size = 0

    def add(self, stems: tuple[int, bytes], hashes: Packed) -> None:
        """Join these hashes of one statement."""
        self._data += (stems[1], pack(hashes.hashes), hashes.data)
        self._size += stems[0] + hashes.size + 1
        self._parts += 1

    def packed(self) -> tuple[int, bytes]:
        """Elements: the number of parts, and the parts."""
        return 1 + self._size, b"".join((pack(self._parts), *self._data))

    def hashes(self) -> Iterator[tuple[str, bytes, list[Join]]]:
        """Key without its bucket, subject and joins of each hash, as they were added: what the script reads."""
        return _Reader(self.packed()[1]).hashes()


class _Reader:
    """Reads what was packed."""

    def __init__(self, data: bytes) -> None:
        self._unpacker = msgpack.Unpacker(raw=True, max_buffer_size=0)
        self._unpacker.feed(data)

    def hashes(self) -> Iterator[tuple[str, bytes, list[Join]]]:
        for _ in range(self._take()):
            causes = [self._take() for _ in range(3)]
            stems = [self._take() for _ in range(self._take())]
            for _ in range(self._take()):
                suffix, subject = self._take().decode(), self._take()
                yield suffix, subject, list(self._joins([cause or causes[0] for cause in causes], stems))

    def _joins(self, causes: Sequence[bytes], stems: Sequence[bytes | bool]) -> Iterable[Join]:
        count, _elements = self._take(), self._take()
        for name in [self._take() for _ in range(count)]:
            join, stem, payload, cause = self._take().decode(), self._take(), self._take(), self._take()
            around = [self._take(), self._take()] if cause else None
            value = stems[stem - 1]
            touched = self._take() if join == TOUCH else None
            if isinstance(value, bytes):
                yield Join(join, name, value + payload, causes[cause - 1].join(around) if around else None)
                if touched is not None:
                    yield Join("O", b"B" + name[1:], touched)

    def _take(self) -> Any:  # noqa: ANN401 - an element is text, a number or false
        return self._unpacker.unpack()
