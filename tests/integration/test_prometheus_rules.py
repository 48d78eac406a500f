"""The rules for Prometheus: the real promtool takes them, and each alert fires and ends in its test."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.generate.rules import RULES, groups, operator_rule
from tests.support.promql import wrong_in
from tests.support.promtool import complaints

FILES = sorted(RULES.glob("*.rules.yaml"))
TESTS = sorted((RULES / "tests").glob("*.test.yaml"))


def every_rule() -> list[dict[str, Any]]:
    return [rule for group in groups() for rule in group["rules"]]


ALERTS = [rule for rule in every_rule() if "alert" in rule]
RECORDED = frozenset(rule["record"] for rule in every_rule() if "record" in rule)


def test_promtool_takes_the_rules_and_none_is_left_out() -> None:
    assert complaints("check", "rules", *map(str, FILES)) == ""
    assert sum(len(yaml.safe_load(path.read_text())["groups"]) for path in FILES) == len(groups())


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_promtool_sees_every_alert_fire_and_end(path: Path) -> None:
    assert complaints("test", "rules", str(path)) == ""


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_is_quiet_then_fires_then_ends_in_a_test(rule: dict[str, Any]) -> None:
    seen = defaultdict(list)
    for each in (each for path in TESTS for each in yaml.safe_load(path.read_text())["tests"]):
        name = each["name"].partition(":")[0]
        seen[name].append([bool(look["exp_samples"]) for look in each["promql_expr_test"]])
        assert all(f'alertname="{name}"' in look["expr"] for look in each["promql_expr_test"])
    assert [False, True, False] in seen[rule["alert"]]


@pytest.mark.parametrize("rule", every_rule(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_an_expression_names_only_what_the_processor_exposes(rule: dict[str, Any]) -> None:
    assert wrong_in(rule["expr"], RECORDED) == []


def test_the_check_of_names_sees_what_is_wrong() -> None:
    assert wrong_in("lineage_processor_nothing", RECORDED) == ["no metric lineage_processor_nothing"]
    assert wrong_in("lineage_processor_stage_seconds", RECORDED) == ["no metric lineage_processor_stage_seconds"]
    assert wrong_in('lineage_processor_ready{role="api"}', RECORDED) == ["lineage_processor_ready has no label role"]
    (never,) = wrong_in('lineage_processor_events_total{outcome=~"indexed|lost"}', RECORDED)
    assert never == "lineage_processor_events_total: outcome is never lost"
    assert wrong_in("sum by (dataset) (lineage_processor_ready)", RECORDED) == ["no label dataset"]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_urgent_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["alert"].startswith("Lineage")
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


def test_the_operators_form_has_the_same_rules() -> None:
    written = (RULES / "operator" / "prometheus-rule.yaml").read_text(encoding="utf-8")
    assert written == operator_rule(), "write it anew: make docs"
    assert yaml.safe_load(written)["spec"]["groups"] == groups()
