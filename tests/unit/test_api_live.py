"""Server-sent events: taken up where they were left, bounded, and ended."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from processor.alerter.state import MemoryAlerts
from processor.api.app import build
from processor.api.live import Bounds, Heard, Live, LiveConfig, Told, read_id, written_id
from processor.api.parts import Api, ApiParts
from processor.api.problems import ProblemError
from processor.api.streams import tell_alert, tell_change
from processor.index.memory import MemoryStore
from processor.model.errors import DependencyError
from tests.support.api import CONFIG, PlayedKafka, no_tail, observe


class PlayedTail:
    """A topic of two partitions whose records are numbers."""

    def __init__(self, records: list[Heard], bounds: dict[int, Bounds]) -> None:
        self._records = records
        self._bounds = bounds
        self._positions: dict[int, int] = {}

    def bounds(self) -> dict[int, Bounds]:
        return self._bounds

    def start(self, positions: Mapping[int, int]) -> None:
        self._positions = dict(positions)

    def read(self) -> list[Heard]:
        found = [each for each in self._records if each.offset >= self._positions[each.partition]]
        self._positions |= {each.partition: each.offset + 1 for each in found}
        time.sleep(0.002)
        return found


def live(records: int = 6, first: int = 0, **config: Any) -> Live:  # noqa: ANN401  values of LiveConfig
    heard = [Heard(n % 2, n // 2, None, b"%d" % n) for n in range(records)]
    bounds = {p: Bounds(first, sum(each.partition == p for each in heard)) for p in (0, 1)}

    @contextmanager
    def open_tail(_topic: str) -> Iterator[PlayedTail]:
        yield PlayedTail(heard, bounds)

    return Live(open_tail, LiveConfig(**config))


def tell(heard: Heard) -> Told:
    return Told("number", int(heard.value or b""))


async def take(chunks: AsyncIterator[bytes], count: int) -> list[dict[str, str]]:
    """So many events, each by its members."""
    found: list[dict[str, str]] = []
    async for chunk in chunks:
        lines = (line.partition(": ") for line in chunk.decode().strip().split("\n"))
        event = {name: value for name, _, value in lines}
        if "data" in event:
            found.append(event)
        if len(found) == count:
            break
    return found


def test_what_the_topic_holds_and_then_what_follows_the_id() -> None:
    async def play() -> None:
        whole = await take(await live().listen("t", tell, None, from_start=True), 7)
        assert [event["event"] for event in whole] == ["start", *["number"] * 6]
        assert [event["data"] for event in whole[1:]] == list("012345")
        assert [event["id"] for event in whole[1:4]] == ["0:1,1:0", "0:1,1:1", "0:2,1:1"]
        for at in range(1, 6):
            rest = await take(await live().listen("t", tell, read_id(whole[at]["id"])), 6 - at)
            assert [event["data"] for event in rest] == [str(n) for n in range(at, 6)]

    asyncio.run(play())


def test_without_an_id_only_what_is_new_comes_and_the_place_is_told() -> None:
    async def play() -> None:
        [start] = await take(await live().listen("t", tell, None), 1)
        assert (start["event"], start["id"]) == ("start", "0:3,1:3")

    asyncio.run(play())


def test_what_the_topic_has_lost_meanwhile_is_told() -> None:
    async def play() -> None:
        gap, *_ = await take(await live(first=2).listen("t", tell, {0: 1, 1: 3}), 2)
        assert gap["event"] == "gap"
        assert json.loads(gap["data"]) == {"lost": [{"partition": 0, "after": 1, "before": 2}]}
        gap, *_ = await take(await live().listen("t", tell, {0: 99, 1: 3}), 2)
        assert json.loads(gap["data"])["lost"] == [{"partition": 0, "after": 99, "before": 0}]

    asyncio.run(play())


def test_a_partition_that_is_new_since_is_heard_from_its_start() -> None:
    async def play() -> None:
        heard = await take(await live().listen("t", tell, {0: 3}), 3)
        assert [event["data"] for event in heard] == ["1", "3", "5"]

    asyncio.run(play())


def test_a_listener_that_takes_nothing_is_cut_off_and_its_place_is_free_again() -> None:
    async def play() -> None:
        lively = live(records=2000, streams=1, slow_s=0.05)
        chunks = await lively.listen("t", tell, None, from_start=True)
        with pytest.raises(ProblemError) as caught:
            await lively.listen("t", tell, None)
        assert caught.value.status == 503
        await asyncio.sleep(0.5)
        assert len([chunk async for chunk in chunks]) < 300
        assert await take(await lively.listen("t", tell, None), 1)

    asyncio.run(play())


def test_silence_is_filled_with_heartbeats() -> None:
    async def play() -> None:
        chunks = await live(heartbeat_s=0.01).listen("t", tell, {0: 3, 1: 3})
        assert [await anext(chunks) for _ in range(3)] == [b"retry: 2000\n\n", *[b": nothing new\n\n"] * 2]

    asyncio.run(play())


def test_stopping_ends_every_stream_and_its_thread() -> None:
    async def play() -> None:
        lively = live()
        streams = [await lively.listen("t", tell, None) for _ in range(3)]
        lively.stop()
        for chunks in streams:
            assert len([chunk async for chunk in chunks]) <= 2

    before = threading.active_count()
    asyncio.run(play())
    deadline_s = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_kafka_away_is_told_before_anything_is_sent() -> None:
    async def play() -> None:
        lively = Live(no_tail, LiveConfig(streams=1))
        for _ in range(3):
            with pytest.raises(DependencyError):
                await lively.listen("t", tell, None)
            await asyncio.sleep(0.02)

    asyncio.run(play())


@pytest.mark.parametrize("text", ["", "0", "0:", ":1", "0:1;1:2", "a:b", "0:-1", "0:1,", "0:" + "9" * 19])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ProblemError):
        read_id(text)


def test_an_id_is_read_as_it_was_written() -> None:
    positions = {0: 0, 11: 2**59, 2: 5}
    assert read_id(written_id(positions)) == positions


def test_what_cannot_be_read_is_passed_over_and_what_is_gone_is_told() -> None:
    assert tell_change(Heard(0, 0, None, b"garbage")) is None
    assert tell_change(Heard(0, 0, None, None)) is None
    assert tell_alert(Heard(0, 0, None, b"garbage")) is None
    assert tell_alert(Heard(0, 0, b"abc", None)) == Told("forgotten", {"alert_id": "abc"})


def test_a_client_that_does_not_take_its_answer_is_cut_off() -> None:
    heard = [Heard(0, n, None, None) for n in range(100)]

    @contextmanager
    def open_tail(_topic: str) -> Iterator[PlayedTail]:
        yield PlayedTail(heard, {0: Bounds(0, 100)})

    store, alerts = MemoryStore(), MemoryAlerts()
    api = Api(replace(CONFIG, slow_s=0.05), ApiParts(lambda: (store, alerts), observe, open_tail, PlayedKafka()))
    sent: list[str] = []

    async def send(message: Any) -> None:  # noqa: ANN401  a message of ASGI
        sent.append(message["type"])
        if message.get("body"):
            await asyncio.sleep(60)

    async def receive() -> Any:  # noqa: ANN401  as above
        await asyncio.sleep(60)

    async def play() -> None:
        path = "/api/v2/alerts/stream"
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": []}
        scope |= {"query_string": b"from_start=true", "http_version": "1.1", "scheme": "http", "root_path": ""}
        async with asyncio.timeout(10):
            await build(api)(cast("Any", scope), receive, send)

    with capture_logs() as lines:
        asyncio.run(play())
    assert sent == ["http.response.start", "http.response.body"]
    assert "a client that takes nothing is cut off" in [line["event"] for line in lines]
    assert "a request failed" not in [line["event"] for line in lines]
