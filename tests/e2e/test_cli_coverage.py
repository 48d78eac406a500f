"""`lineage coverage` and guarded datasets on the sample company, through the command as people run it."""

import csv
import io
import json
from typing import Any

from tests.support.command import Lineage
from tests.support.story import END

GUARDED = """
guarded:
- match: ["*:acme.marts.daily_revenue"]
  allowed: ["nowhere"]
"""


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


def test_coverage_as_csv_has_a_line_for_all_and_for_each_namespace(company: Lineage) -> None:
    records = company.ok("coverage", "-o", "json").json
    rows = list(csv.DictReader(io.StringIO(company.ok("coverage", "-o", "csv").out)))
    assert [row["namespace"] for row in rows] == [record["namespace"] or "" for record in records]
    assert [int(row["datasets.total"]) for row in rows] == [record["datasets"]["total"] for record in records]
    assert [json.loads(row["columns.missing"]) for row in rows] == [record["columns"]["missing"] for record in records]
    assert float(rows[0]["depth.average"]) > 0


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
