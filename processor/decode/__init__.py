"""Bytes → typed events, held to the contract in schemas/lineage_event.avsc. Pure: no client, no clock.

Start at `build_decoder`; `event.TypedEvent` is what comes out, `facets.FacetSet` how its facets look.
"""

from processor.decode.decoder import Decoded, Decoder, TypedEvents, build_decoder
from processor.decode.event import TypedEvent
from processor.decode.facets import FacetSet
from processor.decode.limits import Limits
from processor.decode.schemas import RegisteredSchema, Schemas, SchemaSource, read_schemas
from processor.decode.sniff import Format, Headers

__all__ = [
    "Decoded",
    "Decoder",
    "FacetSet",
    "Format",
    "Headers",
    "Limits",
    "RegisteredSchema",
    "SchemaSource",
    "Schemas",
    "TypedEvent",
    "TypedEvents",
    "build_decoder",
    "read_schemas",
]
