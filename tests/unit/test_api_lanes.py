"""A large body is taken beside the small ones: none of them waits for it."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from dataclasses import replace
from typing import Any, cast

import pytest
from httpx import ASGITransport, AsyncClient, Response

from processor.alerter.state import MemoryAlerts
from processor.api.app import build
from processor.api.lanes import SMALL_BYTES
from processor.api.parts import Api, ApiParts
from processor.decode.observe import Observe, Observed
from processor.decode.sniff import Headers
from tests.support.api import CONFIG, PlayedKafka, no_tail, observe
from tests.support.events import PIPELINE, event, memory, schema, table
from tests.waiting import GUARD_S

WIDE = [f"column{number}" for number in range(SMALL_BYTES // 20)]
EVENT, DATASET = "/api/v1/lineage", "/api/v1/namespaces/shop/datasets/wide"
ONE = json.dumps(event("load", outputs=[table("stg")])).encode()
SMALL = (ONE, gzip.compress(ONE))
LARGE = json.dumps(event("load", outputs=[table("wide", schema=schema(*WIDE))])).encode()
PUT = json.dumps({"type": "DB_TABLE", "fields": [{"name": name, "type": "int"} for name in WIDE]}).encode()


class Held:
    """Reads events; of a large one it waits until it may go on."""

    def __init__(self) -> None:
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()

    def open(self) -> Observe:
        plain = observe()

        def held(value: bytes | None, headers: Headers) -> Observed:
            if len(value or b"") > SMALL_BYTES:
                self.has_begun.set()
                self.may_go_on.wait(GUARD_S)
            return plain(value, headers)

        return held


def packed(data: bytes) -> dict[str, str]:
    return {"Content-Encoding": "gzip"} if data.startswith(b"\x1f\x8b") else {}


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [("POST", EVENT, LARGE, 201), ("POST", EVENT, gzip.compress(LARGE), 201), ("PUT", DATASET, PUT, 200)],
    ids=["plain", "packed", "put"],
)
def test_while_a_large_body_is_read_small_ones_are_answered(
    method: str, path: str, content: bytes, status: int
) -> None:
    held, kafka = Held(), PlayedKafka()
    store = memory(*PIPELINE)
    api = Api(replace(CONFIG), ApiParts(lambda: (store, MemoryAlerts()), held.open, no_tail, kafka))

    async def asked() -> tuple[list[Response], bool, Response]:
        async with AsyncClient(transport=ASGITransport(cast("Any", build(api))), base_url="http://api") as client:
            large = asyncio.create_task(client.request(method, path, content=content, headers=packed(content)))
            assert await asyncio.to_thread(held.has_begun.wait, GUARD_S)
            small = [await client.post(EVENT, content=each, headers=packed(each)) for each in SMALL]
            small.append(await client.post("/api/v1/namespaces/shop/jobs/stage/tags/pii"))
            small.append(await client.get("/api/v1/namespaces/shop/jobs/stage"))
            was_under_way = not large.done() and len(kafka.sent) == 3
            held.may_go_on.set()
            return small, was_under_way, await large

    try:
        small, was_under_way, large = asyncio.run(asked())
    finally:
        held.may_go_on.set()
        api.close()
    assert [answer.status_code for answer in small] == [201, 201, 200, 200]
    assert was_under_way
    assert (large.status_code, len(kafka.sent)) == (status, 4)


def test_a_large_body_that_is_wrong_is_told_where_and_nothing_of_it_is_sent() -> None:
    kafka = PlayedKafka()
    api = Api(replace(CONFIG), ApiParts(lambda: (memory(), MemoryAlerts()), observe, no_tail, kafka))
    wrong = json.dumps(
        [event("load"), {**event("load", outputs=[table("w", schema=schema(*WIDE))]), "job": 1}]
    ).encode()

    async def asked() -> list[Response]:
        async with AsyncClient(transport=ASGITransport(cast("Any", build(api))), base_url="http://api") as client:
            bodies = wrong, gzip.compress(wrong)
            return [await client.post("/api/v2/events", content=each, headers=packed(each)) for each in bodies]

    try:
        answers = asyncio.run(asked())
    finally:
        api.close()
    assert [(answer.status_code, answer.json()["event"], answer.json()["pointer"]) for answer in answers] == [
        (400, 1, "/job"),
        (400, 1, "/job"),
    ]
    assert kafka.sent == []
