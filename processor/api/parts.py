"""What a request is served with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from processor.api.asker import Asker
from processor.api.body import Bodies
from processor.api.config import ApiConfig, OpenIndex, OpenObserve
from processor.api.intake import Accepted, Intake, OutgoingEvent
from processor.api.lanes import Lanes
from processor.api.live import Live, LiveConfig, OpenTail
from processor.api.surveyor import Surveyor
from processor.detect.policy import Policy
from processor.model.identity import Node
from processor.model.memo import Memo
from processor.model.observation import Observation

__all__ = ["Api", "ApiParts", "TheApi"]

T = TypeVar("T")
_RUNS_BYTES: Final = 4 * 1024 * 1024


class Sends(Protocol):
    """What sends events; `sender.Sender` does it."""

    async def send(self, records: tuple[OutgoingEvent, ...]) -> None:
        """Return once all are confirmed. Raises `ProblemError`."""


@dataclass(frozen=True, slots=True)
class ApiParts:
    """What wiring makes. `policy` gives the one that is in force."""

    open_index: OpenIndex
    open_observe: OpenObserve
    open_tail: OpenTail
    sender: Sends
    policy: Callable[[], Policy] = Policy


class Api:
    """The parts, put together; close it at the end."""

    def __init__(self, config: ApiConfig, parts: ApiParts) -> None:
        """Open nothing yet: a connection is made by whoever needs it first."""
        self.config = config
        self.asker = Asker(parts.open_index, config)
        self.bodies = Bodies(config)
        self.live = Live(parts.open_tail, LiveConfig(streams=config.streams, slow_s=config.slow_s))
        self.sender = parts.sender
        self.policy = parts.policy
        self.surveyor = Surveyor(parts.open_index, parts.policy, config.timeout_s)
        self.jobs_of_runs: Memo[Node] = Memo(_RUNS_BYTES)
        self._open_observe = parts.open_observe
        self.lanes = Lanes(config.max_body_bytes)
        self._of_thread = threading.local()
        self._opening = threading.Lock()

    async def read(self, body: bytes, *, is_packed: bool) -> Accepted:
        """Hold a body's events to the contract. Raises `ProblemError`."""
        return await self.lanes.read(body, lambda plain: self._intake().read(plain), is_packed=is_packed)

    async def translated(
        self, make: Callable[[], Mapping[str, Any]], tell: Callable[[Observation], T], size: int = 0
    ) -> tuple[OutgoingEvent, T]:
        """The record of an event that is made here, and what is to be told of what it says. Raises `ProblemError`.

        `size`: of the body that it is made of, in bytes.
        """

        def work() -> tuple[OutgoingEvent, T]:
            record, seen = self._intake().read_own(make())
            return record, tell(seen)

        return await self.lanes.do(work, size)

    def close(self) -> None:
        """Begin nothing more."""
        self.live.stop()
        self.asker.close()
        self.surveyor.close()
        self.lanes.close()

    def _intake(self) -> Intake:
        """That of the thread. No two learn the contract's types at once: see `model.typed`."""
        intake: Intake | None = getattr(self._of_thread, "intake", None)
        if intake is None:
            with self._opening:
                intake = self._of_thread.intake = Intake(self._open_observe(), self.config)
        return intake


TheApi: TypeAlias = NamedDependency[SkipValidation[Api]]
"""The `Api`, as a handler asks for it."""
