"""What comes onto a topic, to whoever listens: server-sent events that can be taken up again.

Rules kept here:
- an event's id says how far each partition was read, itself included: whoever comes back with it misses nothing and
  hears nothing twice; what the topic no longer has by then is told as a `gap`;
- each listener reads for itself, from Kafka, as no member of any group; there are at most `streams` of them;
- what waits for a listener is bounded: one that takes nothing for `slow_s` is cut off;
- a listener that hears nothing for `heartbeat_s` gets a comment, so that neither end takes the other for gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from processor.api.problems import ProblemError, bad_parameter
from processor.model.errors import DependencyError

__all__ = ["Bounds", "Heard", "Live", "LiveConfig", "OpenTail", "Tail", "Told", "read_id"]

Positions = dict[int, int]
"""The offset of the next record, by partition."""

_PART: Final = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")
_RETRY_MS: Final = 2000
_RETRY_S: Final = 5
_WAITING: Final = 256
_LOOK_S: Final = 0.1
_PARTITIONS: Final = 10_000
_log = structlog.get_logger(__name__)


class Bounds(NamedTuple):
    """The first offset that a partition still has, and the one that its next record will have."""

    first: int
    end: int


class Heard(NamedTuple):
    """A record as it stands on the topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Told(NamedTuple):
    """What is told of a record: the name of the event, and a JSON document."""

    name: str
    document: object


class Tail(Protocol):
    """A topic, to read from where one likes. For one thread. May raise DependencyError."""

    def bounds(self) -> dict[int, Bounds]:
        """What each partition holds."""

    def start(self, positions: Mapping[int, int]) -> None:
        """Read on from here."""

    def read(self) -> Iterable[Heard]:
        """What came within a moment."""


OpenTail = Callable[[str], AbstractContextManager[Tail]]
"""Opens a topic by its name."""
Tells = Callable[[Heard], Told | None]
"""What is told of a record; None where it is passed over."""


def read_id(text: str) -> Positions:
    """Positions of an event's id: `0:15,1:7`. Raises `ProblemError`."""
    parts = [_PART.fullmatch(part) for part in text.split(",", _PARTITIONS)]
    if not all(parts):
        raise bad_parameter("Last-Event-ID", "it is no id of an event: partition:offset, comma-separated")
    return {int(part[1]): int(part[2]) for part in parts if part}


def written_id(positions: Mapping[int, int]) -> str:
    """The inverse of `read_id`."""
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(positions.items()))


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """How many may listen, and how patient each side is. Times in seconds."""

    streams: int = 32
    heartbeat_s: float = 15.0
    slow_s: float = 30.0


class Live:
    """Lets clients listen. For one event loop; `stop` ends all."""

    def __init__(self, open_tail: OpenTail, config: LiveConfig) -> None:
        self._open_tail = open_tail
        self._config = config
        self._stopping = threading.Event()
        self._free = threading.Semaphore(config.streams)

    def stop(self) -> None:
        """End every stream."""
        self._stopping.set()

    async def listen(
        self, topic: str, tells: Tells, after: Positions | None, *, from_start: bool = False
    ) -> AsyncIterator[bytes]:
        """Begin to listen; what it gives are the bytes of server-sent events.

        `after`: what was heard already. Raises `ProblemError`, or `DependencyError` when Kafka does not answer.
        """
        if not self._free.acquire(blocking=False):
            detail = f"{self._config.streams} clients listen already; come again later"
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_s=_RETRY_S)
        stream = _Stream(self._config, self._stopping, asyncio.get_running_loop())
        reader = _Reader(stream, tells, after, from_start=from_start)
        thread = threading.Thread(target=self._run, args=(reader, topic), name="listener", daemon=True)
        thread.start()
        try:
            await asyncio.wrap_future(reader.begun)
        except BaseException:
            stream.closed.set()
            raise
        return stream.chunks()

    def _run(self, reader: _Reader, topic: str) -> None:
        try:
            with self._open_tail(topic) as tail:
                reader.run(tail)
        except DependencyError as error:
            reader.fail(error)
        finally:
            reader.stream.end()
            self._free.release()


class _Stream:
    """What lies between the thread that reads and the client."""

    def __init__(self, config: LiveConfig, stopping: threading.Event, loop: asyncio.AbstractEventLoop) -> None:
        self.closed = threading.Event()
        self._config = config
        self._stopping = stopping
        self._loop = loop
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(_WAITING)

    @property
    def is_over(self) -> bool:
        """Whether nobody listens any more, or nobody is to."""
        return self.closed.is_set() or self._stopping.is_set()

    def put(self, chunk: bytes) -> None:
        """Hand over; by the thread that reads. Waits while much is waiting, and closes where that takes too long."""
        deadline_s = time.monotonic() + self._config.slow_s
        while not self._room.acquire(timeout=_LOOK_S):
            if self.is_over:
                return
            if time.monotonic() >= deadline_s:
                _log.info("a listener that takes nothing is cut off")
                self.closed.set()
                return
        self._hand(chunk)

    def end(self) -> None:
        """Tell that nothing more comes."""
        self.closed.set()
        self._hand(None)

    def _hand(self, chunk: bytes | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and its clients with it
            self._loop.call_soon_threadsafe(self._waiting.put_nowait, chunk)

    async def chunks(self) -> AsyncIterator[bytes]:
        """What is to be sent, until it ends."""
        try:
            yield f"retry: {_RETRY_MS}\n\n".encode()
            while (chunk := await self._next()) is not None:
                yield chunk
        finally:
            self.closed.set()

    async def _next(self) -> bytes | None:
        try:
            async with asyncio.timeout(self._config.heartbeat_s):
                chunk = await self._waiting.get()
        except TimeoutError:
            return b": nothing new\n\n"
        self._room.release()
        return chunk


class _Reader:
    """Reads a topic for one listener, in a thread of its own."""

    def __init__(self, stream: _Stream, tells: Tells, after: Positions | None, *, from_start: bool) -> None:
        self.stream = stream
        self.begun: Future[None] = Future()
        self._tells = tells
        self._after = after
        self._from_start = from_start
        self._positions: Positions = {}

    def run(self, tail: Tail) -> None:
        """Read until the stream is over."""
        gaps = self._find_start(tail.bounds())
        tail.start(self._positions)
        self.begun.set_result(None)
        if gaps or not self._after:
            self._put("gap" if gaps else "start", {"lost": gaps} if gaps else {})
        while not self.stream.is_over:
            for heard in tail.read():
                self._tell(heard)

    def fail(self, error: DependencyError) -> None:
        """Tell whoever waits for the beginning; a stream that has begun just ends, and its client comes back."""
        if not self.begun.done():
            self.begun.set_exception(error)

    def _find_start(self, bounds: Mapping[int, Bounds]) -> list[dict[str, int]]:
        """Where to read on, and what the topic no longer has of what was not heard."""
        gaps = []
        for partition, (first, end) in bounds.items():
            fresh = first if self._from_start or self._after else end
            at = (self._after or {}).get(partition, fresh)
            if not first <= at <= end:
                gaps.append({"partition": partition, "after": at, "before": first})
                at = first
            self._positions[partition] = at
        return gaps

    def _tell(self, heard: Heard) -> None:
        if self.stream.is_over:
            return
        self._positions[heard.partition] = heard.offset + 1
        told = self._tells(heard)
        if told is not None:
            self._put(*told)

    def _put(self, name: str, document: object) -> None:
        data = msgspec.json.encode(document).decode()
        self.stream.put(f"id: {written_id(self._positions)}\nevent: {name}\ndata: {data}\n\n".encode())
