"""The whole of decoding behind one call: bytes in, observations out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from processor.decode.decoder import Decoded, Decoder, TypedEvents, build_decoder
from processor.decode.familiar import Familiar
from processor.decode.limits import Limits
from processor.decode.normalize import normalize
from processor.decode.schemas import Schemas, SchemaSource
from processor.decode.sniff import Format, Headers
from processor.model.errors import LineageError, Reason, Rejected, Stage
from processor.model.observation import Observation

_OBJECT = b'{"'
"""How the JSON of nearly every event begins."""

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)

LatestUs = Callable[[], int]
"""Up to which time events are taken now, in microseconds since 1970."""


def any_time() -> int:
    """Later than any event: for who takes them all."""
    return 1 << 63


class Observed(NamedTuple):
    """What one record states, and what of it had to be rejected.

    Most records are one event: then exactly one of the two is empty. A container of several events
    may be good in part: the good part counts, and the record goes to the dead letters as well.
    """

    observations: tuple[Observation, ...] = ()
    rejected: tuple[Rejected, ...] = ()


Observe = Callable[[bytes | None, Headers], Observed]
"""Read one record's value. Raises DependencyError when a schema registry is needed and down."""


def observer(decoder: Decoder, familiar: Familiar | None = None, latest_us: LatestUs = any_time) -> Observe:
    """`decoder` followed by `normalize`; what is familiar needs neither.

    A defect of ours that one record brings to light costs that record, with its bytes kept, and not
    the worker: reason `internal`.

    An event that is dated later than `latest_us` is rejected: it would be the newest word on its job and datasets until
    then, and neither a drift nor a silence of theirs would be seen.
    """

    def observe(value: bytes | None, headers: Headers) -> Observed:
        try:
            return _no_later(latest_us(), read(value, headers))
        except LineageError:
            raise
        except Exception as error:  # noqa: BLE001 - the edge of all that untrusted bytes can reach
            detail = f"please report: {type(error).__name__} while reading this record"
            return Observed(rejected=(Rejected(Reason.INTERNAL, Stage.NORMALIZE, "", detail),))

    def read(value: bytes | None, headers: Headers) -> Observed:
        if familiar is None or value is None or headers or not value.startswith(_OBJECT):
            return _observed(decoder(value, headers))
        known = familiar.observe(value)
        return _learned(familiar, value, decoder(value, headers)) if known is None else Observed((known,))

    return observe


def build_observer(
    form: str,
    schemas: Schemas,
    registry: SchemaSource | None = None,
    limits: Limits | None = None,
    latest_us: LatestUs = any_time,
) -> Observe:
    """Reads records of `form`, one of `Format`. Raises `UsageError` for another word or a bad schema.

    `latest_us`: see `observer`.
    """
    is_json = form in (Format.AUTO, Format.OPENLINEAGE)
    decoder = build_decoder(form, schemas, registry, limits)
    return observer(decoder, Familiar(decoder.contract, decoder.limits) if is_json else None, latest_us)


def _no_later(latest_us: int, observed: Observed) -> Observed:
    """What is dated no later than that; the rest is rejected."""
    said, rejected = observed
    late = [each for each in said if each.time_us > latest_us]
    if not late:
        return observed
    pointer = "/eventTime" if len(said) == 1 and not rejected else ""
    refused = (Rejected(Reason.FUTURE_TIME, Stage.VALIDATE, pointer, _ahead(each, latest_us)) for each in late)
    return Observed(tuple(each for each in said if each.time_us <= latest_us), (*rejected, *refused))


def _ahead(seen: Observation, latest_us: int) -> str:
    told, latest = (f"{_BEGIN + timedelta(microseconds=us):%Y-%m-%dT%H:%M:%SZ}" for us in (seen.time_us, latest_us))
    return f"{told} is yet to come, and no event later than {latest} is taken now: look at the producer's clock"


def _learned(familiar: Familiar, value: bytes, decoded: Decoded) -> Observed:
    if isinstance(decoded, TypedEvents) and len(decoded.events) == 1:
        familiar.learn(value, decoded.events[0])
    return _observed(decoded)


def _observed(decoded: Decoded) -> Observed:
    if isinstance(decoded, Rejected):
        return Observed(rejected=(decoded,))
    return Observed(tuple(normalize(event) for event in decoded.events), decoded.rejected)
