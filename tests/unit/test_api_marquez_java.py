"""Every reading call of marquez-java 0.4.3-rc.1, the newest in Maven's repository, as it makes it.

Source: what the client sends, seen on the wire, and what the models that it decodes answers into have. It fails on any
member that a model has not, and on a null where a model demands a value (`!` here).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from processor.api.marquez.strict import path_as_meant
from tests.support.api import Served, served
from tests.support.events import column_lineage, event, memory, run_id, schema, table

AGENT = {"User-Agent": "marquez-java/0.4.3-SNAPSHOT", "Accept": "application/json; charset=UTF-8"}
ID = {"namespace!": None, "name!": None}
NAMESPACE = "name! createdAt! updatedAt! ownerName! description"
SOURCE = "type! name! createdAt! updatedAt! connectionUrl! description"
RUN = "id! createdAt! updatedAt! nominalStartTime nominalEndTime state! startedAt endedAt durationMs args"
DATASET = "type! name! physicalName! createdAt! updatedAt! namespace! sourceName! tags lastModifiedAt description"
JOB = "type! name! createdAt! updatedAt! namespace! location context description"
Form = dict[str, Any]


def model(members: str, **nested: Form) -> Form:
    return {**dict.fromkeys(members.split()), **{f"{name}!": inner for name, inner in nested.items()}}


A_RUN = model(RUN)
A_DATASET = model(DATASET, id=ID, fields=model("name! type! tags description"))
A_JOB = {**model(JOB, id=ID, inputs=ID, outputs=ID), "latestRun": A_RUN}


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    mapping = column_lineage({"total": [("raw", "amount")]})
    made = table("stg", "food", schema=schema("id:int", "total:int"), columnLineage=mapping)
    events = (
        event("load", inputs=[table("raw", "food", schema=schema("id:int", "amount:int"))], outputs=[made]),
        event("load", "START", minutes=9, run=2, inputs=[table("raw", "food")]),
    )
    with served(memory(*events)) as there:
        yield there


def wrong(answer: Any, form: Form | None, at: str = "") -> Iterator[str]:  # noqa: ANN401  any JSON
    """Where the client would fail."""
    for each in answer if isinstance(answer, list) else [answer]:
        if form is None or not isinstance(each, dict):
            continue
        names = {name.rstrip("!"): name for name in form}
        yield from (f"{at}.{name} is not known" for name in each.keys() - names.keys())
        yield from (f"{at}.{n} is null" for n, name in names.items() if name.endswith("!") and each.get(n) is None)
        for name in each.keys() & names.keys():
            yield from wrong(each[name], form[names[name]], f"{at}.{name}")


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("namespaces?limit=100&offset=0", model("", namespaces=model(NAMESPACE))),
        ("namespaces/food", model(NAMESPACE)),
        ("sources?limit=100&offset=0", model("", sources=model(SOURCE))),
        ("sources/food", model(SOURCE)),
        ("namespaces/food/datasets?limit=100&offset=0", model("", datasets=A_DATASET)),
        ("namespaces/food/datasets/stg", A_DATASET),
        ("namespaces/shop/jobs?limit=100&offset=0", model("", jobs=A_JOB)),
        ("namespaces/shop/jobs/load", A_JOB),
        ("namespaces/shop/jobs/load/runs?limit=100&offset=0", model("", runs=A_RUN)),
        (f"jobs/runs/{run_id(2)}", A_RUN),
        ("tags?limit=100&offset=0", model("", tags=model("name! description"))),
    ],
)
def test_an_answer_has_what_the_client_knows_and_demands(api: Served, path: str, form: Form) -> None:
    answer = api.client.get(f"/api/v1/{path}", headers=AGENT)
    assert answer.status_code == 200
    assert list(wrong(answer.json(), form)) == []


PATHS = [
    ("GET", "namespaces/postgres:/h", "namespaces/postgres:%2F%2Fh"),
    (
        "GET",
        "namespaces/postgres:/h:5432/d/datasets/a/b%20c",
        "namespaces/postgres:%2F%2Fh:5432%2Fd/datasets/a%2Fb%20c",
    ),
    ("GET", "namespaces/s3:/b/datasets", "namespaces/s3:%2F%2Fb/datasets"),
    ("GET", "namespaces/food/jobs/a/b/runs", "namespaces/food/jobs/a%2Fb/runs"),
    ("GET", "namespaces/food/jobs/runs", "namespaces/food/jobs/runs"),
    ("POST", "namespaces/s3:/b/datasets/d/e/tags/t", "namespaces/s3:%2F%2Fb/datasets/d%2Fe/tags/t"),
    ("POST", "namespaces/f/datasets/d/fields/a/b/tags/t", "namespaces/f/datasets/d/fields/a%2Fb/tags/t"),
    ("POST", "namespaces/f/datasets/fields/tags/t", "namespaces/f/datasets/fields/tags/t"),
    ("PUT", "namespaces/f/datasets/x/tags/y", "namespaces/f/datasets/x%2Ftags%2Fy"),
    ("GET", "sources/jdbc:/h/d", "sources/jdbc:%2F%2Fh%2Fd"),
    ("GET", "namespaces", "namespaces"),
    ("GET", "jobs/runs/1", "jobs/runs/1"),
]


@pytest.mark.parametrize(("method", "sent", "meant"), PATHS)
def test_slashes_of_names_are_understood(method: str, sent: str, meant: str) -> None:
    assert path_as_meant(method, f"/api/v1/{sent}") == f"/api/v1/{meant}"


def test_only_the_client_that_loses_slashes_is_understood_so() -> None:
    with served(memory(event("load", inputs=[table("raw", "s3://bucket")]))) as api:
        path = "/api/v1/namespaces/s3:/bucket/datasets/raw"
        assert api.client.get(path, headers=AGENT).json()["id"] == {"namespace": "s3://bucket", "name": "raw"}
        assert api.client.get(path).status_code == 404


@pytest.mark.parametrize("agent", ["marquez-java/0.51.1", "marquez-java/0.40.0", "marquez-java/0.49.0"])
def test_other_clients_are_told_all(api: Served, agent: str) -> None:
    whole = api.client.get("/api/v1/namespaces/food/datasets/stg", headers={"User-Agent": agent}).json()
    assert {".columnLineage is not known", ".facets is not known"} <= set(wrong(whole, A_DATASET))
