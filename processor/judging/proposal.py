"""What somebody proposes that a dataset should look like, and how far that goes.

Rules kept here:
- a whole proposal (a schema file, dbt's catalog, an enforced contract) names every column: what it leaves out would go;
- any other lists what somebody cared to describe: of what it leaves out, only that would go which the query of the
  model certainly does not give out any more; of the rest nothing is said, and a note says so;
- names of SQL compare without regard to case, those of files exactly;
- a nested column is compared by member where the index knows its members, else as one type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from processor.detect.types.names import scheme_of
from processor.detect.types.parse import normal_form
from processor.judging.sql import Query
from processor.model.tables import Column, Columns


@dataclass(frozen=True, slots=True)
class Field:
    """A column. `type` is None where it is not stated; `members` are those of a nested one."""

    name: str
    type: str | None = None
    members: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """The columns that a dataset should have.

    `stated_by` and `file` say who proposes it. `is_whole`: nothing else is left. `is_loose`: its types say what kind of
    value there is, and no more. `is_gone`: the dataset goes. `query` makes the dataset, where that is known.
    """

    stated_by: str
    file: str | None = None
    fields: tuple[Field, ...] = ()
    is_whole: bool = True
    is_loose: bool = False
    is_gone: bool = False
    ignores_case: bool = False
    query: Query | None = None


class Fitted(NamedTuple):
    """A proposal held against what is known: the columns there would be, and those that may be left or not."""

    columns: Columns
    unsure: tuple[str, ...] = ()


def fitted(proposal: Proposal, known: Columns, namespace: str) -> Fitted:
    """What of the known columns would be left, and what would be there besides."""
    if proposal.is_gone:
        return Fitted(())
    spelled = {_as_compared(column.path, proposal): column.path for column in known}
    fit = _Fit(proposal, spelled, known, scheme_of(namespace))
    there = tuple(fit.columns(proposal.fields))
    if proposal.is_whole:
        return Fitted(there)
    named = {column.path for column in there}
    other = [(column, _is_given(column, proposal)) for column in known if column.path not in named]
    kept = tuple(column for column, is_given in other if is_given is not False)
    return Fitted((*there, *kept), tuple(column.path for column, is_given in other if is_given is None))


def _is_given(column: Column, proposal: Proposal) -> bool | None:
    return None if proposal.query is None else proposal.query.gives(column.path.partition(".")[0])


def _as_compared(path: str, proposal: Proposal) -> str:
    return path.casefold() if proposal.ignores_case else path


class _Fit(NamedTuple):
    proposal: Proposal
    spelled: dict[str, str]
    known: Columns
    scheme: str

    def columns(self, fields: Iterable[Field], above: str = "") -> Iterator[Column]:
        types = dict(self.known)
        for field in fields:
            path = f"{above}{field.name}"
            path = self.spelled.get(_as_compared(path, self.proposal), path)
            has_members = bool(field.members) and any(name.startswith(f"{path}.") for name in types)
            yield Column(path, None if has_members else self._type(field, types.get(path)))
            if has_members:
                yield from self.columns(field.members, f"{path}.")

    def _type(self, field: Field, known: str | None) -> str | None:
        """The stated type; none where it says no more than the known one, or that says no members."""
        if field.type is None or known is None:
            return field.type
        before, after = normal_form(known, self.scheme), normal_form(field.type, self.scheme)
        is_bare = before.family == after.family and None in (before.members, after.members)
        is_alike = self.proposal.is_loose and _kind(before.family.value) == _kind(after.family.value)
        return None if is_bare or is_alike else field.type


def _kind(family: str) -> str:
    """What JSON knows of a family of types."""
    return next((kind for kind, families in _KINDS.items() if family in families), family)


_KINDS = {
    "number": frozenset({"integer", "decimal", "float"}),
    "text": frozenset({"string", "uuid", "enum", "date", "time", "timestamp", "binary"}),
    "object": frozenset({"struct", "map"}),
}


def mentioned(names: Sequence[str]) -> str:
    """Some names, for a note."""
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown  # noqa: PLR2004  what a line holds
