"""The indexer killed between any two steps of a batch, and started again: it comes out as if nothing had happened."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from processor import wiring
from processor.index.announce import change_of
from processor.index.digest import digest
from processor.index.memory import MemoryStore
from processor.index.reduce import reduce
from processor.indexer.points import Point
from processor.indexer.records import sort
from processor.local import KafkaCluster, Valkey
from tests.support.events import Json, column_lineage, event, schema, table
from tests.support.indexing import World, encoded
from tests.support.mortal import KILLED, forked, index

BAD = (b"{", b"\x00\x00\x00\x00\x2a\x02", b'{"eventTime": "yesterday"}')
_LETTERS_APART = 40
_numbers = itertools.count()


def run_of(name: str, run: int, *columns: str) -> Json:
    """A run of a job of its own. Every seventh fails, so that runs are announced too."""
    mapping = column_lineage({columns[0]: [(f"raw.{name}", "id")]})
    made = table(f"marts.{name}", schema=schema(*columns), columnLineage=mapping)
    state = "FAIL" if run % 7 == 0 else "COMPLETE"
    return event(f"job_{name}", state, minutes=run, run=run, inputs=[table(f"raw.{name}")], outputs=[made])


def with_bad_ones(values: list[bytes]) -> list[bytes | None]:
    """Put a record now and then that cannot be used, no two alike."""
    mixed: list[bytes | None] = []
    for number, value in enumerate(values):
        if number % _LETTERS_APART == 0:
            mixed.append(BAD[number // _LETTERS_APART % len(BAD)] + f"{next(_numbers)}".encode())
        mixed.append(value)
    return mixed


class Steps:
    """One world in which every test has datasets and jobs of its own, and what must have come out of it so far."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._twin = MemoryStore()
        self._observers = wiring.observers(world.settings)
        self._taken = 0
        self._items: set[str] = set()
        self._bad: set[tuple[bytes, bytes]] = set()

    def produce(self, values: list[bytes | None]) -> None:
        """Send records, and let the twin in memory index them."""
        self.world.produce(values)
        fresh, self._taken = self.world.sent[self._taken :], len(self.world.sent)
        result = sort(fresh, self._observers)
        self._bad |= {_place(record.partition.number, record.offset) for record, _ in result.rejected}
        for entry in self._twin.apply(reduce(result.sourced, self._twin.buckets)):
            self._items |= {item.item_id for item in change_of(entry, self._twin).items}

    def check(self) -> None:
        """Compare all that came out with what had to."""
        assert self.world.behind() == 0
        assert self.world.digest() == digest(self._twin)
        assert self.world.outbox() == 0
        assert {item.item_id for change in self.world.changes() for item in change.items} == self._items
        headers = [dict(letter.headers) for letter in self.world.dead_letters()]
        assert {
            (h["__connect.errors.partition"] or b"", h["__connect.errors.offset"] or b"") for h in headers
        } == self._bad


def _place(partition: int, offset: int) -> tuple[bytes, bytes]:
    return str(partition).encode(), str(offset).encode()


@pytest.fixture(scope="module")
def steps(kafka: KafkaCluster, valkey: Valkey) -> Steps:
    with valkey.client() as client:
        client.flushall()
    return Steps(World.make(kafka.bootstrap, valkey.url, "steps-", group_instance_id="one", batch_size=20))


@pytest.mark.parametrize("point", Point)
def test_killed_at_any_point_and_started_again(steps: Steps, point: Point, tmp_path: Path) -> None:
    names = [f"{point}_{number}" for number in range(100)]
    steps.produce([*encoded([run_of(name, run, "id", "amount:int") for run, name in enumerate(names)])])
    steps.world.catch_up()
    steps.produce(with_bad_ones(encoded([run_of(name, run + 100, "id") for run, name in enumerate(names)])))
    for passing in (1, 3):
        assert forked(tmp_path / "log", index, steps.world.settings, point, passing) == KILLED
    steps.world.catch_up()
    steps.check()
