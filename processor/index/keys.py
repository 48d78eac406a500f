"""How what is kept is named: the same in every store."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """A hash of the index: which bucket, what kind of record, whose (hex id, or "" for the bucket's)."""

    bucket: int
    record: str
    owner: str = ""

    @property
    def suffix(self) -> str:
        """What tells it from the other keys of its bucket."""
        return f"{self.record}:{self.owner}" if self.owner else self.record
