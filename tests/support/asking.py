"""What detectors of drift ask, answered without an index."""

from __future__ import annotations

from collections.abc import Callable

from processor.detect.schema_drift import Asking
from processor.model.alert import Impact


def knowing(impact: Impact) -> Asking:
    """Whichever columns are asked about, this is downstream of them."""
    return asking(lambda _: impact)


def asking(impact_of: Callable[[frozenset[str]], Impact]) -> Asking:
    """This is downstream of columns."""
    return Asking(lambda columns: _is_certain(impact_of(columns)), impact_of)


def _is_certain(impact: Impact) -> bool:
    return any(not affected.possible for affected in (*impact.columns, *impact.datasets))
