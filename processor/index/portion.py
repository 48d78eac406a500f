"""How much of a node's record is read: all of it, some fields by their names, or those whose names begin alike."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Portion"]

Hash = dict[bytes, bytes]
_NOTHING: Hash = {}


class Portion(NamedTuple):
    """Of a `record`: `fields`, those of these names; `prefix`, those that begin so; all where neither is given."""

    record: str
    fields: tuple[bytes, ...] = ()
    prefix: bytes = b""

    def of(self, whole: Hash) -> Hash:
        """What is in this portion of a hash."""
        if not whole:
            return whole
        if self.fields:
            return {name: whole[name] for name in self.fields if name in whole}
        names = [name for name in whole if name.startswith(self.prefix)]
        return {name: whole[name] for name in names} if names else _NOTHING
