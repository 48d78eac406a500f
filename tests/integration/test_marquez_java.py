"""The real marquez-java, as Maven's repository has it, at an API that runs: all it asks, all it writes."""

from __future__ import annotations

import pytest

from processor.local import KafkaCluster
from tests.integration.test_api_process import serving
from tests.support.events import at, column_lineage, event, facet, run_id, schema, table
from tests.support.indexing import World, encoded
from tests.support.marquez_java import Answer, Call, run
from tests.waiting import eventually

NAMED = "food 100% é"
MADE = table(
    "stg.orders #1?",
    NAMED,
    schema=schema("id:int", "total:int"),
    columnLineage=column_lineage({"total": [("raw", "amount")]}, NAMED),
    documentation=facet(description="Staged."),
    tags=facet(tags=[{"key": "pii", "value": "true"}, {"key": "money", "value": "", "field": "total"}]),
)
RAW = table("raw", NAMED, schema=schema("id:int", "amount:int"))
PATH = table("a/b c", "s3://bucket", schema=schema("id:int"))
STREAM = table("clicks", "kafka:broker", schema={**facet(), "fields": [{"name": "who"}]})
CODE = {"sourceCodeLocation": facet(type="git", url="https://example.com/repo")}
EVENTS = (
    event("load", inputs=[RAW], outputs=[MADE], job_facets=CODE),
    event("load", "FAIL", minutes=5, run=1, inputs=[RAW]),
    event("load", "START", minutes=9, run=2, inputs=[RAW, PATH]),
    event(
        "other",
        run=7,
        inputs=[RAW, STREAM],
        job_facets={"sourceCodeLocation": facet(type="git", url="git@host:a/b.git")},
    ),
    event(
        "spread",
        None,
        run=8,
        inputs=[STREAM],
        job_facets={"jobType": facet(processingType="STREAMING", integration="FLINK")},
    ),
)
READS: dict[str, Call] = {
    "namespaces": ["listNamespaces"],
    "second namespace": ["listNamespaces", 1, 1],
    "namespace": ["getNamespace", NAMED],
    "sources": ["listSources"],
    "second source": ["listSources", 10, 1],
    "source": ["getSource", NAMED],
    "datasets": ["listDatasets", NAMED],
    "first dataset": ["listDatasets", NAMED, 1, 0],
    "dataset": ["getDataset", NAMED, "stg.orders #1?"],
    "stream": ["getDataset", "kafka:broker", "clicks"],
    "URL": ["getNamespace", "s3://bucket"],
    "path": ["getDataset", "s3://bucket", "a/b c"],
    "jobs": ["listJobs", "shop"],
    "second job": ["listJobs", "shop", 1, 1],
    "job": ["getJob", "shop", "load"],
    "runs": ["listRuns", "shop", "load"],
    "second run": ["listRuns", "shop", "load", 1, 1],
    "run": ["getRun", run_id(0)],
    "tags": ["listTags"],
    "some tags": ["listTags", 5, 0],
}
UNKNOWN: list[Call] = [
    ["getNamespace", "none"],
    ["getSource", "none"],
    ["getDataset", NAMED, "none"],
    ["getJob", "shop", "none"],
    ["listRuns", "shop", "none"],
    ["getRun", run_id(99)],
]
WRITES: dict[str, Call] = {
    "namespace": ["createNamespace", "new", {"NamespaceMeta": {"ownerName": "me"}}],
    "source": ["createSource", "new", {"SourceMeta": {"type": "POSTGRESQL", "connectionUrl": "jdbc:postgresql://new"}}],
    "dataset": ["createDataset", NAMED, "new", {"DbTableMeta": {"physicalName": "new", "sourceName": NAMED}}],
    "job": ["createJob", "shop", "new", {"JobMeta": {"type": "BATCH", "location": "https://example.com"}}],
    "run": ["createRun", "shop", "load", {"RunMeta": {"id": run_id(5)}}],
    "begun": ["createRunAndStart", "shop", "load", {"RunMeta": {"id": run_id(6)}}],
    **{state: [f"markRunAs{state}", run_id(2)] for state in ("Running", "Completed", "Failed", "Aborted")},
    "tagged": ["tagDatasetWith", NAMED, "raw", "pii"],
    "tagged column": ["tagFieldWith", NAMED, "raw", "id", "key"],
    "tagged path": ["tagFieldWith", "s3://bucket", "a/b c", "id", "key"],
}
SENT = len(WRITES) - len(("namespace", "source")) + len(("start of begun",))


