"""Every question of Marquez's web UI (0.51), written as it writes it, and every member that it reads of an answer.

Source: the requests and the types of its web client. `members` is a form: a dict's members are read of an object, a
list's one member of each that stands in the list; None is a value of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.api import Served, served
from tests.support.events import NAMESPACE, PIPELINE, memory, run_id
from tests.unit.test_api_marquez import DOCUMENTED

IN_WAREHOUSE = f"namespaces/{quote(NAMESPACE, safe='')}"
SOONER, LATER = "2026-03-01T00:00:00.000Z", "2026-03-02T00:00:00.000Z"
Form = dict[str, Any] | list[Any] | None


def of(*members: str, **nested: Form) -> dict[str, Any]:
    return {**dict.fromkeys(members), **nested}


ID = of("namespace", "name")
RUN = of(
    *("id", "createdAt", "updatedAt", "nominalStartTime", "nominalEndTime", "state", "startedAt", "endedAt"),
    *("durationMs", "args", "facets"),
    jobVersion=of("name", "namespace", "version"),
)
NAMED = of("type", "name", "createdAt", "updatedAt", "namespace", "description", id=ID)
JOB = of("location", "tags", inputs=[ID], outputs=[ID], latestRun=RUN, latestRuns=[RUN], **NAMED)
FIELDS = [of("name", "type", "tags", "description")]
DATASET = of("physicalName", "sourceName", "tags", "lastModifiedAt", "facets", fields=FIELDS, **NAMED)
INPUT = of("namespace", "dataset", "field", "transformationDescription", "transformationType")
WHOLE_DATASET = of("deleted", columnLineage=[of("name", inputFields=[INPUT])], **DATASET)
VERSION = of("version", "lifecycleState", createdByRun=RUN, **{**DATASET, "id": of("version", **ID)})
EDGES = [of("origin", "destination")]
NODE = of("id", "type", inEdges=EDGES, outEdges=EDGES)
GRAPH = of(graph=[of(data=of("type", "name", "createdAt", "updatedAt", "namespace", "description", id=ID), **NODE)])
FIELD_DATA = of(
    *("namespace", "dataset", "datasetVersion", "field", "fieldType"),
    *("transformationDescription", "transformationType"),
    inputFields=[of("datasetVersion", **INPUT)],
)
INTERVAL = ("startInterval", "endInterval")


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    with served(memory(*PIPELINE, DOCUMENTED)) as there:
        yield there


def lacking(answer: Any, form: Form, at: str = "") -> Iterator[str]:  # noqa: ANN401  any JSON
    """Where members that the form has are not there. The first of a list has to be."""
    if isinstance(form, list):
        if not isinstance(answer, list):
            yield f"{at} is no list"
            return
        for number, each in enumerate(answer):
            yield from lacking(each, form[0], f"{at}[{number}]")
    elif isinstance(form, dict):
        for name, inner in form.items():
            if not isinstance(answer, dict) or name not in answer:
                yield f"{at}.{name}"
            elif answer[name] is not None:
                yield from lacking(answer[name], inner, f"{at}.{name}")


@pytest.mark.parametrize(
    ("path", "members"),
    [
        (
            "namespaces",
            of(namespaces=[of("name", "createdAt", "updatedAt", "ownerName", "description", "isHidden")]),
        ),
        (f"{IN_WAREHOUSE}/datasets?limit=20&offset=0", of("totalCount", datasets=[WHOLE_DATASET])),
        (f"{IN_WAREHOUSE}/datasets/stg", WHOLE_DATASET),
        (f"{IN_WAREHOUSE}/datasets/stg/versions?limit=100&offset=0", of("totalCount", versions=[VERSION])),
        ("jobs?limit=20&offset=0", of("totalCount", jobs=[JOB])),
        ("jobs?limit=20&offset=0&lastRunStates=COMPLETED", of("totalCount", jobs=[JOB])),
        ("namespaces/shop/jobs?limit=700", of("totalCount", jobs=[JOB])),
        ("namespaces/shop/jobs?limit=20&offset=0&lastRunStates=RUNNING", of("totalCount", jobs=[JOB])),
        ("namespaces/shop/jobs/stage", JOB),
        ("namespaces/shop/jobs/stage/runs?limit=14&offset=0", of("totalCount", runs=[RUN])),
        (f"jobs/runs/{run_id(0)}/facets?type=run", of("runId", "facets")),
        (f"jobs/runs/{run_id(0)}/facets?type=job", of("runId", "facets")),
        (f"lineage?nodeId=dataset:{NAMESPACE}:mart&depth=2", GRAPH),
        (f"lineage/?nodeId=dataset:{NAMESPACE}:mart&depth=2", GRAPH),
        ("lineage?nodeId=job:shop:stage&depth=2", GRAPH),
        (
            f"column-lineage?nodeId=dataset:{quote(NAMESPACE, safe='')}:stg&depth=2&withDownstream=true",
            of(graph=[of(data=FIELD_DATA, **NODE)]),
        ),
        (
            "search/?q=sta&sort=NAME&limit=100",
            of("totalCount", results=[of("name", "namespace", "nodeId", "type", "updatedAt")]),
        ),
        ("search/?q=st&sort=UPDATE_AT&limit=100&filter=DATASET", of("totalCount", results=[of("nodeId", "type")])),
        (
            "stats/lineage-events?period=DAY&timezone=Europe/Berlin",
            [of("fail", "start", "complete", "abort", *INTERVAL)],
        ),
        ("stats/jobs?period=WEEK&timezone=UTC", [of("count", *INTERVAL)]),
        ("stats/datasets?period=DAY&timezone=UTC", [of("count", *INTERVAL)]),
        ("stats/sources?period=DAY&timezone=UTC", [of("count", *INTERVAL)]),
        ("tags", of("tags")),
        (
            f"events/lineage?limit=100&before={LATER}&after={SOONER}&offset=0&sortDirection=desc",
            of("totalCount", "events"),
        ),
    ],
)
def test_what_the_web_ui_asks_is_answered_with_all_that_it_reads(api: Served, path: str, members: Form) -> None:
    answer = api.client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    assert list(lacking(answer.json(), members)) == []


def test_it_is_told_of_every_node_that_it_draws(api: Served) -> None:
    """The UI takes a graph apart by the ids of nodes and by what their edges name."""
    graph = api.client.get(f"/api/v1/lineage?nodeId=dataset:{NAMESPACE}:mart&depth=5").json()["graph"]
    ids = {node["id"] for node in graph}
    named = {end for node in graph for edge in (*node["inEdges"], *node["outEdges"]) for end in edge.values()}
    assert len(ids) == len(graph) > 1
    assert named <= ids
    assert {node["data"]["type"] for node in graph} <= {"BATCH", "STREAM", "SERVICE", "DB_TABLE"}
    assert all("latestRun" in n["data"] for n in graph if n["type"] == "JOB")
    assert all(isinstance(n["data"]["fields"], list) for n in graph if n["type"] == "DATASET")


@pytest.mark.parametrize(
    ("method", "path", "members"),
    [
        ("POST", f"{IN_WAREHOUSE}/datasets/stg/tags/pii", WHOLE_DATASET),
        ("POST", f"{IN_WAREHOUSE}/datasets/stg/fields/id/tags/pii", WHOLE_DATASET),
        ("DELETE", f"{IN_WAREHOUSE}/datasets/stg/fields/id/tags/pii", WHOLE_DATASET),
        ("DELETE", f"{IN_WAREHOUSE}/datasets/stg/tags/pii", WHOLE_DATASET),
        ("POST", "namespaces/shop/jobs/stage/tags/pii", JOB),
        ("DELETE", "namespaces/shop/jobs/stage/tags/pii", JOB),
        ("DELETE", f"{IN_WAREHOUSE}/datasets/stg", WHOLE_DATASET),
        ("PUT", "tags/pii", of("name", "description")),
    ],
)
def test_what_it_writes_is_answered_with_all_that_it_reads(api: Served, method: str, path: str, members: Form) -> None:
    answer = api.client.request(method, f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    assert list(lacking(answer.json(), members)) == []


@pytest.mark.parametrize("path", ["namespaces/shop/jobs/stage", "namespaces/shop"])
def test_what_no_event_says_is_refused_in_its_form(api: Served, path: str) -> None:
    answer = api.client.delete(f"/api/v1/{path}")
    assert (answer.status_code, answer.json()["code"]) == (405, 405)
    assert "no lineage event says this" in answer.json()["message"]


def test_a_slash_that_is_not_encoded_is_said_to_be_the_matter(api: Served) -> None:
    answer = api.client.post("/api/v1/namespaces/s3://bucket/datasets/stg/tags/pii")
    assert (answer.status_code, answer.json()["code"]) == (404, 404)
    assert "%2F" in answer.json()["message"]
