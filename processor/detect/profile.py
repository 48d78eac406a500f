"""What the orphan detector looks at: a dataset, who reads and writes it, and its siblings.

Rules kept here:
- siblings share the namespace and the parent: the path up to the last `/`, or the name up to the last `.`;
- a dataset is not its own sibling, and a dropped one is nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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

    `readers` names a few of the `reader_count` jobs that read it; `writers` counts who writes it,
    under any of its names. `siblings` counts the other datasets of its folder.
    """

    dataset: Node
    readers: tuple[Node, ...]
    reader_count: int
    writers: int
    first_seen_us: int
    dropped: bool = False
    siblings: int = 0
    siblings_with_writer: int = 0
