"""The key under which OpenLineage's own clients send an event.

Source: openlineage-python, transport/kafka.py: the root's, else the parent's, else the event's own job; a job event by
its job, a dataset event by its dataset. Events of one tree of runs so come in their order.
"""

from __future__ import annotations

import msgspec


class _Name(msgspec.Struct):
    namespace: str
    name: str


class _Owner(msgspec.Struct):
    job: _Name | None = None


class _Parent(_Owner):
    root: _Owner | None = None


class _Facets(msgspec.Struct):
    parent: _Parent | None = None


class _Run(msgspec.Struct):
    facets: _Facets | None = None


class _Event(msgspec.Struct):
    run: _Run | None = None
    job: _Name | None = None
    dataset: _Name | None = None


_decoder = msgspec.json.Decoder(_Event)


def message_key(value: bytes | None) -> bytes | None:
    """The key, or None where the value is no OpenLineage JSON: Kafka then chooses the partition."""
    try:
        event = _decoder.decode(value or b"")
    except (msgspec.DecodeError, RecursionError):
        return None
    if event.run is not None and event.job is not None:
        return _key("run", _root(event.run) or event.job)
    if event.job is not None:
        return _key("job", event.job)
    return None if event.dataset is None else _key("dataset", event.dataset)


def _root(run: _Run) -> _Name | None:
    parent = run.facets.parent if run.facets else None
    if parent is None:
        return None
    root = parent.root.job if parent.root else None
    return root or parent.job


def _key(kind: str, of: _Name) -> bytes:
    return f"{kind}:{of.namespace}/{of.name}".encode()
