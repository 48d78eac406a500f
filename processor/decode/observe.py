"""The whole of decoding behind one call: bytes in, observations out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from processor.decode.decoder import Decoded, Decoder
from processor.decode.normalize import normalize
from processor.decode.sniff import Headers
from processor.model.errors import LineageError, Reason, Rejected, Stage
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
    """`decoder` followed by `normalize`.

    A defect of ours that one record brings to light costs that record, with its bytes kept, and not
    the worker: reason `internal`.
    """

    def observe(value: bytes | None, headers: Headers) -> Observed:
        try:
            return _observed(decoder(value, headers))
        except LineageError:
            raise
        except Exception as error:  # noqa: BLE001 - the edge of all that untrusted bytes can reach
            detail = f"please report: {type(error).__name__} while reading this record"
            return Observed(rejected=(Rejected(Reason.INTERNAL, Stage.NORMALIZE, "", detail),))

    return observe


def _observed(decoded: Decoded) -> Observed:
    if isinstance(decoded, Rejected):
        return Observed(rejected=(decoded,))
    return Observed(tuple(normalize(event) for event in decoded.events), decoded.rejected)
