"""Names inside facets, held to what the event's own datasets and jobs are held to.

What a facet names by something that is no name is left out and reported; the rest of the facet counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from processor.decode.rules import MAX_NAME_CHARS, is_name
from processor.model.errors import FacetProblem

Part = Any
"""A part of a typed event: its type is compiled from the .avsc at start, so none stands here."""

T = TypeVar("T")

_MEMBERS = ("namespace", "name", "field")
_DETAIL = f"a name in it is blank, or longer than {MAX_NAME_CHARS} characters: left out"


def is_named(part: Part) -> bool:
    """Whether it names a dataset or a job, and none of its names is no name."""
    return bool(part.namespace and part.name) and not is_misnamed(part)


def is_misnamed(part: Part) -> bool:
    """Whether it states a name that is none; where it states none at all, the facet's own rules say what that means."""
    for member in _MEMBERS:
        text = getattr(part, member, None)
        if text and not is_name(text):
            return True
    return False


def named_columns(fields: Mapping[str, T] | None) -> Iterator[tuple[str, T]]:
    """Output columns with a name, and what is stated of them."""
    return ((name, stated) for name, stated in (fields or {}).items() if is_name(name))


def dataset_problems(facets: Part, at: str) -> Iterator[FacetProblem]:
    """Facets of a dataset with something in them that is misnamed. `at`: the pointer of its facets."""
    symlinks, change = facets.symlinks, facets.lifecycleStateChange
    if symlinks and any(map(is_misnamed, symlinks.identifiers or ())):
        yield _problem("symlinks", at)
    if change and change.previousIdentifier and is_misnamed(change.previousIdentifier):
        yield _problem("lifecycleStateChange", at)
    column_lineage = facets.columnLineage
    if column_lineage and _is_partly_misnamed(column_lineage.dataset, column_lineage.fields, "inputFields"):
        yield _problem("columnLineage", at)
    if facets.lineage and _is_partly_misnamed(facets.lineage.inputs, facets.lineage.fields, "inputs"):
        yield _problem("lineage", at)


def job_problems(facets: Part, at: str) -> Iterator[FacetProblem]:
    """The same of a job."""
    entries = facets.lineage.entries or () if facets.lineage else ()
    if any(is_misnamed(each) or _is_partly_misnamed(each.inputs, each.fields, "inputs") for each in entries):
        yield _problem("lineage", at)


def run_problems(facets: Part, at: str) -> tuple[FacetProblem, ...]:
    """The same of a run."""
    parent = facets.parent
    return () if not parent or is_parent(parent) else (_problem("parent", at),)


def is_parent(facet: Part) -> bool:
    """Whether it names a job and a run of it."""
    of = facet.job
    return is_name(of.namespace) and is_name(of.name) and is_name(facet.run.runId)


def _is_partly_misnamed(inputs: Iterable[Part] | None, fields: Mapping[str, Part] | None, member: str) -> bool:
    if any(map(is_misnamed, inputs or ())):
        return True
    columns = (fields or {}).items()
    return any(not is_name(name) or any(map(is_misnamed, getattr(of, member) or ())) for name, of in columns)


def _problem(facet: str, at: str) -> FacetProblem:
    return FacetProblem(f"{at}/{facet}", facet, _DETAIL)