@pytest.fixture
def world(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> World:
    return World.make(kafka.bootstrap, redis_url, topic_prefix)


def test_marquez_java_asks_and_writes_unchanged(world: World) -> None:
    calls = [*READS.values(), *UNKNOWN, *WRITES.values()]
    with serving(world) as api:
        assert api.ask("POST", "/api/v1/lineage", b"[" + b",".join(encoded(EVENTS)) + b"]")[0] == 201
        world.catch_up()
        assert eventually(lambda: len(api.ask("GET", "/api/v1/jobs")[2]["jobs"]) == 3)
        answers = run(api.url, calls)
        assert len(world.read(world.settings.topics.events)) == len(EVENTS) + SENT
        world.catch_up()
        assert world.dead_letters() == []
        [raw] = run(api.url, [["getDataset", NAMED, "raw"]])
    assert len(answers) == len(calls)
    reads, writes = dict(zip(READS, answers, strict=False)), dict(zip(WRITES, answers[-len(WRITES) :], strict=True))
    assert {name: answer for name, answer in (reads | writes).items() if "value" not in answer} == {}
    said_of_places({name: answer["value"] for name, answer in reads.items()})
    said_of_jobs({name: answer["value"] for name, answer in reads.items()})
    not_found(answers[len(READS) : -len(WRITES)])
    said_of_writes({name: answer["value"] for name, answer in writes.items()})
    assert (raw["value"]["tags"], raw["value"]["fields"][0]["tags"]) == (["pii"], ["key"])


def said_of_places(said: Answer) -> None:
    assert [each["name"] for each in said["namespaces"]] == [NAMED, "kafka:broker", "s3://bucket", "shop"]
    assert said["second namespace"] == said["namespaces"][1:2]
    assert said["namespace"] == said["namespaces"][0]
    assert said["sources"][:1] == [said["source"]]
    assert [each["name"] for each in said["second source"]] == ["kafka:broker", "s3://bucket"]
    assert said["source"]["name"] == NAMED
    assert [each["name"] for each in said["datasets"]] == ["raw", "stg.orders #1?"]
    assert said["first dataset"] == said["datasets"][:1]
    assert said["dataset"] == said["datasets"][1]
    assert said["dataset"]["id"] == {"namespace": NAMED, "name": "stg.orders #1?"}
    assert (said["dataset"]["description"], said["dataset"]["tags"]) == ("Staged.", ["pii"])
    assert [(field["name"], field["type"]) for field in said["dataset"]["fields"]] == [("id", "int"), ("total", "int")]
    assert said["dataset"]["fields"][1]["tags"] == ["money"]
    assert (said["stream"]["type"], said["stream"]["fields"][0]["type"]) == ("STREAM", "UNKNOWN")
    assert (said["URL"]["name"], said["path"]["id"]) == ("s3://bucket", {"namespace": "s3://bucket", "name": "a/b c"})
    assert [tag["name"] for tag in said["tags"]] == [tag["name"] for tag in said["some tags"]] == ["money", "pii"]


def said_of_jobs(said: Answer) -> None:
    assert [each["name"] for each in said["jobs"]] == ["load", "other", "spread"]
    assert [each["type"] for each in said["jobs"]] == ["BATCH", "BATCH", "STREAM"]
    assert said["second job"] == said["jobs"][1:2]
    assert said["job"] == said["jobs"][0]
    assert [each["location"] for each in said["jobs"]] == ["https://example.com/repo", None, None]
    assert sorted(each["namespace"] for each in said["job"]["inputs"]) == [NAMED, "s3://bucket"]
    assert said["job"]["outputs"] == [MADE_ID]
    assert said["job"]["latestRun"] == said["runs"][0]
    assert [(each["id"], each["state"]) for each in said["runs"]] == [
        (run_id(2), "RUNNING"),
        (run_id(1), "FAILED"),
        (run_id(0), "COMPLETED"),
    ]
    assert said["second run"] == said["runs"][1:2]
    assert said["run"] == said["runs"][2]
    assert said["run"]["endedAt"] == at(0)


MADE_ID = {"namespace": NAMED, "name": MADE["name"]}


def said_of_writes(said: Answer) -> None:
    assert [said[name]["name"] for name in ("namespace", "source", "dataset", "job")] == ["new"] * 4
    assert (said["dataset"]["id"], said["dataset"]["sourceName"]) == ({"namespace": NAMED, "name": "new"}, NAMED)
    assert said["job"]["location"] == "https://example.com"
    assert [(said[name]["id"], said[name]["state"]) for name in ("run", "begun")] == [
        (run_id(5), "NEW"),
        (run_id(6), "RUNNING"),
    ]
    states = [said[name]["state"] for name in ("Running", "Completed", "Failed", "Aborted")]
    assert states == ["RUNNING", "COMPLETED", "FAILED", "ABORTED"]
    assert (said["tagged"]["tags"], said["tagged column"]["fields"][0]["tags"]) == (["pii"], ["key"])
    assert said["tagged path"]["fields"][0]["tags"] == ["key"]


def not_found(answers: list[Answer]) -> None:
    """The client got hold of each, by the code and the sentence that it was told."""
    for answer in answers:
        assert (answer.get("error"), answer["code"]) == ("MarquezHttpException", 404), answer
        assert "not found" in answer["message"]
