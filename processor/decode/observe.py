"""The whole of decoding behind one call: bytes in, observations out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from processor.decode.decoder import Decoder
from processor.decode.normalize import normalize
from processor.decode.sniff import Headers
from processor.model.errors import Rejected
from processor.model.observation import Observation


class Observed(NamedTuple):
    """What one record states, and what of it had to be rejected.

    Most records are one event: then exactly one of the two is empty. A container of several events
    may be good in part: the good part counts, and the record goes to the dead letters as well.
    """

    observations: tuple[Observation, ...] = ()
    rejected: tuple[Rejected, ...] = ()


Observe = Callable[[bytes | None, Headers], Observed]
"""Read one record's value. Raises DependencyError when a schema registry is needed and down."""


def observer(decoder: Decoder) -> Observe:
    """`decoder` followed by `normalize`."""

    def observe(value: bytes | None, headers: Headers) -> Observed:
        decoded = decoder(value, headers)
        if isinstance(decoded, Rejected):
            return Observed(rejected=(decoded,))
        return Observed(tuple(normalize(event) for event in decoded.events), decoded.rejected)

    return observe
