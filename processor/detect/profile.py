"""What is known of a dataset's place: who reads and writes it, and its siblings.

Rules kept here:
- siblings share the namespace and the parent: the path up to the last `/`, or the name up to the last `.`;
- a dataset is not its own sibling, and a dropped one is nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from processor.model.alert import AlertKind
from processor.model.history import JobHistory, NodeRecord
from processor.model.identity import Node


class Folder(NamedTuple):
    """Where siblings live."""

    namespace: str
    parent: str


def folder_of(dataset: Node) -> Folder:
    """The folder, schema or database that a dataset stands in."""
    separator = "/" if "/" in dataset.name.rstrip("/") else "."
    return Folder(dataset.namespace, dataset.name.rstrip(separator).rpartition(separator)[0])


@dataclass(frozen=True, slots=True)
class DatasetProfile:
    """A dataset among its siblings.

    Nobody is known to write it. `readers` names a few of the `reader_count` jobs that read it. `siblings` counts the
    other datasets of its folder; `lineage_since_us`: since when they have had time to be heard of.
    """

    dataset: Node
    readers: tuple[Node, ...]
    reader_count: int
    first_seen_us: int
    lineage_since_us: int = 0
    dropped: bool = False
    siblings: int = 0
    siblings_with_writer: int = 0


class Writer(NamedTuple):
    """A job that writes a dataset, and the hour in which it did so last."""

    history: JobHistory
    last_us: int


@dataclass(frozen=True, slots=True)
class WrittenDataset:
    """A dataset that somebody writes, or wrote.

    `writers` are the newest few of the `writer_count`. `told`: what is told of them already, of that what keeps a job
    from writing. `has_moved_on`: the writers go on under another name of the dataset, or with the next
    one in turn. `readers` are a few of the `reader_count` jobs that read it, last at `read_us`, to the hour.
    """

    record: NodeRecord
    writers: tuple[Writer, ...] = ()
    writer_count: int = 0
    told: frozenset[AlertKind] = frozenset()
    has_moved_on: bool = False
    readers: tuple[Node, ...] = ()
    reader_count: int = 0
    read_us: int = 0
