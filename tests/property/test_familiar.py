"""What was read before changes nothing: each event is observed as if it were the first of its kind."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.decode import build_decoder, read_schemas
from processor.decode.familiar import Familiar
from processor.decode.observe import Observed, build_observer, observer
from processor.resources import schemas_dir
from tests.property.test_decode_contract import ANYTHING, events
from tests.support.events import column_lineage, event, facet, run_id, schema, table

UNTIMED = settings(deadline=None)
SCHEMAS = read_schemas(schemas_dir())
AT_FIRST_SIGHT = observer(build_decoder("auto", SCHEMAS))
REMEMBERING = build_observer("auto", SCHEMAS)

JAVA = ("eventTime", "producer", "schemaURL", "eventType", "run", "job", "inputs", "outputs")
BY_HAND = ("eventType", "eventTime", "run", "job", "inputs", "outputs", "producer")
PYTHON = tuple(sorted({*JAVA, *BY_HAND}))
ORDERS = (JAVA, BY_HAND, PYTHON)
SPELLINGS = (None, (",", ":"), (", ", ": "))

OUTPUT = table("orders_café", schema=schema("id:int"), columnLineage=column_lineage({"id": [("raw", "id")]}))
TOLD = event("load", "START", inputs=[table("raw", schema=schema("id:int"))], outputs=[OUTPUT])
BROKEN = event("load", "START", inputs=[table("raw", schema={"fields": 7})], outputs=[OUTPUT])
MISNAMED = event("load", outputs=[table("orders", columnLineage=column_lineage({" ": [("raw", "id")]}))])
PARENT = facet(run={"runId": run_id(9)}, job={"namespace": "airflow", "name": "nightly"})


def nested(depth: int) -> Any:  # noqa: ANN401 - JSON
    """That many lists, one in another."""
    return [nested(depth - 1)] if depth else 7


RAW = "@@"
LITERALS = (rb'"\ud800"', b"1e999", b"-0", b"[1,]", b'"\t"', b"1", b"NaN")
"""What stands in a facet for this mark: some of it no JSON, or none that can be read."""
RUN_FACETS = st.dictionaries(
    st.sampled_from(["parent", "nominalTime", "errorMessage", "processing_engine", "acme", "spark", "é", 'q"']),
    st.one_of(
        ANYTHING,
        st.just(PARENT),
        st.just(PARENT | {"job": {"namespace": "airflow", "name": " "}}),
        st.just({"literal": RAW}),
        st.just(facet(nominalStartTime="2026-03-01T06:00:00Z")),
        st.just(facet(message="out of memory", programmingLanguage="JAVA")),
        st.sampled_from([65, 66, 70]).map(nested),
        st.just({"deep": [[[[[['}, "job": {', ',"inputs":['], {"run": {}}]]]]]}),
    ),
    max_size=3,
)
TIMES = st.sampled_from(
    [
        "2026-03-01T06:00:00Z",
        "2026-03-01T06:00:00Z",
        "2026-03-01T08:00:00.123456+02:00",
        "2026-03-01 06:00",
        "yesterday",
    ]
)
TYPES = st.sampled_from(["START", "COMPLETE", "START", "RUNNING", "COMPLETE", "FAIL", None, "DONE", 7])


def spelt(
    value: dict[str, Any], order: tuple[str, ...], separators: tuple[str, str] | None, *, ascii_only: bool
) -> bytes:
    ordered = {name: value[name] for name in order if name in value} | value
    text = json.dumps(ordered, separators=separators, ensure_ascii=ascii_only)
    return text.encode("utf-8", "surrogatepass")


EXTRA = (
    '"eventTime":"2026-03-01T09:00:00Z"',
    '"eventType":"FAIL"',
    '"producer":"https://example.com/another"',
    '"schemaURL":7',
    '"run":{"runId":"01950f5b-2c1e-7a55-9c1f-5b0e6f0a9d11"}',
    '"job":{"namespace":"shop","name":"another"}',
    '"inputs":[]',
    '"dataset":{"namespace":"shop","name":"t"}',
    '"x-trace":{"run": {"job": {}}}',
)
"""Members that an event has twice, or should not have."""
PLACES = ('{"', ', "run"', ',"run"', ', "job"', ',"job"', ', "inputs"', ',"inputs"')

_RUN = {"runId": run_id(0), "facets": {"acme": {"build": 7}, "job": [], "spark": {}}}
for _order in ORDERS:
    for _separators in SPELLINGS[1:]:
        REMEMBERING(spelt(TOLD | {"run": _RUN}, _order, _separators, ascii_only=False), ())


@st.composite
def tellings(draw: st.DrawFn) -> bytes:
    """The same statement of another run, as one of several producers spells it."""
    run = {"runId": draw(st.sampled_from([run_id(1), run_id(1), run_id(2).upper(), "one"])), "facets": draw(RUN_FACETS)}
    base = draw(st.sampled_from([TOLD, TOLD, BROKEN, MISNAMED]))
    value = base | {"eventTime": draw(TIMES), "eventType": draw(TYPES), "run": run}
    value |= draw(st.dictionaries(st.sampled_from(["schemaURL", "producer"]), ANYTHING, max_size=1))
    text = spelt(value, draw(st.sampled_from(ORDERS)), draw(st.sampled_from(SPELLINGS)), ascii_only=False)
    return text.replace(b'"@@"', draw(st.sampled_from(LITERALS)))


@st.composite
def odd_tellings(draw: st.DrawFn) -> bytes:
    """The same with a member too many somewhere, or one too few."""
    separators = draw(st.sampled_from(SPELLINGS))
    missing = draw(st.sampled_from(["", "eventTime", "eventType", "producer", "run", "job", "inputs"]))
    value = {name: part for name, part in TOLD.items() if name != missing}
    text = spelt(value, draw(st.sampled_from(ORDERS)), separators, ascii_only=False)
    extra, place = draw(st.sampled_from(EXTRA)).encode(), draw(st.sampled_from(PLACES)).encode()
    if place == b'{"':
        return b"{" + extra + b"," + text[1:]
    at = text.find(place)
    return text[:-1] + b"," + extra + b"}" if at < 0 else text[:at] + b"," + extra + text[at:]


def both(value: bytes) -> tuple[Observed, Observed]:
    return REMEMBERING(value, ()), AT_FIRST_SIGHT(value, ())


@pytest.mark.parametrize("separators", SPELLINGS[1:], ids=["compact", "spaced"])
@pytest.mark.parametrize("order", ORDERS, ids=["java", "by hand", "python"])
def test_what_is_usual_becomes_familiar(order: tuple[str, ...], separators: tuple[str, str]) -> None:
    """Else the tests below would prove nothing."""
    decoder = build_decoder("auto", SCHEMAS)
    familiar = Familiar(decoder.contract, decoder.limits)
    observe = observer(decoder, familiar)
    facets = {"parent": PARENT, "acme": {"build": [7]}}
    first, again = (TOLD | {"run": {"runId": run_id(number), "facets": facets}} for number in range(2))
    (seen,) = observe(spelt(first, order, separators, ascii_only=False), ()).observations
    known = familiar.observe(spelt(again, order, separators, ascii_only=False))
    assert known is not None
    assert known.datasets is seen.datasets


@UNTIMED
@given(st.lists(tellings(), min_size=1, max_size=4))
def test_another_run_of_what_was_told_before(values: list[bytes]) -> None:
    for value in values:
        remembered, fresh = both(value)
        assert remembered == fresh, value


@UNTIMED
@given(odd_tellings())
def test_a_member_too_many_or_too_few(value: bytes) -> None:
    remembered, fresh = both(value)
    assert remembered == fresh, value


@UNTIMED
@given(tellings(), st.randoms(use_true_random=False), st.integers(1, 40))
def test_bytes_that_were_damaged(value: bytes, chance: random.Random, cut: int) -> None:
    at = chance.randrange(chance.choice((150, 400, len(value))))
    pieces = [bytes([byte]) for byte in b'{}[]",: \\a\x80']
    ways = [value[:at] + piece + value[at + skip :] for piece in pieces for skip in (0, 1)]
    for damaged in (*ways, value[:at] + value[at + cut :]):
        remembered, fresh = both(damaged)
        assert remembered == fresh, damaged


@UNTIMED
@given(tellings(), tellings(), st.integers(0, 400), st.integers(0, 400))
def test_two_events_grown_into_one_another(one: bytes, other: bytes, head: int, tail: int) -> None:
    both(one)
    both(other)
    grown = one[:head] + other[tail:]
    remembered, fresh = both(grown)
    assert remembered == fresh, grown


@UNTIMED
@given(events(), st.sampled_from(ORDERS), st.sampled_from(SPELLINGS))
def test_any_event_that_the_contract_allows(
    value: dict[str, Any], order: tuple[str, ...], separators: tuple[str, str] | None
) -> None:
    text = spelt(value, order, separators, ascii_only=False)
    for _ in range(3):
        remembered, fresh = both(text)
        assert remembered == fresh


@UNTIMED
@given(st.one_of(tellings(), events().map(lambda value: json.dumps(value).encode())), tellings())
def test_digests_are_equal_where_the_same_is_said(one: bytes, other: bytes) -> None:
    first, second = (
        [seen._replace(problems=()) for seen in AT_FIRST_SIGHT(each, ()).observations] for each in (one, other)
    )
    if first and second:
        is_same = first[0]._replace(digest=b"") == second[0]._replace(digest=b"")
        assert (first[0].digest == second[0].digest) == is_same


@pytest.mark.parametrize("facets", [{"acme": nested(70)}, {"never met": {"literal": RAW}}], ids=["deep", "too large"])
def test_what_is_wrong_with_a_run_is_told_of_what_is_familiar(facets: dict[str, Any]) -> None:
    told = TOLD | {"run": {"runId": run_id(3), "facets": facets}}
    remembered, fresh = both(spelt(told, JAVA, (",", ":"), ascii_only=False).replace(b'"@@"', b"1e999"))
    assert remembered == fresh
    assert [problem.facet for seen in fresh.observations for problem in seen.problems] == list(facets)
