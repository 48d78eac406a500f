"""`lineage gate` on the sample company, through the command as people and pipelines run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import Lineage, environment
from tests.support.dbt import manifest, model
from tests.support.story import END

NOW = END.isoformat()
FEATURES = "customer_features"
POLICY = """
guarded:
- match: ["*:customer_features"]
  allowed: ["*"]
  min_trust: 0.1
"""
TRAINING = """
from processor import gate
gate.require_trusted("churn_model", allow=["bigquery:acme.raw.*"])
print("trained")
"""


def test_a_feature_table_is_refused_by_name_of_the_source_and_the_way(company: Lineage) -> None:
    refused = company("gate", "provenance", FEATURES, "--allow", "bigquery:acme.raw.*")
    assert refused.code == 1
    assert refused.out.splitlines()[0].split() == ["trust", "source", "why", "not", "more"]
    assert "outside the allowed sources" in refused.out
    assert f"{FEATURES}\n  ← job:" in refused.out
    assert "which is outside its allowed sources" in refused.err
    verdict = company("gate", "provenance", FEATURES, "--allow", "bigquery:acme.raw.*", "-o", "json").json
    assert (verdict["ok"], verdict["path"][0]["name"]) == (False, FEATURES)
    assert {source["ok"] for source in verdict["sources"]} == {False}
    fine = company.ok("gate", "provenance", FEATURES, "--allow", "*", "--min-trust", "0.1", "--now", NOW)
    assert "←" not in fine.out


def test_what_the_policy_demands_is_demanded(company: Lineage) -> None:
    (company.folder / "policy.yaml").write_text(POLICY)
    assert company("gate", "provenance", FEATURES, "--now", NOW).code == 1
    guarded = company("gate", "provenance", FEATURES, "--policy", "policy.yaml", "-o", "ndjson", "--now", NOW)
    [verdict] = guarded.lines
    assert verdict["allowed"] == ["*"]
    assert (guarded.code, verdict["ok"]) == (0, True)


def test_a_training_script_is_refused(company: Lineage) -> None:
    script = company.folder / "train.py"
    script.write_text(TRAINING)
    settings = environment(**company.settings)
    done = subprocess.run([sys.executable, script], cwd=company.folder, env=settings, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert "UntrustedSource: churn_model draws on" in done.stderr.decode()


@pytest.fixture
def changed(company: Lineage) -> Path:
    """The manifest of a pull request that drops a column of the company's orders."""
    columns = {"order_id": "int64", "customer_id": "int64", "amount": "float64"}
    sql = "select order_id, customer_id, amount, discount, status, ordered_at from raw"
    orders = model("stg_orders", columns, sql.replace("amount, ", ""), database="acme", schema="staging")
    path = company.folder / "manifest.json"
    path.write_bytes(manifest({**orders, "columns": {}}))
    return path


def test_a_pull_request_that_drops_a_column_is_named_with_what_it_would_break(company: Lineage, changed: Path) -> None:
    asked = "gate", "impact", "--dbt-manifest", changed, "--against", "index"
    refused = company(*asked)
    assert refused.code == 1
    assert refused.out.splitlines()[1].startswith("breaking")
    assert "acme.marts.fct_orders.net_amount" in refused.out
    assert "1 breaking" in refused.err
    assert company(*asked, "--fail-on", "never").code == 0
    told = company(*asked, "-o", "markdown").out
    assert "❌ `acme.staging.stg_orders`: breaking (`models/stg_orders.sql`)" in told
    assert company(*asked, "-o", "json").json["changes"][0]["changes"][0]["path"] == "amount"
    [run] = company(*asked, "-o", "sarif").json["runs"]
    assert run["results"][0]["level"] == "error"


@pytest.mark.parametrize("name", ["columns.yaml", "columns.json"])
def test_a_schema_file_is_held_against_the_index(company: Lineage, name: str) -> None:
    columns = company.ok("show", "acme.staging.stg_orders", "-o", "json").json["columns"]
    kept = [{"name": column["path"], "type": column["type"]} for column in columns]
    (company.folder / name).write_text(json.dumps({"dataset": "acme.staging.stg_orders", "columns": kept}))
    company.ok("gate", "impact", "--schema", name)
    (company.folder / name).write_text(json.dumps(kept[1:]))
    refused = company("gate", "impact", "--schema", name, "--dataset", "acme.staging.stg_orders")
    assert refused.code == 1
    assert kept[0]["name"] in refused.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["provenance", "customer_feature"], 1, "near it: dataset:feast://acme:customer_features"),
        (["provenance", FEATURES, "--min-trust", "2"], 2, "min-trust"),
        (["provenance", FEATURES, "--now", "soon"], 2, "'soon' is no time"),
        (["provenance", FEATURES, "--policy", "missing.yaml"], 2, "missing.yaml cannot be read"),
        (["impact"], 2, "either --dbt-manifest FILE or --schema FILE"),
        (["impact", "--dbt-manifest", "missing.json"], 2, "missing.json cannot be read"),
        (["impact", "--dbt-manifest", "future.json"], 2, "future.json is of version v99"),
        (["impact", "--dbt-manifest", "broken.json"], 2, "broken.json is not dbt's manifest.json"),
        (["impact", "--schema", "broken.json"], 2, "broken.json:1: not JSON"),
        (["impact", "--schema", "ddl.sql"], 2, "DDL is not read"),
        (["impact", "--schema", "ok.json", "--catalog", "ok.json"], 2, "go with --dbt-manifest"),
        (["impact", "--schema", "ok.json"], 2, "name the dataset"),
        (["impact", "--schema", "ok.json", "--dataset", "nothing.here"], 1, "nothing is called nothing.here"),
        (["coverage", "--namespace", "bigquer"], 1, "near it: bigquery"),
        (["coverage", "--fail-under", "101"], 2, "fail-under"),
    ],
)
def test_what_is_asked_wrongly_is_told(company: Lineage, arguments: list[str], code: int, said: str) -> None:
    (company.folder / "future.json").write_bytes(manifest(version="v99"))
    (company.folder / "broken.json").write_text("{")
    (company.folder / "ok.json").write_text('["id"]')
    (company.folder / "ddl.sql").write_text("create table x (id int)")
    done = company("gate", *arguments)
    assert (done.code, said in " ".join(done.err.split())) == (code, True), done.err


def test_coverage_is_held_to_a_target(company: Lineage) -> None:
    company.ok("gate", "coverage", "--fail-under", "1")
    missed = company("gate", "coverage", "--fail-under", "100", "-o", "json")
    assert (missed.code, missed.json["ok"]) == (1, False)
    assert missed.json["below"]
    assert "below 100 %" in missed.err
