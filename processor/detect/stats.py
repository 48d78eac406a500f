"""The little statistics that detectors learn with. Few values, no assumptions about their shape."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from statistics import median_low

from processor.model.history import HOUR_US

__all__ = ["DAY_US", "HOUR_US", "gaps", "hours_us", "p95", "typical"]

DAY_US = 24 * HOUR_US


def hours_us(hours: float) -> int:
    """Hours as microseconds."""
    return int(hours * HOUR_US)


def p95(values: Sequence[int]) -> int:
    """95th percentile by nearest rank: the largest of fewer than twenty values. Needs at least one."""
    ordered = sorted(values)
    return ordered[ceil(len(ordered) * 0.95) - 1]


def typical(values: Sequence[int]) -> int:
    """The (lower) median. Needs at least one."""
    return median_low(values)


def gaps(times_us: Sequence[int]) -> list[int]:
    """Distances between neighbors of sorted times."""
    return [later - earlier for earlier, later in pairwise(times_us)]
