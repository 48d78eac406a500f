"""The dashboards: what is committed is what the code makes, and every expression is one that Prometheus takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.generate.dashboards import GRAFANA, dashboards
from tests.support.dashboards import expressions, panels
from tests.support.promql import wrong_in
from tests.support.promtool import complaints

MADE = {name: json.loads(text) for name, text in dashboards().items()}


@pytest.mark.parametrize("name", MADE)
def test_what_is_committed_is_what_the_code_makes(name: str) -> None:
    assert (GRAFANA / "dashboards" / name).read_text("utf-8") == dashboards()[name], "write it anew: make docs"


def test_no_dashboard_is_left_over() -> None:
    assert {path.name for path in (GRAFANA / "dashboards").iterdir()} == MADE.keys()
    (generator,) = yaml.safe_load((GRAFANA / "kustomization.yaml").read_text("utf-8"))["configMapGenerator"]
    assert {name.removeprefix("dashboards/") for name in generator["files"]} == MADE.keys()


def test_a_dashboard_is_found_under_the_same_uid_for_ever() -> None:
    uids = {name: made["uid"] for name, made in MADE.items()}
    assert uids == {
        "overview.json": "lineage-overview",
        "worker.json": "lineage-worker",
        "lineage-quality.json": "lineage-quality",
    }


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_every_panel_asks_the_data_source_of_a_variable(made: dict[str, Any]) -> None:
    variables = {each["name"] for each in made["templating"]["list"] if each["type"] == "datasource"}
    assert "datasource" in variables
    assert {panel["datasource"]["uid"] for panel in panels(made)} <= {f"${{{name}}}" for name in variables}
    assert all(panel["title"] and panel["description"] and panel["targets"] for panel in panels(made))


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_an_expression_names_only_what_the_processor_exposes(made: dict[str, Any]) -> None:
    found = expressions(made)
    assert found
    assert {each: wrong_in(each, frozenset()) for each in found if wrong_in(each, frozenset())} == {}


def test_promtool_takes_every_expression(tmp_path: Path) -> None:
    every = sorted({each for made in MADE.values() for each in expressions(made)})
    rules = [{"record": f"panel:number:{number}", "expr": each} for number, each in enumerate(every)]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert complaints("check", "rules", str(path)) == ""


def test_the_files_for_provisioning_name_what_the_dashboards_ask() -> None:
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/lineage.yaml").read_text("utf-8"))["datasources"]
    asked = {panel["datasource"]["type"] for made in MADE.values() for panel in panels(made)}
    assert {source["type"] for source in sources} == asked
