"""How findings speak: short names and lists that a person understands, on one line."""

from __future__ import annotations

from collections.abc import Sequence

from processor.detect.stats import DAY_US, HOUR_US
from processor.model.identity import Node

_MAX_NAME = 120
_SHOWN = 3
_MINUTE_US = 60_000_000
_SECOND_US = 1_000_000


def shown(text: str) -> str:
    """A name from outside, made safe for one line: control characters escaped, cut when long."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return plain if len(plain) <= _MAX_NAME else f"{plain[:_MAX_NAME]}…"


def node_words(node: Node) -> str:
    """`orders` for a dataset, `orders.amount` for a column, `shop.ingest` for a job."""
    if node.field is not None:
        return shown(f"{node.name}.{node.field}")
    if node.kind.value == "job" and "/" not in node.namespace:
        return shown(f"{node.namespace}.{node.name}")
    return shown(node.name)


def listed(names: Sequence[str], total: int | None = None) -> str:
    """`a, b, c, …`: the first few of `total` names."""
    head = ", ".join(names[:_SHOWN])
    return f"{head}, …" if (total or len(names)) > min(len(names), _SHOWN) else head


def counted(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def lasting(duration_us: int) -> str:
    """A duration to the unit that a person would use: `3.5 h`, `12 min`, `2.0 d`."""
    if duration_us >= 2 * DAY_US:
        return f"{duration_us / DAY_US:.1f} d"
    if duration_us >= HOUR_US:
        return f"{duration_us / HOUR_US:.1f} h"
    if duration_us >= _MINUTE_US:
        return f"{duration_us / _MINUTE_US:.0f} min"
    return f"{duration_us / _SECOND_US:.0f} s"
