import json

import pytest

from processor.resources import schema_text, schemas_dir


@pytest.mark.parametrize("name", ["lineage_event.avsc", "lineage_change.avsc", "lineage_alert.avsc"])
def test_every_public_schema_ships(name: str) -> None:
    assert json.loads(schema_text(name))["type"] == "record"


@pytest.mark.parametrize("name", ["nothing.avsc", "../pyproject.toml", "..", "", "a\\b"])
def test_a_name_that_is_no_schema_of_ours_is_refused(name: str) -> None:
    with pytest.raises(FileNotFoundError, match="no schema"):
        schema_text(name)


def test_the_folder_holds_them() -> None:
    assert {"lineage_event.avsc"} <= {entry.name for entry in schemas_dir().iterdir()}
