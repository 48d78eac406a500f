"""How two indexes differ, in words that lead to the record at fault."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from processor.index.keys import Key
from processor.index.store import Store
from processor.index.view import View
from processor.model.identity import Kind

_PAGE: Final = 1000
_SHOWN: Final = 60

Hashes = dict[Key, dict[bytes, bytes]]


def differences(found: Store, expected: Store) -> Iterator[str]:
    """Every field of which one index has nothing, or something else than the other."""
    there, wanted = _hashes(found), _hashes(expected)
    names = _names(expected)
    for key in sorted(there.keys() | wanted.keys()):
        mine, theirs = there.get(key, {}), wanted.get(key, {})
        for field in sorted(mine.keys() | theirs.keys()):
            if mine.get(field) != theirs.get(field):
                yield _said(key, names.get(key.owner, key.owner), field, mine.get(field), theirs.get(field))


def _hashes(store: Store) -> Hashes:
    keys, hashes = store.keys(), Hashes()
    while page := list(islice(keys, _PAGE)):
        hashes.update(zip(page, store.fetch(page), strict=True))
    return hashes


def _names(store: Store) -> dict[str, str]:
    view = View(store)
    nodes = (record.node for kind in (Kind.DATASET, Kind.JOB) for record in view.all_nodes(kind))
    return {node.id.hex(): str(node) for node in nodes}


def _said(key: Key, owner: str, field: bytes, found: bytes | None, expected: bytes | None) -> str:
    where = f"bucket {key.bucket}, record {key.record!r} of {owner or 'the bucket'}, field {_shown(field)}"
    if found is None:
        return f"{where}: is missing; it should be {_shown(expected)}"
    if expected is None:
        return f"{where}: should not be there; it is {_shown(found)}"
    return f"{where}: is {_shown(found)}, and should be {_shown(expected)}"


def _shown(value: bytes | None) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(value or b'')} bytes)"
