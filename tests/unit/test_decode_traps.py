"""What real producers send, against the letter of the spec or in its gaps, and what becomes of it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from processor.decode import Decoder, TypedEvent, TypedEvents, build_decoder, read_schemas
from processor.decode.node import is_deeper
from processor.model.errors import Reason, Rejected, Stage
from processor.resources import schemas_dir

Json = dict[str, Any]

RUN_ID = "01950f5b-2c1e-7a55-9c1f-5b0e6f0a9d11"
BASE: Json = {
    "eventTime": "2026-03-02T06:00:00Z",
    "producer": "https://example.com/producer",
    "run": {"runId": RUN_ID},
    "job": {"namespace": "jobs", "name": "load"},
}


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return build_decoder("openlineage", read_schemas(schemas_dir()))


def read(decoder: Decoder, event: Json) -> TypedEvent:
    found = decoder(json.dumps(event).encode())
    assert isinstance(found, TypedEvents), found
    return found.events[0]


def refuse(decoder: Decoder, event: Json) -> Rejected:
    found = decoder(json.dumps(event).encode())
    assert isinstance(found, Rejected), found
    return found


def without(*names: str) -> Json:
    return {name: value for name, value in BASE.items() if name not in names}


def table(**facets: object) -> Json:
    return {"namespace": "postgres://db:5432", "name": "public.orders", "facets": facets}


# Structure


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (BASE, "run"),
        (without("run"), "job"),
        (without("run", "job") | {"dataset": table()}, "dataset"),
        (BASE | {"dataset": None}, "run"),
        (BASE | {"run": None}, "job"),
        (without("run", "job") | {"dataset": table(), "run": None, "job": None}, "dataset"),
    ],
)
def test_the_kind_follows_from_the_structure(decoder: Decoder, event: Json, kind: str) -> None:
    assert read(decoder, event).kind == kind


@pytest.mark.parametrize(
    "claim",
    [
        "https://openlineage.io/spec/2-0-2/OpenLineage.json#/definitions/RunEvent",
        "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent",
        "nonsense",
        None,
    ],
)
def test_the_kind_does_not_follow_from_what_schema_url_claims(decoder: Decoder, claim: str | None) -> None:
    assert read(decoder, BASE | {"schemaURL": claim}).kind == "run"


def test_an_event_about_nothing_is_rejected(decoder: Decoder) -> None:
    assert refuse(decoder, without("run", "job")).reason is Reason.CONTRACT


def test_a_run_without_a_job_is_rejected(decoder: Decoder) -> None:
    assert refuse(decoder, without("job")).pointer == "/job"


def test_an_event_about_both_a_job_and_a_dataset_is_rejected(decoder: Decoder) -> None:
    assert refuse(decoder, without("run") | {"dataset": table()}).reason is Reason.CONTRACT


# Members of the envelope


def test_event_type_is_optional(decoder: Decoder) -> None:
    assert read(decoder, BASE).body.eventType is None


def test_an_unknown_event_type_is_rejected(decoder: Decoder) -> None:
    found = refuse(decoder, BASE | {"eventType": "DONE"})
    assert (found.reason, found.stage, found.pointer) == (Reason.CONTRACT, Stage.VALIDATE, "/eventType")


def test_an_unknown_member_of_the_envelope_is_ignored(decoder: Decoder) -> None:
    assert read(decoder, BASE | {"x-trace": {"deep": [1, 2]}}) == read(decoder, BASE)


@pytest.mark.parametrize("version", range(1, 9))
def test_a_run_id_is_a_uuid_of_any_version(decoder: Decoder, version: int) -> None:
    run_id = f"01950f5b-2c1e-{version}a55-9c1f-5b0e6f0a9d11"
    assert read(decoder, BASE | {"run": {"runId": run_id}}).body.run.runId == run_id


@pytest.mark.parametrize(
    "run_id", ["", "42", "01950f5b2c1e7a559c1f5b0e6f0a9d11", RUN_ID + "0", f"{{{RUN_ID}}}", RUN_ID + "\n"]
)
def test_a_run_id_that_is_no_uuid_is_rejected(decoder: Decoder, run_id: str) -> None:
    found = refuse(decoder, BASE | {"run": {"runId": run_id}})
    assert (found.reason, found.pointer) == (Reason.BAD_RUN_ID, "/run/runId")


@pytest.mark.parametrize("name", ["", " ", "\t\n"])
def test_a_job_without_a_name_is_rejected(decoder: Decoder, name: str) -> None:
    found = refuse(decoder, BASE | {"job": {"namespace": "jobs", "name": name}})
    assert (found.reason, found.pointer) == (Reason.BAD_NAME, "/job/name")


def test_a_dataset_event_without_a_namespace_is_rejected(decoder: Decoder) -> None:
    event = without("run", "job") | {"dataset": {"namespace": "", "name": "orders"}}
    assert refuse(decoder, event).pointer == "/dataset/namespace"


def test_an_input_without_a_name_is_dropped_and_the_others_stay(decoder: Decoder) -> None:
    event = read(decoder, BASE | {"inputs": [table() | {"name": ""}, table()]})
    assert [source.name for source in event.body.inputs] == ["public.orders"]
    assert [problem.pointer for problem in event.bad_facets] == ["/inputs/0/name"]


def test_absent_is_not_none(decoder: Decoder) -> None:
    body = read(decoder, BASE | {"inputs": []}).body
    assert (body.inputs, body.outputs) == ((), None)


@pytest.mark.parametrize(
    ("event", "pointer"),
    [
        (without("eventTime"), "/eventTime"),
        (without("producer"), "/producer"),
        (BASE | {"producer": 7}, "/producer"),
        (BASE | {"job": {"namespace": "jobs"}}, "/job/name"),
        (BASE | {"job": []}, "/job"),
        (BASE | {"job": {"namespace": "jobs", "name": "a", "facets": 3}}, "/job/facets"),
        (BASE | {"run": {"runId": None}}, "/run/runId"),
        (BASE | {"inputs": {}}, "/inputs"),
        (BASE | {"inputs": [table(), {"namespace": "a", "name": 3}]}, "/inputs/1/name"),
        (BASE | {"outputs": [{"namespace": "a"}]}, "/outputs/0/name"),
        (BASE | {"outputs": [None]}, "/outputs/0"),
        (BASE | {"outputs": [table() | {"outputFacets": []}]}, "/outputs/0/outputFacets"),
    ],
)
def test_a_broken_envelope_is_rejected_with_a_pointer(decoder: Decoder, event: Json, pointer: str) -> None:
    found = refuse(decoder, event)
    assert (found.reason, found.stage, found.pointer) == (Reason.CONTRACT, Stage.VALIDATE, pointer)


# Times

SIX = int(datetime(2026, 3, 2, 6, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("text", "expected_us"),
    [
        ("2026-03-02T06:00:00Z", SIX),
        ("2026-03-02t06:00:00z", SIX),
        ("2026-03-02 06:00:00+00:00", SIX),
        ("2026-03-02T06:00:00.000001Z", SIX + 1),
        ("2026-03-02T06:00:00.000001999Z", SIX + 1),
        ("2026-03-02T06:00:00.123456789123Z", SIX + 123_456),
        ("2026-03-02T06:00:00.5", SIX + 500_000),
        ("2026-03-02T06:00:00", SIX),
        ("2026-03-02T08:00:00+02:00", SIX),
        ("2026-03-02T00:30:00-05:30", SIX),
        ("2026-03-02T06:00Z", SIX),
        ("2026-03-02T07:00:00+01:00[Europe/Berlin]", SIX),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("0001-01-01T14:00:00+14:00", -62_135_596_800_000_000),
    ],
)
def test_a_time_as_producers_write_it(decoder: Decoder, text: str, expected_us: int) -> None:
    assert read(decoder, BASE | {"eventTime": text}).event_time_us == expected_us


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-03-02",
        "20260302T060000Z",
        "2026-W10-1T06:00:00Z",
        "2026-02-30T06:00:00Z",
        "2026-13-01T06:00:00Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T06:60:00Z",
        "2026-03-02T06:00:61Z",
        "0000-01-01T00:00:00Z",
        "2026-03-02T06:00:00+24:00",
        "2026-03-02T06:00:00Z trailing",
        "2026-03-02T06:00:00.Z",
        "२०२६-03-02T06:00:00Z",
        "1772431200",
    ],
)
def test_a_time_that_does_not_exist_is_rejected(decoder: Decoder, text: str) -> None:
    found = refuse(decoder, BASE | {"eventTime": text})
    assert (found.reason, found.pointer) == (Reason.BAD_TIME, "/eventTime")


# Facets


def test_null_facets_are_absent(decoder: Decoder) -> None:
    with_nulls = BASE | {"run": {"runId": RUN_ID, "facets": {"nominalTime": None, "acme": None}}}
    event = read(decoder, with_nulls)
    assert event.body.run.facets.nominalTime is None
    assert event.body.run.facets.kept() == {}
    assert event.stated == read(decoder, BASE).stated


def test_what_is_wrong_with_what_was_read_before_is_told_again(decoder: Decoder) -> None:
    broken = {"schema": {"fields": 7}}
    said = BASE | {"inputs": [table() | {"facets": broken}, {"namespace": "", "name": "t"}], "outputs": [table()]}
    first = read(decoder, said)
    again = read(decoder, said | {"eventTime": "2026-03-02T00:00:00Z"})
    assert [problem.pointer for problem in first.bad_facets] == [
        "/inputs/0/facets/schema/fields",
        "/inputs/1/namespace",
    ]
    assert (again.bad_facets, again.stated) == (first.bad_facets, first.stated)
    assert again.event_time_us != first.event_time_us


def test_what_was_read_before_does_not_make_up_for_what_the_event_lacks(decoder: Decoder) -> None:
    read(decoder, BASE)
    assert refuse(decoder, without("run") | {"dataset": table()}).reason is Reason.CONTRACT
    assert refuse(decoder, BASE | {"eventTime": "yesterday"}).reason is Reason.BAD_TIME
    assert refuse(decoder, BASE | {"run": {"runId": "one"}}).reason is Reason.BAD_RUN_ID


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        (b"[" * 40 + b"]" * 40, 40),
        (b'{"a":' * 20 + b"[]" + b"}" * 20, 21),
        (b'{"a":' + b'["[{[{[{[{[{[{[{[{[{", "\\"[[", "]]\\\\", [[]]]' + b"}", 4),
        (b"[" * 65 + b"]" * 65, 65),
    ],
)
def test_how_deep_json_nests_does_not_depend_on_what_its_strings_hold(text: bytes, depth: int) -> None:
    json.loads(text)
    assert (is_deeper(text, depth - 1), is_deeper(text, depth)) == (True, False)


@pytest.mark.parametrize(("depth", "reason"), [(490, None), (600, Reason.TOO_DEEP), (5_000, Reason.TOO_DEEP)])
def test_how_deep_an_event_may_nest_does_not_depend_on_the_python_that_reads_it(
    decoder: Decoder, depth: int, reason: Reason | None
) -> None:
    nested = b"[" * depth + b"]" * depth
    found = decoder(json.dumps(BASE).encode().replace(b"{", b'{"unknown": ' + nested + b",", 1))
    assert (found.reason if isinstance(found, Rejected) else None) is reason
    broken = decoder(b'{"unknown": ' + nested + b"}")
    assert isinstance(broken, Rejected)
    assert broken.reason is (reason or Reason.CONTRACT)


def test_a_long_event_that_was_cut_off_is_no_json(decoder: Decoder) -> None:
    value = json.dumps(BASE | {"unknown": [{}] * 2_000}).encode()
    assert isinstance(decoder(value), TypedEvents)
    cut = decoder(value[:-1])
    assert isinstance(cut, Rejected)
    assert cut.reason is Reason.NOT_JSON


def test_null_in_place_of_all_facets_is_absent(decoder: Decoder) -> None:
    event = read(decoder, BASE | {"run": {"runId": RUN_ID, "facets": None}, "inputs": [table() | {"facets": None}]})
    assert event.body.inputs[0].facets.schema is None


def test_a_facet_is_taken_back_without_a_producer(decoder: Decoder) -> None:
    job = {"namespace": "jobs", "name": "load", "facets": {"sql": {"_deleted": True}}}
    event = read(
        decoder, BASE | {"job": job, "outputs": [table(columnLineage={"_deleted": True}, acme={"_deleted": True})]}
    )
    facets = event.body.outputs[0].facets
    assert (event.bad_facets, facets.columnLineage, facets.rest) == ((), None, {})
    assert facets.kept() == {"columnLineage": None, "acme": None}
    assert event.body.job.facets.deleted == {"sql"}


def test_facets_of_runs_and_inputs_are_never_taken_back(decoder: Decoder) -> None:
    run = {
        "runId": RUN_ID,
        "facets": {"processing_engine": {"name": "x", "_deleted": True}, "acme": {"_deleted": True}},
    }
    facets = read(decoder, BASE | {"run": run}).body.run.facets
    assert (facets.processing_engine.name, facets.deleted) == ("x", frozenset())
    assert facets.rest == {"acme": b'{"_deleted":true}'}


def test_taking_back_is_not_the_same_as_saying_nothing(decoder: Decoder) -> None:
    taken_back = read(decoder, BASE | {"outputs": [table(schema={"_deleted": True})]})
    silent = read(decoder, BASE | {"outputs": [table()]})
    assert taken_back.stated != silent.stated


@pytest.mark.parametrize(
    ("facet", "pointer"),
    [
        ({"fields": 42}, "/fields"),
        ({"fields": [{"name": "a"}, {"type": "int"}]}, "/fields/1/name"),
        ({"fields": [{"name": "a", "fields": [{"name": None}]}]}, "/fields/0/fields/0/name"),
        ({"fields": [{"name": "a", "ordinal_position": 1.5}]}, "/fields/0/ordinal_position"),
        ({"fields": [{"name": "a", "ordinal_position": 2**31}]}, "/fields/0/ordinal_position"),
        ({"fields": [{"name": "a", "ordinal_position": True}]}, "/fields/0/ordinal_position"),
        ({"_deleted": "yes"}, "/_deleted"),
        ([], ""),
        ("columns", ""),
    ],
)
def test_a_bad_facet_does_not_sink_the_edges(decoder: Decoder, facet: object, pointer: str) -> None:
    event = read(decoder, BASE | {"inputs": [table(schema=facet, datasetType={"datasetType": "TABLE"})]})
    source = event.body.inputs[0]
    assert [(p.pointer, p.facet) for p in event.bad_facets] == [(f"/inputs/0/facets/schema{pointer}", "schema")]
    assert (source.name, source.facets.schema) == ("public.orders", None)
    assert source.facets.datasetType.datasetType == "TABLE"
    assert "schema" not in source.facets.kept()


def test_the_pointer_names_the_key_of_a_map(decoder: Decoder) -> None:
    fields = {"fine": {"inputFields": []}, "a/b~c": {"inputFields": [{"namespace": "n", "name": "t"}]}}
    event = read(decoder, BASE | {"outputs": [table(columnLineage={"fields": fields})]})
    where = "/outputs/0/facets/columnLineage/fields/a~1b~0c/inputFields/0/field"
    assert [(p.pointer, p.detail) for p in event.bad_facets] == [(where, "missing")]


def test_an_extra_member_of_a_typed_facet_is_carried(decoder: Decoder) -> None:
    parent = {
        "run": {"runId": RUN_ID, "facets": {"x": 1}},
        "job": {"namespace": "airflow", "name": "dag", "facets": {"ownership": {"owners": []}}, "unnamed": 1},
        "acme": {"b": 1, "a": [None]},
    }
    event = read(decoder, BASE | {"run": {"runId": RUN_ID, "facets": {"parent": parent}}})
    assert (event.bad_facets, event.body.run.facets.parent.job.name) == ((), "dag")
    kept = json.loads(event.body.run.facets.kept()["parent"])
    assert kept["acme"] == {"a": [None], "b": 1}
    assert kept["job"]["facets"] == {"ownership": {"owners": []}}


def test_a_facet_that_no_schema_describes_is_carried(decoder: Decoder) -> None:
    event = read(decoder, BASE | {"run": {"runId": RUN_ID, "facets": {"spark.logicalPlan": {"b": [1.0], "a": "é"}}}})
    assert event.body.run.facets.rest == {"spark.logicalPlan": '{"a":"é","b":[1.0]}'.encode()}


def test_a_facet_named_like_a_part_of_the_contract_is_carried(decoder: Decoder) -> None:
    event = read(decoder, BASE | {"run": {"runId": RUN_ID, "facets": {"rest": {"x": 1}, "canonical": 2, "extra": {}}}})
    assert event.body.run.facets.rest == {"rest": b'{"x":1}', "canonical": b"2", "extra": b"{}"}


def test_an_empty_facet_clears_what_an_absent_one_keeps(decoder: Decoder) -> None:
    event = read(decoder, BASE | {"outputs": [table(schema={"_producer": "p"}), table(schema={"fields": []}), table()]})
    first, second, third = (output.facets.schema for output in event.body.outputs)
    assert (first.fields, second.fields, third) == (None, (), None)


def test_clients_that_drop_empty_lists_send_facets_without_them(decoder: Decoder) -> None:
    event = read(decoder, BASE | {"outputs": [table(columnLineage={"fields": {"a": {}}}, symlinks={}, lineage={})]})
    assert event.bad_facets == ()
    assert event.body.outputs[0].facets.columnLineage.fields["a"].inputFields is None


def test_a_facet_that_nests_too_deep_is_dropped(decoder: Decoder) -> None:
    deep: Json = {"name": "leaf"}
    for _ in range(200):
        deep = {"name": "node", "fields": [deep]}
    event = read(
        decoder, BASE | {"inputs": [table(schema={"fields": [deep]}, acme=deep, version={"datasetVersion": "1"})]}
    )
    assert [problem.facet for problem in event.bad_facets] == ["schema", "acme"]
    assert event.body.inputs[0].facets.kept().keys() == {"version"}


def test_brackets_in_strings_are_no_nesting(decoder: Decoder) -> None:
    event = read(decoder, BASE | {"job": {**BASE["job"], "facets": {"sql": {"query": '\\"[{' * 500}}}})
    assert event.bad_facets == ()
