"""Structs whose every field may be left out, made from structs that have defaults: what an override is read into."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

_S = TypeVar("_S", bound=msgspec.Struct)


def override_of(sections: type[msgspec.Struct], **required: object) -> Any:  # noqa: ANN401  a type made on the spot
    """A struct with these fields and, for each section, one whose knobs are all optional and have no default."""
    partial = ((field.name, _partial(field.type)) for field in msgspec.structs.fields(sections))
    optional: list[tuple[str, Any, Any]] = [(name, type_ | UnsetType, UNSET) for name, type_ in partial]
    return _struct("Override", "Other thresholds for the subjects that match.", [*required.items(), *optional])


def overlaid(base: _S, overrides: Iterable[msgspec.Struct]) -> _S:
    """`base` with what the overrides set in its sections, each laid over those before it."""
    for override in overrides:
        sections = {name: part for name, part in _set_in(override).items() if isinstance(part, msgspec.Struct)}
        changed = {n: msgspec.structs.replace(getattr(base, n), **_set_in(part)) for n, part in sections.items()}
        base = msgspec.structs.replace(base, **changed)
    return base


@cache
def _partial(section: type[msgspec.Struct]) -> Any:  # noqa: ANN401  a type made on the spot
    fields = [(f.name, f.type | UnsetType, UNSET) for f in msgspec.structs.fields(section)]
    return _struct(f"{section.__name__}Override", section.__doc__ or "", fields)


def _struct(name: str, doc: str, fields: list[Any]) -> Any:  # noqa: ANN401  a type made on the spot
    return msgspec.defstruct(
        name, fields, namespace={"__doc__": doc}, frozen=True, forbid_unknown_fields=True, kw_only=True
    )


def _set_in(part: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(part).items() if value is not UNSET}
