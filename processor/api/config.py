"""What the API is told, and the parts that it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from processor.decode.observe import Observe
from processor.index.progress import Clock
from processor.index.store import Store
from processor.model.alert import Alert

__all__ = ["Alerts", "ApiConfig", "OpenIndex"]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """How the API behaves. Sizes are in bytes, times in seconds.

    `topic`: where events are sent. `read_tokens`, `write_tokens`: without any of either, nobody is asked for one.
    `max_body_bytes` bounds a body as sent and unpacked; `max_held_bytes` all bodies that are in hand at once.
    `streams`: how many clients may listen at a time; one that takes nothing for `slow_s` is cut off.
    `clock`: what time is judged by.
    `patience_s`: how long what a writing call of Marquez's names is looked for, which may have been sent just now.
    `timeout_s`: what a question to the index may take; `send_timeout_s`: what Kafka's confirmation may.
    """

    topic: str
    changes_topic: str = "lineage.changes"
    alerts_topic: str = "lineage.alerts"
    read_tokens: tuple[str, ...] = ()
    write_tokens: tuple[str, ...] = ()
    read_only: bool = False
    cors_origins: tuple[str, ...] = ()
    max_body_bytes: int = 32 * MIB
    max_held_bytes: int = 128 * MIB
    max_events: int = 1000
    timeout_s: float = 10.0
    send_timeout_s: float = 15.0
    body_timeout_s: float = 30.0
    patience_s: float = 5.0
    threads: int = 4
    waiting: int = 64
    names_age_s: float = 5.0
    clock: Clock = Clock.AUTO
    streams: int = 32
    slow_s: float = 30.0


class Alerts(Protocol):
    """What the API asks of the alerts; `alerter.state.AlertStore` does it."""

    def get(self, alert_ids: Sequence[str]) -> dict[str, Alert]:
        """The known ones among these alerts, by id."""

    def firing(self) -> dict[str, Alert]:
        """Every alert that fires, by id."""

    def all(self) -> Iterator[Alert]:
        """Every alert that is kept."""


OpenIndex = Callable[[], tuple[Store, Alerts]]
"""Opens a connection to the index and to the alerts beside it, for one thread. May raise DependencyError."""

OpenObserve = Callable[[], Observe]
"""Makes what holds an event to the contract, for one thread."""
