"""What a set of facets looks like once it is read."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

AvroType: TypeAlias = Any
"""A parsed Avro schema: a name, a list (union), or a dict with "type"."""

Json: TypeAlias = Any
"""Any JSON value, or the Avro datum of one."""

Typed: TypeAlias = Any
"""A value of a type that is made from the contract at start; its attributes are the contract's names."""

TypeForm: TypeAlias = Any
"""What stands in an annotation."""


class FacetSet(msgspec.Struct, frozen=True, kw_only=True):
    """The facets of a run, a job or a dataset.

    The types made from the contract add one attribute for each facet that it describes: the typed
    facet, or None where the event has none (absent, null, taken back, or broken).

    `rest`: facets that no schema describes, JSON by name. `canonical`: every facet, JSON by name, None for
    one that the event takes back (`_deleted`). JSON here is canonical: no spaces, members sorted,
    members that are null left out where the contract names them; so equal facets are equal bytes,
    however they were spelt and transported.
    """

    rest: dict[str, bytes] = {}
    canonical: dict[str, bytes | None] = {}

    @property
    def deleted(self) -> frozenset[str]:
        """Names of the facets that the event takes back."""
        return frozenset(name for name, value in self.canonical.items() if value is None)

    def kept(self) -> dict[str, bytes | None]:
        """Every facet as it is to be stored: canonical JSON by name, None for one taken back."""
        return self.canonical
