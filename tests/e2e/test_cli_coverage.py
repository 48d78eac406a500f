"""`lineage coverage` and guarded datasets on the sample company, through the command as people run it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from processor.demo.company import beats
from tests.support.command import Lineage

END = datetime(2026, 3, 6, 9, 30, tzinfo=UTC)
GUARDED = """
guarded:
- match: ["*:acme.marts.daily_revenue"]
  allowed: ["nowhere"]
"""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Lineage:
    """An index that has the story of the sample company."""
    lineage = Lineage(tmp_path_factory.mktemp("company"), {})
    lines = [json.dumps(beat.event) for beat in beats(END) if beat.event is not None]
    lineage.ok("load", "--strict", "-", stdin="\n".join(lines).encode())
    return lineage


def test_coverage_is_told_over_all_and_by_namespace_the_worst_first(company: Lineage) -> None:
    overall, *namespaces = company.ok("coverage", "-o", "json").json
    assert overall["namespace"] is None
    assert overall["datasets"]["having"] == sum(each["datasets"]["having"] for each in namespaces)
    assert overall["depth"]["max"] >= 3
    worst = [_worst(each) for each in namespaces]
    assert worst == sorted(worst)
    rows = company.ok("coverage").out.splitlines()
    assert rows[0].split() == ["namespace", "datasets", "runs", "columns", "depth", "missing"]
    assert rows[1].split()[0] == "all"


def _worst(record: dict[str, Any]) -> float:
    ratios = (record[name]["ratio"] for name in ("datasets", "runs", "columns"))
    return min((ratio for ratio in ratios if ratio is not None), default=1.0)


def test_a_target_that_is_missed_is_exit_1_and_says_by_what(company: Lineage) -> None:
    assert company("coverage", "--fail-under", "1").code == 0
    missed = company("coverage", "--fail-under", "100")
    assert missed.code == 1
    assert "below 100 %" in missed.err
    assert company("coverage", "--namespace", "nowhere").code == 1


def test_one_namespace_is_held_to_the_target_by_itself(company: Lineage) -> None:
    [record] = company.ok("coverage", "--namespace", "BigQuery".lower(), "-o", "ndjson").lines
    assert record["namespace"] == "bigquery"


def test_a_guarded_dataset_with_a_source_from_elsewhere_is_told_with_its_path(company: Lineage) -> None:
    (company.folder / "policy.yaml").write_text(GUARDED)
    guarded = company.having(LINEAGE_POLICY="policy.yaml")
    guarded.ok("reconcile", "--now", END.isoformat())
    [alert] = guarded.ok("alerts", "--kind", "untrusted_source", "-o", "json").json
    assert (alert["severity"], alert["subject"]["name"]) == ("critical", "acme.marts.daily_revenue")
    assert alert["path"][0]["name"] == "acme.marts.daily_revenue"
    company.ok("reconcile", "--now", END.isoformat())
    assert company.ok("alerts", "--kind", "untrusted_source", "-o", "json").json == []
