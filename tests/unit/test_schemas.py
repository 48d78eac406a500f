"""The contracts: complete, documented, and never changed in a way that breaks who reads or writes them."""

import copy
import json
from collections.abc import Callable
from typing import Any

import fastavro
import pytest

from processor.resources import schemas_dir
from tests.support.evolution import can_read, named_types, undocumented

FILES = ["lineage_event.avsc", "lineage_change.avsc", "lineage_alert.avsc"]
RELEASES = sorted(entry.name for entry in (schemas_dir() / "released").iterdir() if entry.name.startswith("v"))
Schema = dict[str, Any]


def load(name: str, release: str = "") -> Schema:
    folder = schemas_dir() / "released" / release if release else schemas_dir()
    parsed: Schema = json.loads((folder / name).read_text())
    return parsed


@pytest.mark.parametrize("name", FILES)
def test_a_schema_is_avro(name: str) -> None:
    assert fastavro.parse_schema(load(name))


@pytest.mark.parametrize("name", FILES)
def test_every_type_and_field_is_documented(name: str) -> None:
    assert list(undocumented(load(name))) == []


@pytest.mark.parametrize("name", FILES)
def test_every_enum_has_a_default(name: str) -> None:
    assert [key for key, kind in named_types(load(name)) if kind["type"] == "enum" and "default" not in kind] == []


@pytest.mark.parametrize("name", FILES)
def test_what_may_be_null_is_null_by_default(name: str) -> None:
    for key, kind in named_types(load(name)):
        for field in kind.get("fields", ()):
            is_nullable = isinstance(field["type"], list)
            assert is_nullable == (field.get("default", "") is None), f"{key}.{field['name']}"


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", FILES)
def test_the_schema_is_compatible_with_every_release_in_both_directions(name: str, release: str) -> None:
    assert can_read(load(name), load(name, release)) == []
    assert can_read(load(name, release), load(name)) == []


def test_there_is_a_release_to_be_compatible_with() -> None:
    assert RELEASES


def test_a_facet_knows_who_made_it_and_what_else_it_holds() -> None:
    for name, kind in named_types(load("lineage_event.avsc")):
        if name.endswith("Facet"):
            fields = [field["name"] for field in kind["fields"]]
            assert fields[:2] == ["_producer", "_schemaURL"], name
            assert (fields[-1], kind["fields"][-1]["rest"]) == ("extra", True), name


@pytest.mark.parametrize(
    ("container", "facets"),
    [
        (
            "RunFacets",
            """parent nominalTime errorMessage externalQuery extractionError environmentVariables executionParameters
            jobDependencies processing_engine tags test""",
        ),
        ("JobFacets", "jobType sql sourceCode sourceCodeLocation documentation ownership tags lineage"),
        (
            "DatasetFacets",
            """schema columnLineage symlinks lifecycleStateChange version dataSource datasetType catalog hierarchy
            storage documentation ownership tags dataQualityMetrics dataQualityAssertions lineage""",
        ),
        ("InputDatasetFacets", "dataQualityAssertions dataQualityMetrics inputStatistics subset"),
        ("OutputDatasetFacets", "outputStatistics subset"),
    ],
)
def test_every_facet_of_the_spec_is_typed(container: str, facets: str) -> None:
    fields = [field["name"] for field in dict(named_types(load("lineage_event.avsc")))[container]["fields"]]
    assert fields == [*facets.split(), "rest"]


# The check itself: each incompatible change must be seen

OLD: Schema = {
    "type": "record",
    "name": "Old",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "count", "type": ["null", "int"], "default": None},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["A", "B"], "default": "A"}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["X", "Y"]}},
        {"name": "parts", "type": {"type": "array", "items": {"type": "map", "values": "long"}}},
        {"name": "child", "type": ["null", "Old"], "default": None},
    ],
}


def changed(change: Callable[[list[Schema]], object]) -> Schema:
    new = copy.deepcopy(OLD)
    change(new["fields"])
    return new


def replace(index: int, kind: object) -> Callable[[list[Schema]], object]:
    return lambda fields: fields[index].update(type=kind)


BREAKING: dict[str, Callable[[list[Schema]], object]] = {
    "a removed field without a default": lambda fields: fields.pop(0),
    "a new field without a default": lambda fields: fields.append({"name": "new", "type": "string"}),
    "a renamed field": lambda fields: fields[0].update(name="key"),
    "another type": replace(0, "int"),
    "another type in a union": replace(1, ["null", "string"]),
    "a narrower union": replace(1, "int"),
    "a wider number, which the old cannot read": replace(1, ["null", "long"]),
    "a removed symbol without a default": replace(3, {"type": "enum", "name": "Kind", "symbols": ["X"]}),
    "a new symbol without a default": replace(3, {"type": "enum", "name": "Kind", "symbols": ["X", "Y", "Z"]}),
    "a renamed enum": replace(2, {"type": "enum", "name": "Status", "symbols": ["A", "B"], "default": "A"}),
    "another type deep inside": replace(4, {"type": "array", "items": {"type": "map", "values": "string"}}),
    "an array that was a map": replace(4, {"type": "array", "items": {"type": "array", "items": "long"}}),
    "a union with a third branch": replace(1, ["null", "int", "string"]),
}


@pytest.mark.parametrize("change", BREAKING.values(), ids=BREAKING.keys())
def test_an_incompatible_change_is_refused(change: Callable[[list[Schema]], object]) -> None:
    new = changed(change)
    assert can_read(new, OLD) + can_read(OLD, new) != []


ALLOWED: dict[str, Callable[[list[Schema]], object]] = {
    "nothing": lambda fields: fields,
    "a new field with a default": lambda fields: fields.append(
        {"name": "n", "type": ["null", "string"], "default": None}
    ),
    "a removed field with a default": lambda fields: fields.pop(1),
    "another order": lambda fields: fields.reverse(),
    "another doc": lambda fields: fields[0].update(doc="Identity."),
    "a new symbol beside a default": replace(
        2, {"type": "enum", "name": "State", "symbols": ["A", "B", "C"], "default": "A"}
    ),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED.keys())
def test_a_compatible_change_is_not_refused(change: Callable[[list[Schema]], object]) -> None:
    new = changed(change)
    assert can_read(new, OLD) + can_read(OLD, new) == []


def test_a_missing_doc_is_seen() -> None:
    assert list(undocumented(OLD))[:2] == ["Old", "Old.id"]
