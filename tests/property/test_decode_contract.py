"""JSON is held to the contract exactly as strictly as Avro is, and what is read does not depend on spelling."""

import io
import json
import random
from collections.abc import Callable
from typing import Any

import fastavro
from fastavro.validation import validate
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.decode import Decoded, TypedEvents, build_decoder, read_schemas
from processor.decode.avro import fingerprint_of
from processor.decode.compile import compile_contract, is_nullable, unwrap
from processor.decode.shape import to_avro
from processor.model.errors import Reason, Rejected
from processor.resources import schemas_dir

UNTIMED = settings(deadline=None)
SCHEMAS = read_schemas(schemas_dir())
CONTRACT = compile_contract(SCHEMAS.event, SCHEMAS.facets)
OURS = fastavro.parse_schema(json.loads(SCHEMAS.event))
DECODER = build_decoder("auto", SCHEMAS)

TEXT = st.text(max_size=8)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.sampled_from([2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1]),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=5,
)
FIXED: dict[str, st.SearchStrategy[Any]] = {
    "eventTime": st.just("2026-03-02T06:00:00Z"),
    "runId": st.just("01950f5b-2c1e-7a55-9c1f-5b0e6f0a9d11"),
    "namespace": st.sampled_from(["a", "postgres://db:5432"]),
    "name": st.sampled_from(["t", "é\U0001f600", 'quo"te']),
}
PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXT,
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**70), 2**70)),
}
Json = Any
Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def events(draw: Draw) -> dict[str, Any]:
    """An event in JSON that the contract allows, as likely to have a part as not."""
    event: dict[str, Any] = valid(draw, CONTRACT.schema, 0)
    wanted = draw(st.sampled_from([("run", "job"), ("job",), ("dataset",)]))
    for name in ("run", "job", "dataset"):
        event.pop(name, None)
    parts = {field["name"]: field["type"] for field in CONTRACT.schema["fields"]}
    return {**event, **{name: valid(draw, unwrap(parts[name]), 1) for name in wanted}}


@st.composite
def damaged_events(draw: Draw) -> dict[str, Any]:
    """The same with up to two of its parts replaced by anything, or removed."""
    event: dict[str, Any] = draw(events())
    for _ in range(draw(st.integers(0, 2))):
        damage(draw, event)
    return event


def valid(draw: Draw, schema: Json, depth: int) -> Json:
    if is_nullable(schema) and draw(st.booleans() if depth < 5 else st.just(value=True)):
        return None
    found = unwrap(schema)
    found = CONTRACT.names.get(found, found) if isinstance(found, str) else found
    kind = found["type"] if isinstance(found, dict) else found
    if kind == "record":
        return record(draw, found, depth)
    if kind == "enum":
        return draw(st.sampled_from(found["symbols"]))
    if kind == "array":
        return [valid(draw, found["items"], depth + 1) for _ in range(draw(st.integers(0, 2)))]
    if kind == "map":
        return {key: valid(draw, found["values"], depth + 1) for key in draw(st.sets(TEXT, max_size=2))}
    return draw(PRIMITIVES[kind])


def record(draw: Draw, schema: dict[str, Any], depth: int) -> dict[str, Any]:
    value: dict[str, Any] = draw(st.dictionaries(TEXT, ANYTHING, max_size=1)) if draw(st.booleans()) else {}
    optional = [f["name"] for f in schema["fields"] if "default" in f]
    present = draw(st.sets(st.sampled_from(optional), max_size=4)) if optional else set()
    for field in schema["fields"]:
        name = field["name"]
        if field.get("rest") or ("default" in field and name not in present):
            continue
        if field.get("json"):
            is_map = isinstance(unwrap(field["type"]), dict)
            value[name] = draw(st.none() | st.dictionaries(TEXT, ANYTHING, max_size=2) if is_map else ANYTHING)
        elif name in FIXED:
            value[name] = draw(FIXED[name])
        else:
            value[name] = valid(draw, field["type"], depth + 1)
    return value


def damage(draw: Draw, event: dict[str, Any]) -> None:
    parent: Any = event
    while True:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        is_leaf = not isinstance(parent[key], dict | list) or not parent[key]
        if is_leaf or (parent is not event and draw(st.integers(0, 3)) == 0):
            break
        parent = parent[key]
    if isinstance(parent, dict) and draw(st.booleans()):
        del parent[key]
    else:
        parent[key] = draw(ANYTHING)


def decode(event: object) -> Decoded:
    return DECODER(json.dumps(event).encode())


def is_clean(found: Decoded) -> bool:
    """Whether the contract has nothing to say against it. Rules beyond the contract are not asked here."""
    if isinstance(found, Rejected):
        return found.reason is not Reason.CONTRACT
    return not [problem for problem in found.events[0].bad_facets if problem.facet]


def breaks_a_rule(found: Decoded) -> bool:
    """Whether it fell to a rule that no Avro schema can state, and may have more wrong with it."""
    return isinstance(found, Rejected) and (found.reason is not Reason.CONTRACT or found.pointer in {"", "/job"})


@UNTIMED
@given(events())
def test_what_the_contract_allows_is_read_whole(event: dict[str, Any]) -> None:
    found = decode(event)
    assert isinstance(found, TypedEvents), found
    assert not found.events[0].bad_facets


@UNTIMED
@given(damaged_events())
def test_json_gets_the_verdict_that_avro_gets(event: dict[str, Any]) -> None:
    found = decode(event)
    if not breaks_a_rule(found):
        assert is_clean(found) == validate(to_avro(event, CONTRACT), OURS, raise_errors=False), found


@UNTIMED
@given(damaged_events())
def test_a_pointer_leads_to_a_place_in_the_event(event: dict[str, Any]) -> None:
    found = decode(event)
    problems = [found] if isinstance(found, Rejected) else list(found.events[0].bad_facets)
    for problem in problems:
        assert follow(event, problem.pointer), problem


def follow(value: Json, pointer: str) -> bool:
    """Whether everything but the last step of the pointer is there; the last may be what is missing."""
    for step in [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:-1]]:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return True


def shuffled(value: Json, order: random.Random) -> Json:
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


@UNTIMED
@given(events(), st.randoms(use_true_random=False), st.sampled_from([None, 1, "\t"]))
def test_spelling_makes_no_difference(event: dict[str, Any], order: random.Random, indent: int | str | None) -> None:
    other = json.dumps(shuffled(event, order), indent=indent, ensure_ascii=order.random() < 0.5)
    assert DECODER(other.encode()) == decode(event)


@UNTIMED
@given(events())
def test_transport_makes_no_difference(event: dict[str, Any]) -> None:
    out = io.BytesIO(b"\xc3\x01" + fingerprint_of(SCHEMAS.event))
    out.seek(0, io.SEEK_END)
    fastavro.schemaless_writer(out, OURS, to_avro(event, CONTRACT))
    over_avro, over_json = DECODER(out.getvalue()), decode(event)
    assert isinstance(over_avro, TypedEvents), over_avro
    assert isinstance(over_json, TypedEvents), over_json
    assert over_avro == over_json
