"""Change items on their way through the outbox: small and self-contained.

They are packed before it is known whether they are news.

An item is frames of 4-byte length and bytes: kind · cause · details. The script adds, for each item
that was news, one more frame: the value that was there before, or the run's figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import msgspec

from processor.index.layout import pack_identity
from processor.model.change import ItemKind
from processor.model.observation import Edge, Observation, Place


class PackedCause(NamedTuple):
    """Stored form of a cause, with the event's time in front."""

    time_us: int
    job: tuple[str, str] | None
    run_id: str | None
    producer: str
    place: tuple[str, int, int] | None


_cause = msgspec.msgpack.Decoder(PackedCause)
_pack = msgspec.msgpack.Encoder().encode


def frame(data: bytes) -> bytes:
    """Length and bytes."""
    return len(data).to_bytes(4, "big") + data


def unframe(data: bytes) -> Iterator[bytes]:
    """The frames of `data`, one after another."""
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        yield data[position + 4 : position + 4 + size]
        position += 4 + size


def pack_cause(observation: Observation, place: Place | None) -> bytes:
    """The framed cause that every item of one event carries."""
    job, run = observation.job, observation.run
    cause = (  # as PackedCause has it
        observation.time_us,
        (job.namespace, job.name) if job else None,
        run.run_id if run else None,
        observation.producer,
        (place.topic, place.partition, place.offset) if place else None,
    )
    return frame(_pack(cause))


def unpack_cause(data: bytes) -> PackedCause:
    """Inverse of `pack_cause`, without the frame."""
    return _cause.decode(data)


@lru_cache(maxsize=16)
def _head(kind: ItemKind) -> bytes:
    return frame(kind.value.encode())


def item_around(kind: ItemKind, details: bytes = b"") -> tuple[bytes, bytes]:
    """What stands before and behind the framed cause of an item; `details` depends on the kind."""
    return _head(kind), frame(details)


@lru_cache(maxsize=262_144)
def edge_details(edge: Edge) -> bytes:
    """Details of EDGE_ADDED: type, evidence, both nodes, framed."""
    parts = (edge.type.value.encode(), bytes([edge.evidence]), pack_identity(edge.src), pack_identity(edge.dst))
    return b"".join(frame(part) for part in parts)
