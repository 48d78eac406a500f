"""The API over an index in memory, with a Kafka that is played."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from litestar.testing import TestClient

from processor.alerter.state import MemoryAlerts
from processor.api.app import build
from processor.api.config import ApiConfig
from processor.api.intake import OutgoingEvent
from processor.api.live import Tail
from processor.api.parts import Api, ApiParts
from processor.api.problems import ProblemError
from processor.decode.decoder import build_decoder
from processor.decode.observe import Observe, observer
from processor.decode.schemas import read_schemas
from processor.index.memory import MemoryStore
from processor.model.errors import DependencyError
from processor.resources import schemas_dir
from processor.settings import Settings
from processor.wiring import latest_us

# The memory store is not for several threads.
CONFIG = ApiConfig(topic="lineage.events", threads=1, names_age_s=0.0, patience_s=0.0)


@dataclass
class PlayedKafka:
    """Takes events, or is away."""

    sent: list[OutgoingEvent] = field(default_factory=list)
    is_away: bool = False

    async def send(self, records: tuple[OutgoingEvent, ...]) -> None:
        if self.is_away:
            raise ProblemError(503, "Kafka did not take the events", retry_s=2)
        self.sent += records


@dataclass
class Served:
    """A client of the API, and what stands behind it."""

    client: TestClient[Any]
    kafka: PlayedKafka
    store: MemoryStore
    alerts: MemoryAlerts


def got(api: Served, url: str, form: Any = None, **params: Any) -> Any:  # noqa: ANN401  any JSON
    """The answer to a question, held to the form that the document says it has."""
    answer = api.client.get(url, params=params)
    assert answer.status_code == 200, answer.text
    if form is not None:
        msgspec.json.decode(answer.content, type=form)
        strict = msgspec.convert(msgspec.to_builtins(msgspec.json.decode(answer.content, type=form)), dict)
        assert strict == answer.json(), "the document says less than the answer does"
    return answer.json()


def observe() -> Observe:
    decoder = build_decoder("openlineage", read_schemas(schemas_dir(), None))
    return observer(decoder, latest_us=latest_us(Settings()))


def no_tail(_topic: str) -> AbstractContextManager[Tail]:
    raise DependencyError("Kafka", "none is played")


@contextmanager
def served(store: MemoryStore | None = None, alerts: MemoryAlerts | None = None, **given: Any) -> Iterator[Served]:  # noqa: ANN401
    """The API over a store; `given` are values of its `ApiConfig`."""
    kafka, store, alerts = PlayedKafka(), store or MemoryStore(), alerts or MemoryAlerts()
    api = Api(replace(CONFIG, **given), ApiParts(lambda: (store, alerts), observe, no_tail, kafka))
    try:
        with TestClient(build(api), raise_server_exceptions=False) as client:
            yield Served(client, kafka, store, alerts)
    finally:
        api.close()
