"""The tags that stand on a dataset or a job: those that its producers state, and those that people set one by one.

Rules kept here:
- producers state all their tags in one facet, `tags`, and the newest replaces the one before it;
- a tag that a person sets or takes off is a facet of its own, `tags@TAG`, of a column `tags@COLUMN@TAG`: so of two that
  are set at the same moment both hold, and what a producer states later takes none of them away;
- a tag that was taken off stays off, whoever states it, until it is set again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from processor.index.facets import facet_reader

__all__ = ["Tag", "own_facet_name", "tags_of"]

_STATED: Final = "tags"
_OWN: Final = "tags@"


class Tag(msgspec.Struct, frozen=True):
    """A tag; of a column, where there is a `field`."""

    key: str = ""
    value: str | None = None
    field: str | None = None


class _Tags(msgspec.Struct):
    tags: list[Tag] = []
    without: list[Tag] = []


_read = facet_reader(_Tags)


def tags_of(facets: Mapping[str, bytes]) -> list[Tag]:
    """All tags that stand, by the facets of a node."""
    told = [_read(facet) for name, facet in facets.items() if name == _STATED or name.startswith(_OWN)]
    off = {(tag.key, tag.field) for each in told for tag in each.without}
    return [tag for each in told for tag in each.tags if (tag.key, tag.field) not in off]


def own_facet_name(key: str, field: str | None) -> str:
    """The facet that holds whether this tag is set: another one for each tag and column.

    Percent-encoded, but for spaces, so that an `@` within a name parts nothing.
    """
    parts = (key,) if field is None else (field, key)
    return _OWN + "@".join(quote(part, safe=" ") for part in parts)
