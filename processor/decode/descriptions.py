"""What a schema says of its columns in words: no part of the schema (`model.tables`), so it is kept beside it.

Rules kept here:
- a schema that describes no column says nothing of them: what a catalog tells stays when a scan states bare columns;
- one that describes any replaces what was told before, and a `schema` facet that is taken back takes that back;
- bounded: each description is cut at `MOST_CHARS`, and those of the first columns are kept, `KEPT_BYTES` of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from processor.decode.explicit import Part
from processor.decode.node import canonical_json
from processor.model.observation import DESCRIPTIONS, Facets

__all__ = ["KEPT_BYTES", "MOST_CHARS", "descriptions_of"]

MOST_CHARS: Final = 1_000
KEPT_BYTES: Final = 65_536
_AROUND_BYTES: Final = len("{}")
_BETWEEN_BYTES: Final = len(":,")


def descriptions_of(facets: Part) -> Facets:
    """The facet that the descriptions of a dataset's columns are kept under, by path; none where it has none."""
    if "schema" in facets.deleted:
        return {DESCRIPTIONS: None}
    if facets.schema is None or not facets.schema.fields:
        return {}
    kept = dict(_fitting(_described(facets.schema.fields, "")))
    return {DESCRIPTIONS: canonical_json(kept)} if kept else {}


def _described(fields: Iterable[Part], prefix: str) -> Iterator[tuple[str, str]]:
    for field in fields:
        if field.description is not None:
            yield f"{prefix}{field.name}", field.description[:MOST_CHARS]
        if field.fields:
            yield from _described(field.fields, f"{prefix}{field.name}.")


def _fitting(described: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    left = KEPT_BYTES - _AROUND_BYTES
    for path, text in described:
        left -= _BETWEEN_BYTES + len(canonical_json(path)) + len(canonical_json(text))
        if left < 0:
            return
        yield path, text
