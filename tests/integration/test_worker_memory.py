"""What a worker holds at once is bounded, however large the records are."""

from __future__ import annotations

from pathlib import Path

from processor.local import KafkaCluster
from tests.support.events import event, facet, table
from tests.support.indexing import Running, World, encoded
from tests.waiting import eventually

MIB = 1024 * 1024
RECORD_BYTES = 3 * MIB
RECORDS = 60
ROOM_BYTES = 100 * MIB
"""Far more than a batch of 4 MiB and a queue of 4 MiB cost; far less than the 180 MiB that all records have."""


def most_resident_bytes(running: Running) -> int:
    """The most memory that it has ever had, as Linux tells it."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def test_large_records_are_taken_a_few_at_a_time(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> None:
    world = World.make(
        kafka.bootstrap,
        redis_url,
        topic_prefix,
        batch_bytes=4 * MIB,
        queued_bytes=4 * MIB,
        kafka={"fetch.max.bytes": str(4 * MIB), "receive.message.max.bytes": str(20 * MIB)},
    )
    text = "x" * RECORD_BYTES
    large = [event(outputs=[table("t")], run=n, run_facets={"note": facet(text=text)}) for n in range(RECORDS)]
    with world.process("run", "--role", "indexer") as running:
        assert eventually(running.is_ready), running.text
        before = most_resident_bytes(running)
        world.produce(encoded(large))
        assert eventually(lambda: world.behind() == 0), running.text
        more = most_resident_bytes(running) - before
    assert more < ROOM_BYTES, f"{more // MIB} MiB more than at rest"
    assert world.digest() == world.oracle()
