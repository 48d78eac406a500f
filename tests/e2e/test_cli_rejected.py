"""What `lineage load` cannot use is told, kept and shown again."""

from pathlib import Path

import pytest

from tests.support.command import Lineage

SAMPLES = Path(__file__).parents[1] / "samples"
PIPELINE = SAMPLES / "pipeline.ndjson"


def test_bad_records_are_told_kept_and_shown(lineage: Lineage) -> None:
    mixed = PIPELINE.read_bytes() + b'\n{"eventTime": 7}\nno json\n'
    done = lineage("load", "-", stdin=mixed)
    assert done.code == 0
    assert "-:8: rejected, contract at /eventTime" in done.err
    letters = lineage.ok("dead-letters", "list", "-o", "json").json
    assert [(letter["where"], letter["source"]) for letter in letters] == [("file:1", "-:8"), ("file:2", "-:9")]
    assert lineage.ok("dead-letters", "show", "file:2", "-o", "json").json["value"] == "no json"
    assert "no json" in lineage.ok("dead-letters", "show", "file:2").out
    assert lineage("dead-letters", "show", "file:3").code == 1


def test_strict_says_no_to_bad_records_and_keeps_the_good(lineage: Lineage) -> None:
    assert lineage("load", "--strict", "-", stdin=b"[]]\n" + PIPELINE.read_bytes()).code == 1
    assert lineage.ok("export", "edges").lines


def test_a_torn_line_among_the_kept_records_costs_only_itself(lineage: Lineage) -> None:
    assert lineage.ok("dead-letters", "list").err == "lineage: no dead letters\n"
    refused = lineage("load", "-", stdin=b"one")
    assert (refused.code, "lineage: 1 record rejected\n" in refused.err) == (1, True)
    file = lineage.folder / ".lineage" / "dead-letters.ndjson"
    with file.open("ab") as kept:
        kept.write(b'{"bad": "\xff')
    assert lineage("load", "-", stdin=b"two").code == 1
    listed = lineage.ok("dead-letters", "list", "-o", "json")
    assert [letter["where"] for letter in listed.json] == ["file:1", "file:3"]
    assert "1 torn line passed over" in listed.err
    assert lineage.ok("dead-letters", "show", "file:3", "-o", "json").json["value"] == "two"


def test_a_rejected_record_that_cannot_be_kept_is_one_line(lineage: Lineage) -> None:
    (lineage.folder / ".lineage").mkdir()
    (lineage.folder / ".lineage" / "dead-letters.ndjson").symlink_to("/dev/full")
    done = lineage("load", "-", stdin=b"garbage")
    assert done.code == 3
    assert len(done.err.splitlines()) == 1


def test_a_value_is_shown_unfolded_and_says_what_was_cut(lineage: Lineage) -> None:
    value = "é" * 150_001
    assert lineage("load", "-", stdin=value.encode()).code == 1
    narrow = lineage.having(COLUMNS="60")
    lines = narrow.ok("dead-letters", "show", "file:1").out.splitlines()
    assert lines[-2] == "é" * 100_000
    assert "50001 more characters" in lines[-1]
    assert lines[-1].endswith("lineage dead-letters show file:1 -o json")
    assert narrow.ok("dead-letters", "show", "file:1", "-o", "json").json["value"] == value


@pytest.mark.parametrize("value", ["7", '"text"', "null", "true"])
def test_json_that_is_no_object_is_called_so(lineage: Lineage, value: str) -> None:
    done = lineage("load", "-", stdin=value.encode())
    assert "JSON, but not an object" in done.err
