"""The sample company's whole story from a file: what the alerts say of it, at a time that is given."""

import csv
import io
import json
from typing import Any

import pytest

from processor.demo.company import beats
from tests.support.command import Lineage
from tests.support.story import END


@pytest.fixture(scope="module")
def company(company: Lineage) -> Lineage:
    """With the alerts, too, as of the story's end."""
    company.ok("reconcile", "--now", END.isoformat())
    return company


def firing(lineage: Lineage, *arguments: str) -> list[dict[str, Any]]:
    alerts: list[dict[str, Any]] = lineage.ok("alerts", *arguments, "-o", "json").json
    return alerts


def test_what_went_wrong_fires_and_nothing_else(company: Lineage) -> None:
    assert {(alert["kind"], alert["severity"], alert["subject"]["name"]) for alert in firing(company)} == {
        ("schema_drift", "critical", "acme.raw.orders"),
        ("orphan_dataset", "warning", "acme.raw.fx_rates"),
        ("silent_job", "warning", "marketing_sync"),
        ("stuck_run", "warning", "train_churn_model"),
    }


def test_a_dropped_column_names_who_dropped_it_and_what_it_breaks(company: Lineage) -> None:
    [alert] = firing(company, "--kind", "schema_drift")
    assert [(change["path"], change["change"]) for change in alert["changes"]] == [("discount", "REMOVED")]
    assert alert["cause"]["job"]["name"] == "shop_ingest.orders"
    broken = {f"{each['node']['name']}.{each['node']['field']}" for each in alert["impact"]["columns"]}
    assert broken == {
        "acme.staging.stg_orders.discount",
        "acme.marts.fct_orders.net_amount",
        "acme.marts.daily_revenue.revenue",
        "acme.marts.dim_customers.lifetime_value",
        "acme.marts.campaign_roi.revenue",
        "customer_features.lifetime_value",
        "customer_features.avg_order_value_30d",
        "churn_model.churn_score",
    }
    assert "team:ml" in alert["impact"]["owners"]


def test_alerts_are_chosen_by_severity_kind_and_subject(company: Lineage) -> None:
    assert len(firing(company, "--severity", "warning")) == 3
    assert len(firing(company, "--severity", "warning", "--severity", "critical")) == 4
    assert [alert["kind"] for alert in firing(company, "--subject", "raw.fx_rates")] == ["orphan_dataset"]
    assert firing(company, "--subject", "marts.fct_orders") == []
    stuck = company.ok("alerts", "-k", "stuck_run", "-o", "ndjson").lines
    assert [alert["kind"] for alert in stuck] == ["stuck_run"]


def test_from_a_feature_to_the_column_that_was_dropped_four_jobs_away(company: Lineage) -> None:
    found = company.ok("why", "customer_features.lifetime_value", "--at", END.isoformat(), "-o", "json").json
    cause = found["causes"][0]
    assert (cause["kind"], cause["node"]["name"], cause["job"]["name"]) == (
        "schema_changed",
        "acme.raw.orders",
        "shop_ingest.orders",
    )
    assert [change["path"] for change in cause["changes"]] == ["discount"]
    assert cause["path"][0]["field"] == "discount"
    assert cause["path"][-1]["name"] == "customer_features"
    shown = company.ok("why", cause["alert_id"][:10]).out
    assert "acme.raw.orders: discount removed, by job shop_ingest.orders" in shown
    assert cause["alert_id"] in company.ok("alerts", "show", cause["alert_id"][:10]).err


def test_why_of_what_is_not_there_and_of_nothing_that_went_wrong(company: Lineage) -> None:
    assert company("why", "raw.ordres").code == 1
    assert company("why", "raw.orders", "--since", "yesterday").code == 2
    calm = company.ok("why", "raw.orders", "--at", "2020-01-01T00:00:00Z")
    assert "nothing that is known went wrong" in calm.err


def test_alerts_as_csv_are_the_same_alerts_in_the_same_order(company: Lineage) -> None:
    rows = list(csv.DictReader(io.StringIO(company.ok("alerts", "-o", "csv").out)))
    told = [(alert["alert_id"], alert["severity"], alert["subject"]["name"]) for alert in firing(company)]
    assert [(row["alert_id"], row["severity"], row["subject.name"]) for row in rows] == told
    assert company("alerts", "--follow", "-o", "csv").code == 2


def test_a_person_reads_a_table_the_gravest_first(company: Lineage) -> None:
    rows = company.ok("alerts").out.splitlines()
    assert rows[0].split()[:3] == ["severity", "kind", "subject"]
    assert rows[1].split()[:3] == ["critical", "schema_drift", "acme.raw.orders"]


def test_reconciling_again_changes_nothing(company: Lineage) -> None:
    before = firing(company, "--all")
    again = company.ok("reconcile", "--now", END.isoformat(), "-o", "json")
    assert again.json == []
    assert "no alerts" not in company.ok("reconcile", "--now", END.isoformat()).err
    assert firing(company, "--all") == before


def test_what_is_over_is_resolved_and_kept(lineage: Lineage) -> None:
    story = [beat.event for beat in beats(END) if beat.event is not None]
    silent = [event for event in story if event["job"]["name"] == "marketing_sync"]
    lineage.ok("load", "-", stdin="\n".join(map(json.dumps, silent)).encode())
    lineage.ok("reconcile", "--now", END.isoformat())
    assert [alert["status"] for alert in firing(lineage)] == ["firing"]
    again = {
        "eventType": "START",
        "eventTime": END.isoformat(),
        "run": {"runId": "0195549a-0000-7000-8000-000000000009"},
    }
    lineage.ok("load", "-", stdin=json.dumps(silent[-1] | again).encode())
    lineage.ok("reconcile", "--now", END.isoformat())
    assert firing(lineage) == []
    assert [(alert["status"], alert["ends_at"]) for alert in firing(lineage, "--all")] == [
        ("resolved", "2026-03-06T09:30:00.000000Z")
    ]
