"""The real marquez-python writes: over an API that runs, real Kafka, an indexer and Valkey, and reads it back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from marquez_client import MarquezClient  # type: ignore[import-untyped]
from marquez_client.errors import APIError  # type: ignore[import-untyped]
from marquez_client.models import DatasetId, DatasetType, JobType  # type: ignore[import-untyped]

from processor.local import KafkaCluster
from processor.render.times import rfc3339
from tests.integration.test_api_process import Served, serving
from tests.support.events import run_id
from tests.support.indexing import World
from tests.waiting import eventually

FOOD = "postgres://food:5432"
# The client advises to send OpenLineage; whoever calls these all the same is who they are for.
pytestmark = [
    pytest.mark.filterwarnings("ignore::deprecation.DeprecatedWarning"),
    # Marquez's client asks for the time so, which Python 3.12 and newer warn of.
    pytest.mark.filterwarnings("ignore:.*utcnow.*:DeprecationWarning"),
]


@pytest.fixture
def world(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> World:
    return World.make(kafka.bootstrap, redis_url, topic_prefix)


@contextmanager
def indexed(world: World, count: int = 1) -> Iterator[list[Served]]:
    """So many APIs, and an indexer that keeps up with them."""
    with ExitStack() as stack:
        indexer = stack.enter_context(world.process("run", "--role", "indexer"))
        assert eventually(indexer.is_ready), indexer.text
        yield [stack.enter_context(serving(world)) for _ in range(count)]


def test_the_tutorial_of_marquez_python(world: World) -> None:
    with indexed(world) as [api]:
        marquez = MarquezClient(url=api.url)
        assert marquez.create_namespace(FOOD, "me", "Food.")["name"] == FOOD
        assert marquez.create_source("food-db", "postgresql", "jdbc:postgresql://food:5432/food")["name"] == "food-db"
        fields = [{"name": "id", "type": "INTEGER"}, {"name": "city", "type": "VARCHAR", "tags": ["pii"]}]
        made = marquez.create_dataset(
            *(FOOD, "public.orders", DatasetType.DB_TABLE, "public.orders", "food-db"),
            description="Orders.",
            fields=fields,
            tags=["sensitive"],
        )
        assert marquez.tag_dataset(FOOD, "public.orders", "gold")["tags"] == ["gold", "sensitive"]
        tagged = marquez.tag_dataset_field(FOOD, "public.orders", "id", "key")
        assert tagged["id"] == made["id"] == {"namespace": FOOD, "name": "public.orders"}
        ends = [DatasetId(FOOD, "public.orders")], [DatasetId(FOOD, "public.days")]
        marquez.create_job("shop", "days", JobType.BATCH, "https://example.com/days", *ends, "Days.", {"sql": "select"})
        run = marquez.create_job_run("shop", "days", run_args={"a": "1"}, mark_as_running=True)
        assert run["state"] == "RUNNING"
        marquez.create_dataset(
            *(FOOD, "public.days", DatasetType.DB_TABLE, "public.days", "food-db"), run_id=run["id"], fields=fields[:1]
        )
        assert marquez.mark_job_run_as_completed(run["id"])["state"] == "COMPLETED"
        assert eventually(lambda: world.behind() == 0)
        read_back(marquez, run["id"])


def read_back(marquez: MarquezClient, run: str) -> None:
    orders = marquez.get_dataset(FOOD, "public.orders")
    assert (orders["description"], orders["sourceName"], orders["tags"]) == (
        "Orders.",
        "food-db",
        ["gold", "sensitive"],
    )
    assert [(field["name"], field["type"], field["tags"]) for field in orders["fields"]] == [
        ("id", "INTEGER", ["key"]),
        ("city", "VARCHAR", ["pii"]),
    ]
    job = marquez.get_job("shop", "days")
    assert (job["inputs"], job["outputs"]) == ([orders["id"]], [{"namespace": FOOD, "name": "public.days"}])
    assert (job["location"], job["description"]) == ("https://example.com/days", "Days.")
    assert [(each["id"], each["state"]) for each in marquez.list_job_runs("shop", "days")["runs"]] == [
        (run, "COMPLETED")
    ]
    assert eventually(
        lambda: [tag["name"] for tag in marquez.list_tags()["tags"]] == ["gold", "key", "pii", "sensitive"]
    )
    [version] = marquez.list_dataset_versions(FOOD, "public.days")["versions"]
    assert version["createdByRun"]["id"] == run


@pytest.mark.parametrize(("mark", "state"), [("failed", "FAILED"), ("aborted", "ABORTED"), ("completed", "COMPLETED")])
def test_a_run_goes_on_at_another_process_than_it_was_created_at(world: World, mark: str, state: str) -> None:
    with indexed(world, 2) as [one, other]:
        there = MarquezClient(url=other.url)
        MarquezClient(url=one.url).create_job_run("shop", "load", run_id(1))
        started = rfc3339(time.time_ns() // 1000)
        assert there.mark_job_run_as_started(run_id(1), started)["startedAt"] == started
        assert getattr(there, f"mark_job_run_as_{mark}")(run_id(1))["state"] == state
        assert eventually(lambda: there.get_job_run(run_id(1))["state"] == state)
        assert there.get_job_run(run_id(1))["startedAt"] == started
        with pytest.raises(APIError):
            there.mark_job_run_as_started(run_id(2))


def test_tags_that_many_set_at_once_all_stand(world: World) -> None:
    with indexed(world, 2) as apis:
        clients = [MarquezClient(url=api.url) for api in apis]
        clients[0].create_dataset(FOOD, "orders", DatasetType.DB_TABLE, "orders", "food")
        barrier = threading.Barrier(8)

        def tag(number: int) -> Any:  # noqa: ANN401  any JSON
            barrier.wait()
            return clients[number % 2].tag_dataset(FOOD, "orders", f"tag-{number}")

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(tag, range(8)))
        assert all(f"tag-{number}" in answer["tags"] for number, answer in enumerate(answers))
        every = [f"tag-{number}" for number in range(8)]
        assert eventually(lambda: clients[0].get_dataset(FOOD, "orders")["tags"] == every)


def test_a_dataset_that_is_deleted_is_dropped_until_it_is_written_again(world: World) -> None:
    with indexed(world) as [api]:
        marquez = MarquezClient(url=api.url)
        marquez.create_dataset(FOOD, "orders", DatasetType.DB_TABLE, "orders", "food")
        path = f"/api/v1/namespaces/{quote(FOOD, safe='')}/datasets/orders"
        assert api.ask("DELETE", path)[2]["deleted"]
        assert eventually(lambda: marquez.get_dataset(FOOD, "orders")["deleted"])
        marquez.create_job_run("shop", "load", run_id(1), mark_as_running=True)
        marquez.create_dataset(FOOD, "orders", DatasetType.DB_TABLE, "orders", "food", run_id=run_id(1))
        assert eventually(lambda: not marquez.get_dataset(FOOD, "orders")["deleted"])
        assert world.dead_letters() == []
