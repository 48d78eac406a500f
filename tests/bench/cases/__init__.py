"""Every case, by name, in the order in which they are measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.bench.cases import large, latency, memory, reading, running, shown, throughput
from tests.bench.figures import Findings
from tests.bench.site import Site

Case = Callable[[Site, Findings], None]
"""Measures on the site and adds to what was found; its docstring says what it measures."""

CASES: Final[dict[str, Case]] = {
    "steady": throughput.steady,
    "cold": throughput.cold,
    "replay": throughput.replay,
    "growth": large.growth,
    "latency": latency.latency,
    "memory": memory.memory,
    "reading": reading.reading,
    "start": running.start,
    "idle": running.idle,
    "scale-out": running.scale_out,
    "announce": shown.announce,
    "formats": shown.formats,
    "sizes": shown.sizes,
    "partitions": shown.partitions,
    "hubs": shown.hubs,
}
