"""Whatever the bytes, the answer is a value: events or a reason. Nothing raises, nothing ends the process."""

import io
import json
from pathlib import Path

import fastavro
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.decode import RegisteredSchema, TypedEvents, build_decoder, read_schemas
from processor.decode.avro import fingerprint_of
from processor.decode.compile import compile_contract
from processor.decode.shape import to_avro
from processor.model.errors import Rejected
from processor.resources import schemas_dir

UNTIMED = settings(deadline=None)
SAMPLES = Path(__file__).parent.parent / "samples"
SCHEMAS = read_schemas(schemas_dir())
OURS = fastavro.parse_schema(json.loads(SCHEMAS.event))


class Registry:
    def __init__(self) -> None:
        self.schema = RegisteredSchema((SCHEMAS.event,))

    def by_id(self, schema_id: int) -> RegisteredSchema | None:
        return self.schema if schema_id % 2 else None

    def by_guid(self, guid: str) -> RegisteredSchema | None:
        return self.schema if guid else None


DECODERS = [
    build_decoder(form, SCHEMAS, Registry())
    for form in ("auto", "openlineage", "avro-container", "avro-single", "confluent")
]


def originals() -> list[bytes]:
    found: list[bytes] = []
    for path in sorted(SAMPLES.glob("*.json")):
        record = to_avro(json.loads(path.read_bytes()), compile_contract(SCHEMAS.event))
        one, box = io.BytesIO(), io.BytesIO()
        fastavro.schemaless_writer(one, OURS, record)
        fastavro.writer(box, OURS, [record, record], codec="deflate")
        bare = one.getvalue()
        found += [path.read_bytes(), b"\xc3\x01" + fingerprint_of(SCHEMAS.event) + bare, b"\x00\x00\x00\x00\x07" + bare]
        found.append(box.getvalue())
    return found


ORIGINALS = originals()
STARTS = [
    b"",
    b"{",
    b"\x00",
    b"\x00\x00\x00\x00\x07",
    b"\xc3\x01",
    b"\xc3\x01" + fingerprint_of(SCHEMAS.event),
    b"Obj\x01",
]


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A good record with some of its bytes replaced, removed or doubled."""
    value = bytearray(draw(st.sampled_from(ORIGINALS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(value)))
        length = draw(st.integers(0, 12))
        value[at : at + length] = draw(
            st.binary(max_size=12) | st.sampled_from([bytes(value[at : at + 40]), b"\xff" * 9, b"\x01"])
        )
    return bytes(value)


@UNTIMED
@given(st.sampled_from(DECODERS), st.sampled_from(STARTS), st.binary(max_size=200))
def test_any_bytes_get_an_answer(decoder: object, start: bytes, rest: bytes) -> None:
    assert callable(decoder)
    assert isinstance(decoder(start + rest), TypedEvents | Rejected)


@UNTIMED
@given(st.sampled_from(DECODERS), mutants())
def test_damaged_records_get_an_answer(decoder: object, value: bytes) -> None:
    assert callable(decoder)
    assert isinstance(decoder(value), TypedEvents | Rejected)


NAMES = st.sampled_from(["A", "B", "ns.C", "LineageEvent", "string", "null", "long"])
AVRO_TYPES = st.recursive(
    NAMES | st.none() | st.integers(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(lambda values: {"type": "map", "values": values}, inner),
        st.builds(lambda name, size: {"type": "fixed", "name": name, "size": size}, NAMES, st.integers(-1, 9)),
        st.builds(
            lambda name, kinds: {
                "type": "record",
                "name": name,
                "fields": [{"name": f"f{i}", "type": kind} for i, kind in enumerate(kinds)],
            },
            NAMES,
            st.lists(inner, max_size=3),
        ),
    ),
    max_leaves=12,
)


FOREIGN = Registry()
OF_FOREIGN = build_decoder("confluent", SCHEMAS, FOREIGN)


@UNTIMED
@given(AVRO_TYPES, st.binary(max_size=60))
def test_any_schema_gets_an_answer(schema: object, payload: bytes) -> None:
    FOREIGN.schema = RegisteredSchema((json.dumps(schema),))
    assert isinstance(OF_FOREIGN(b"\x00\x00\x00\x00\x07" + payload), TypedEvents | Rejected)
