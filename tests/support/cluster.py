"""What an operator does to a Valkey cluster: move slots, lose nodes, add one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.crc import key_slot

from processor.local import Valkey, ValkeyCluster
from processor.local.ports import HOST
from tests.waiting import eventually


def slot_of(bucket: int) -> int:
    """The slot of a bucket's keys."""
    return int(key_slot(f"b{bucket}".encode()))


def ask(node: Valkey, command: str, *words: object) -> Any:  # noqa: ANN401  whatever the server answers
    """A command to one node."""
    with redis.Redis(host=HOST, port=node.port) as client:
        plain: Any = client
        return plain.execute_command(command, *words)


def id_of(node: Valkey) -> str:
    """A node's id."""
    return _text(ask(node, "CLUSTER MYID"))


def is_ok(node: Valkey) -> bool:
    """Whether the cluster serves every slot, as this node sees it."""
    return bool(ask(node, "CLUSTER INFO").get("cluster_state") == "ok")


def masters(cluster: ValkeyCluster) -> list[Valkey]:
    """The nodes that are masters now."""
    return [node for node in cluster.nodes if node.process.is_running and ask(node, "ROLE")[0] == b"master"]


def owner_of(cluster: ValkeyCluster, slot: int) -> Valkey:
    """The master that serves a slot, as the first running node sees it."""
    seen_by = next(node for node in cluster.nodes if node.process.is_running)
    return next(node for node in cluster.nodes if node.port == _port_for(seen_by, slot))


@contextmanager
def migrating(slot: int, source: Valkey, target: Valkey) -> Iterator[None]:
    """A slot that is on its way while this lasts, and has arrived at the end: keys may be here or there."""
    ask(target, "CLUSTER SETSLOT", slot, "IMPORTING", id_of(source))
    ask(source, "CLUSTER SETSLOT", slot, "MIGRATING", id_of(target))
    yield
    while move_some(slot, source, target):
        pass
    for node in (target, source):
        ask(node, "CLUSTER SETSLOT", slot, "NODE", id_of(target))


def move_some(slot: int, source: Valkey, target: Valkey, count: int = 20) -> int:
    """Move some keys of a slot; how many there were to move."""
    keys = ask(source, "CLUSTER GETKEYSINSLOT", slot, count)
    if keys:
        ask(source, "MIGRATE", HOST, target.port, "", 0, 5000, "KEYS", *keys)
    return len(keys)


def move_at_once(slots: list[int], source: Valkey, target: Valkey) -> None:
    """Move slots in one atomic step each, as Valkey does since 9.0, and wait for it."""
    words = [word for slot in slots for word in ("SLOTSRANGE", slot, slot, "NODE", id_of(target))]
    ask(source, "CLUSTER MIGRATESLOTS", *words)
    arrived = eventually(lambda: all(_port_for(target, slot) == target.port for slot in slots))
    assert arrived, ask(source, "CLUSTER GETSLOTMIGRATIONS")


def _port_for(seen_by: Valkey, slot: int) -> int:
    ranges = ask(seen_by, "CLUSTER SLOTS")
    return next(int(master[1]) for first, last, master, *_ in ranges if first <= slot <= last)


def _text(answer: object) -> str:
    return answer.decode() if isinstance(answer, bytes) else str(answer)
