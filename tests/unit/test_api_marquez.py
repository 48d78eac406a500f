"""`/api/v1` as Marquez's clients and its web UI ask it: the members that they read, in the form that they read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from processor.api.marquez.stats import counted, run_counts
from processor.index.view import View
from processor.render.times import rfc3339
from tests.support.api import Served, served
from tests.support.events import NAMESPACE, PIPELINE, event, facet, memory, run_id, schema, table, us

IN_WAREHOUSE = f"/api/v1/namespaces/{quote(NAMESPACE, safe='')}"
IN_SHOP = "/api/v1/namespaces/shop"
DOCUMENTED = event(
    "stage",
    "START",
    minutes=10,
    run=9,
    outputs=[
        table(
            "stg",
            schema=schema("id", "total:int", "extra"),
            documentation=facet(description="Staged."),
            tags=facet(tags=[{"key": "pii", "value": "true"}, {"key": "money", "value": "", "field": "total"}]),
            dataSource=facet(name="warehouse", uri=NAMESPACE),
        )
    ],
    job_facets={"sourceCodeLocation": facet(type="git", url="https://example.com/repo")},
)


@pytest.fixture
def api() -> Iterator[Served]:
    with served(memory(*PIPELINE, DOCUMENTED)) as there:
        yield there


def got(api: Served, url: str, **params: Any) -> Any:  # noqa: ANN401  any JSON
    answer = api.client.get(url, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_namespaces_and_sources(api: Served) -> None:
    every = got(api, "/api/v1/namespaces")["namespaces"]
    assert [each["name"] for each in every] == [NAMESPACE, "shop"]
    assert every[0]["createdAt"].startswith("2026-03-01T06:00:00")
    assert got(api, IN_WAREHOUSE) == every[0]
    assert got(api, "/api/v1/namespaces", limit=1, offset=1)["namespaces"] == every[1:]
    assert got(api, "/api/v1/sources")["sources"][0]["type"] == "POSTGRES"
    assert got(api, f"/api/v1/sources/{quote(NAMESPACE, safe='')}")["connectionUrl"] == NAMESPACE


def test_a_dataset_with_its_columns_tags_and_description(api: Served) -> None:
    found = got(api, f"{IN_WAREHOUSE}/datasets/stg")
    assert found["id"] == {"namespace": NAMESPACE, "name": "stg"}
    assert (found["type"], found["sourceName"], found["description"]) == ("DB_TABLE", "warehouse", "Staged.")
    assert [field["name"] for field in found["fields"]] == ["id", "total", "extra"]
    assert (found["tags"], found["fields"][1]["tags"]) == (["pii"], ["money"])
    assert found["facets"]["documentation"]["description"] == "Staged."
    inputs = {each["name"]: each["inputFields"] for each in found["columnLineage"]}
    assert (inputs["total"][0]["dataset"], inputs["total"][0]["field"]) == ("raw", "amount")


def test_datasets_and_their_versions(api: Served) -> None:
    listed = got(api, f"{IN_WAREHOUSE}/datasets", limit=2)
    assert (listed["totalCount"], [each["name"] for each in listed["datasets"]]) == (4, ["forecast", "mart"])
    [version] = got(api, f"{IN_WAREHOUSE}/datasets/stg/versions")["versions"]
    assert version["createdByRun"]["id"] == run_id(9)
    assert got(api, f"{IN_WAREHOUSE}/datasets/stg/versions/{version['version']}") == version
    assert got(api, f"{IN_WAREHOUSE}/datasets/mart/versions") == {"versions": [], "totalCount": 0}


def test_jobs_and_their_runs(api: Served) -> None:
    assert [job["name"] for job in got(api, "/api/v1/jobs")["jobs"]] == ["mart", "model", "stage"]
    assert [job["name"] for job in got(api, f"{IN_SHOP}/jobs", lastRunStates="RUNNING")["jobs"]] == ["stage"]
    found = got(api, f"{IN_SHOP}/jobs/stage")
    assert (found["type"], found["simpleName"], found["location"]) == ("BATCH", "stage", "https://example.com/repo")
    assert (found["inputs"], found["outputs"][0]["name"]) == ([{"namespace": NAMESPACE, "name": "raw"}], "stg")
    assert (found["latestRun"]["id"], found["latestRun"]["state"]) == (run_id(9), "RUNNING")
    runs = got(api, f"{IN_SHOP}/jobs/stage/runs")
    assert (runs["totalCount"], [run["state"] for run in runs["runs"]]) == (2, ["RUNNING", "COMPLETED"])
    assert got(api, f"/api/v1/jobs/runs/{run_id(0)}")["state"] == "COMPLETED"
    assert got(api, f"/api/v1/jobs/runs/{run_id(0)}/facets", type="run") == {"runId": run_id(0), "facets": {}}


def test_the_graph_goes_both_ways_and_its_edges_follow_the_data(api: Served) -> None:
    nodes = {node["id"]: node for node in got(api, "/api/v1/lineage", nodeId=f"dataset:{NAMESPACE}:mart")["graph"]}
    assert list(nodes) == sorted(nodes)
    assert {node["type"] for node in nodes.values()} == {"DATASET", "JOB"}
    assert {f"dataset:{NAMESPACE}:{name}" for name in ("raw", "stg", "mart", "forecast")} < set(nodes)
    job = nodes["job:shop:stage"]
    assert job["inEdges"] == [{"origin": f"dataset:{NAMESPACE}:raw", "destination": "job:shop:stage"}]
    assert job["outEdges"] == [{"origin": "job:shop:stage", "destination": f"dataset:{NAMESPACE}:stg"}]
    assert job["data"]["latestRun"]["state"] == "RUNNING"
    assert nodes[f"dataset:{NAMESPACE}:stg"]["data"]["fields"][0]["name"] == "id"
    near = got(api, "/api/v1/lineage", nodeId="job:shop:mart", depth=0)["graph"]
    assert {node["data"]["name"] for node in near} == {"mart", "stg"}


def test_a_dataset_without_jobs_is_a_single_node() -> None:
    with served(memory({**event(), "run": None, "job": None, "dataset": table("alone")})) as api:
        [node] = got(api, "/api/v1/lineage", nodeId=f"dataset:{NAMESPACE}:alone")["graph"]
        assert (node["inEdges"], node["outEdges"], node["data"]["fields"]) == ([], [], [])


def test_column_lineage(api: Served) -> None:
    asked = f"datasetField:{NAMESPACE}:stg:total"
    nodes = {node["id"]: node for node in got(api, "/api/v1/column-lineage", nodeId=asked)["graph"]}
    assert set(nodes) == {asked, f"datasetField:{NAMESPACE}:raw:amount"}
    assert nodes[asked]["inEdges"] == [{"origin": asked, "destination": f"datasetField:{NAMESPACE}:raw:amount"}]
    assert nodes[asked]["data"]["inputFields"][0]["field"] == "amount"
    both = got(api, "/api/v1/column-lineage", nodeId=asked, withDownstream="True")["graph"]
    assert f"datasetField:{NAMESPACE}:mart:revenue" in {node["id"] for node in both}
    assert len(got(api, "/api/v1/column-lineage", nodeId=f"dataset:{NAMESPACE}:stg")["graph"]) == 5
    assert len(got(api, "/api/v1/column-lineage", nodeId="job:shop:stage")["graph"]) == 5


def test_a_version_in_a_node_id_is_understood(api: Served) -> None:
    versioned = f"dataset:{NAMESPACE}:stg#{run_id(1)}"
    assert len(got(api, "/api/v1/lineage", nodeId=versioned)["graph"]) == 7
    answer = api.client.get("/api/v1/column-lineage", params={"nodeId": versioned, "withDownstream": "true"})
    assert answer.status_code == 400


def test_search(api: Served) -> None:
    found = got(api, "/api/v1/search", q="sta", filter="JOB", sort="NAME")
    assert [(each["nodeId"], each["type"]) for each in found["results"]] == [("job:shop:stage", "JOB")]
    assert got(api, "/api/v1/search", q="m", limit=1)["totalCount"] == 3


def test_what_the_index_does_not_keep_is_empty(api: Served) -> None:
    assert got(api, "/api/v1/events/lineage", limit=10) == {"events": [], "totalCount": 0}


def test_tags_that_stand_on_something_are_listed(api: Served) -> None:
    names = [{"name": name, "description": None} for name in ("money", "pii")]
    assert got(api, "/api/v1/tags") == {"tags": names}
    assert got(api, "/api/v1/tags", limit=1, offset=1) == {"tags": names[1:]}


def test_statistics(api: Served) -> None:
    for what, count in (("jobs", 3), ("datasets", 4), ("sources", 1)):
        day = got(api, f"/api/v1/stats/{what}", period="DAY", timezone="Europe/Berlin")
        assert (len(day), day[-1]["count"]) == (24, count)
    assert len(got(api, "/api/v1/stats/lineage-events", period="WEEK")) == 7


def test_runs_are_counted_by_the_interval_in_which_they_started_and_ended() -> None:
    fails = event("stage", "FAIL", minutes=59, run=1)
    starts = [event("stage", "START", minutes=minutes, run=run) for minutes, run in ((1, 1), (61, 2))]
    day = run_counts(View(memory(*starts, fails)).all_jobs(), "DAY", us(65))
    counts = {"start": 1, "complete": 0, "fail": 0, "abort": 0}
    assert day[-1] == {"startInterval": full(60), "endInterval": full(120), **counts}
    assert (day[-2]["start"], day[-2]["fail"]) == (1, 1)
    assert [each["count"] for each in counted([us(-9999), us(30), us(61)], "DAY", us(65))[-3:]] == [1, 2, 3]


def full(minutes: float) -> str:
    return rfc3339(us(minutes))


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (f"{IN_WAREHOUSE}/datasets/none", 404),
        (f"{IN_SHOP}/jobs/none", 404),
        ("/api/v1/namespaces/none", 404),
        (f"/api/v1/jobs/runs/{run_id(99)}", 404),
        (f"/api/v1/lineage?nodeId=dataset:{NAMESPACE}:none", 404),
        ("/api/v1/lineage", 400),
        ("/api/v1/stats/runs", 400),
        ("/api/v1/stats/jobs?period=YEAR", 400),
        ("/api/v1/lineage?nodeId=table:a:b", 400),
        ("/api/v1/lineage?nodeId=job:shop:stage&depth=-1", 400),
        ("/api/v1/search?q=a&filter=TABLE", 400),
    ],
)
def test_errors_have_marquezs_form(api: Served, url: str, status: int) -> None:
    answer = api.client.get(url)
    assert (answer.status_code, answer.json()["code"]) == (status, status)
    assert answer.json()["message"]


def test_a_dropped_dataset_says_so() -> None:
    gone = event(
        "drop", minutes=5, run=1, outputs=[table("t", lifecycleStateChange=facet(lifecycleStateChange="DROP"))]
    )
    with served(memory(event(outputs=[table("t")]), gone)) as api:
        found = got(api, f"{IN_WAREHOUSE}/datasets/t")
        assert (found["lastLifecycleState"], found["deleted"]) == ("DROP", True)
