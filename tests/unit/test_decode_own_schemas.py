"""Schemas of one's own: for a facet, and for another version of the event."""

import json
from pathlib import Path
from typing import Any

import pytest

from processor.decode import (
    Schemas,
    build_decoder,
    read_schemas,
)
from processor.decode.avro import fingerprint_of
from processor.model.errors import Reason, UsageError
from processor.resources import schemas_dir
from tests.support.formats import SCHEMAS, bad, good, record, single

ACME = {
    "type": "record",
    "name": "acme.SlaDatasetFacet",
    "doc": "Our promise.",
    "facet": {"name": "acme_sla", "on": "dataset"},
    "fields": [
        {"name": "minutes", "type": "int", "doc": "Within how many minutes."},
        {"name": "class", "type": ["null", "string"], "default": None, "doc": "Class."},
        {"name": "tree", "type": ["null", "acme.SlaDatasetFacet"], "default": None, "doc": "Recursion."},
    ],
}


def with_facet(facet: object) -> bytes:
    dataset = {"namespace": "n", "name": "t", "facets": {"acme_sla": facet}}
    return json.dumps({"eventTime": "2026-03-02T06:00:00Z", "producer": "p", "dataset": dataset}).encode()


def test_a_facet_of_ones_own_is_typed_and_validated(tmp_path: Path) -> None:
    (tmp_path / "sla.avsc").write_text(json.dumps(ACME))
    own = build_decoder("auto", read_schemas(schemas_dir(), tmp_path))
    facet = {"minutes": 30, "class": "gold", "tree": {"minutes": 1}}
    facets = good(own(with_facet(facet))).events[0].body.dataset.facets
    assert (facets.acme_sla.minutes, facets.acme_sla.class_, facets.acme_sla.tree.minutes) == (30, "gold", 1)
    assert (json.loads(facets.kept()["acme_sla"]), facets.rest) == (facet, {})
    event = good(own(with_facet({"minutes": "soon"}))).events[0]
    assert [problem.pointer for problem in event.bad_facets] == ["/dataset/facets/acme_sla/minutes"]


def test_a_facet_of_ones_own_is_validated_in_avro_too(tmp_path: Path) -> None:
    (tmp_path / "sla.avsc").write_text(json.dumps(ACME))
    own = build_decoder("auto", read_schemas(schemas_dir(), tmp_path))
    event = json.loads(with_facet({"minutes": 2**40}))
    assert good(own(single(event))) == good(own(json.dumps(event).encode()))
    assert good(own(single(event))).events[0].bad_facets


def test_another_version_of_the_event_is_known_by_its_fingerprint(tmp_path: Path) -> None:
    writer = record("LineageEvent")
    writer["fields"] = [{"name": "producer", "type": "string"}, {"name": "eventTime", "type": "string"}]
    (tmp_path / "old.avsc").write_text(json.dumps(writer))
    own = build_decoder("avro-single", read_schemas(schemas_dir(), tmp_path))
    value = b"\xc3\x01" + fingerprint_of(json.dumps(writer)) + b"\x02p\x02t"
    assert (bad(own(value)).reason, bad(own(value)).detail) == (
        Reason.CONTRACT,
        "the event has neither a run, a job nor a dataset",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"facet": {"name": "x", "on": "table"}}, "one of run, job"),
        ({"facet": {"name": "not a name", "on": "job"}}, "cannot be the name"),
        ({"facet": {"name": "rest", "on": "job"}}, "cannot be the name"),
        ({"facet": {"name": "schema", "on": "dataset"}}, "has a schema already"),
        ({"fields": [{"name": "a", "type": "bytes"}]}, "no JSON form"),
        ({"fields": [{"name": "a", "type": ["string", "int"]}]}, "only union"),
        ({"fields": [{"name": "a", "type": "Nowhere"}]}, "not an Avro schema"),
        ({"fields": [{"name": "a", "type": "acme.SlaDatasetFacet"}]}, "without end"),
        ({"type": "enum", "symbols": ["A"]}, "must be an Avro record"),
    ],
)
def test_a_bad_schema_of_ones_own_is_a_usage_error(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_decoder("auto", Schemas(SCHEMAS.event, (json.dumps(ACME | change),)))


@pytest.mark.parametrize("schema", [{"type": "array", "items": "null"}, {"type": "record", "name": "E"}, {}])
def test_an_unusable_version_of_the_event_is_a_usage_error(schema: object) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        build_decoder("auto", Schemas(SCHEMAS.event, (), (json.dumps(schema),)))


@pytest.mark.parametrize("content", ["{", "[]", "\ud800"])
def test_an_unreadable_file_of_ones_own_is_a_usage_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.avsc").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError, match=r"x\.avsc"):
        read_schemas(schemas_dir(), tmp_path)


def test_a_missing_folder_of_schemas_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        read_schemas(schemas_dir(), tmp_path / "missing")
