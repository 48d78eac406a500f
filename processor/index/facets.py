"""Reading kept facets.

A facet that is not what its name promises says nothing: it may be from a time, or from a format,
whose decoder did not know it.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


def read_facet(data: bytes | None, shape: type[T], default: T) -> T:
    """The facet in that shape, or `default` when there is none or it does not fit."""
    if data is None:
        return default
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.DecodeError:
        return default
