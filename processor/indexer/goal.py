"""When `--until-caught-up` is done. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from processor.indexer.records import Partition

__all__ = ["Goal"]


@dataclass(frozen=True, slots=True)
class Goal:
    """Every partition as far as it went when this worker started.

    `ends`: offset to reach by partition, 0 where there is nothing to read.
    """

    ends: Mapping[Partition, int]

    def is_reached(
        self,
        owned: Collection[Partition],
        position: Callable[[Partition], int | None],
        committed: Callable[[Collection[Partition]], Mapping[Partition, int]],
    ) -> bool:
        """Whether this worker has read its partitions and the group has committed the others."""
        if any((position(each) or 0) < end for each, end in self.ends.items() if each in owned):
            return False
        others = {each: end for each, end in self.ends.items() if end and each not in owned}
        if not others:
            return True
        there = committed(others)
        return all(there.get(each, -1) >= end for each, end in others.items())
