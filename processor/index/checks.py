"""What checks of a dataset found wrong, as its record keeps it: by the newest word of each job that checks it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from processor.index.facets import facet_reader
from processor.model.history import NodeRecord
from processor.model.identity import Kind, Node
from processor.model.observation import CHECKS

__all__ = ["Check", "Checked", "check_words", "failed_checks"]


class Check(msgspec.Struct):
    """A check that failed. `blocks`: its severity is error, or not stated."""

    assertion: str = ""
    name: str = ""
    column: str = ""
    blocks: bool = True


class _Job(msgspec.Struct):
    namespace: str = ""
    name: str = ""


class _Kept(msgspec.Struct):
    failed: list[Check] = []
    job: _Job = msgspec.field(default_factory=_Job)


_kept_of = facet_reader(_Kept)


class Checked(NamedTuple):
    """What a job found, and the name of the facet that says so."""

    facet: str
    job: Node
    failed: list[Check]


def failed_checks(record: NodeRecord) -> Iterator[Checked]:
    """Those of each job by whose newest word some failed."""
    for name, facet in record.facets.items():
        if name.startswith(f"{CHECKS}@"):
            said = _kept_of(facet)
            if said.failed:
                yield Checked(name, Node(Kind.JOB, said.job.namespace, said.job.name), said.failed)


def check_words(check: Check) -> str:
    """`not_null of amount`."""
    words = check.name or check.assertion
    return f"{words} of {check.column}" if check.column else words
