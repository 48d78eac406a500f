"""Reading kept facets.

A facet that is not what its name promises says nothing: it may be from a time, or from a format,
whose decoder did not know it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

T = TypeVar("T")


def facet_reader(shape: type[T]) -> Callable[[bytes | None], T]:
    """What reads facets of that shape, and gives the shape's own default where there is none or it does not fit."""
    decode = msgspec.json.Decoder(shape).decode

    def read(data: bytes | None) -> T:
        if data is None:
            return shape()
        try:
            return decode(data)
        except msgspec.DecodeError:
            return shape()

    return read
