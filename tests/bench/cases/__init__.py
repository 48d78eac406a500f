"""Every case, by name, in the order in which they are measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.bench.cases import throughput
from tests.bench.figures import Findings
from tests.bench.site import Site

Case = Callable[[Site, Findings], None]
"""Measures on the site and adds to what was found; its docstring says what it measures."""

CASES: Final[dict[str, Case]] = {
    "steady": throughput.steady,
    "cold": throughput.cold,
    "replay": throughput.replay,
}
