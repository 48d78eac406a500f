"""The same files through real Kafka and straight into the index: the same index."""

import json
import signal
import subprocess
from pathlib import Path

from confluent_kafka import Producer

from processor.alerter.life import fire
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.codec import encode_alert
from tests.support.command import COMMAND, Lineage, environment
from tests.support.events import jb

SAMPLES = Path(__file__).parents[1] / "samples"


def test_produced_and_run_gives_the_index_that_load_gives(lineage: Lineage, cluster: Lineage) -> None:
    files = sorted(SAMPLES.glob("*.ndjson"))[:1] + sorted(SAMPLES.glob("*.json"))
    lineage.ok("load", "--strict", *files)
    assert "created" in cluster.ok("topics", "create").err
    assert "all topics are there" in cluster.ok("topics", "create").err
    cluster.ok("load", "--strict", "--produce", *files)
    cluster.ok("run", "--until-caught-up")
    assert cluster.ok("export", "edges").out == lineage.ok("export", "edges").out
    assert cluster.ok("digest").out == lineage.ok("digest").out
    assert cluster.ok("dead-letters", "list", "-o", "json").json == []


def test_what_cannot_be_used_ends_in_the_dead_letters_with_its_bytes(cluster: Lineage) -> None:
    cluster.ok("topics", "create")
    bad = [b"\xde\xad\xbe\xef", b'{"eventTime": "yesterday", "producer": "p", "job": {"namespace": "n", "name": "j"}}']
    sent = cluster("load", "--strict", "--produce", "-", stdin=b"\n".join(bad))
    assert sent.code == 1
    cluster.ok("run", "--role", "indexer", "--until-caught-up")
    letters = cluster.ok("dead-letters", "list", "-o", "ndjson").lines
    assert sorted(letter["reason"] for letter in letters) == ["bad_time", "unknown_format"]
    by_reason = {letter["reason"]: letter for letter in letters}
    assert by_reason["bad_time"]["pointer"] == "/eventTime"
    assert by_reason["bad_time"]["source"].startswith(cluster.settings["LINEAGE_TOPICS__EVENTS"])
    shown = cluster.ok("dead-letters", "show", by_reason["bad_time"]["where"], "-o", "json").json
    assert shown["value"].encode() == bad[1]
    assert shown["key"] == "job:n/j"
    assert "lineage.reason" in {header["name"] for header in shown["headers"]}
    shown = cluster.ok("dead-letters", "show", by_reason["unknown_format"]["where"], "-o", "json").json
    assert shown["value_base64"] == "3q2+7w=="
    only = cluster.ok("dead-letters", "list", "--reason", "bad_time", "-o", "json").json
    assert [letter["reason"] for letter in only] == ["bad_time"]
    assert len(cluster.ok("dead-letters", "list", "--limit", "1", "-o", "json").json) == 1
    for nowhere in ("0:999999", "77:0"):
        missed = cluster("dead-letters", "show", nowhere)
        assert (missed.code, missed.err) == (1, f"lineage: there is no dead letter {nowhere}\n")


def test_keys_on_the_topic_are_those_of_the_real_client(cluster: Lineage) -> None:
    """Held by the dead letters, which keep the key byte for byte."""
    cluster.ok("topics", "create")
    event = {
        "eventTime": "never",
        "producer": "p",
        "run": {"runId": "r", "facets": {"parent": {"run": {}, "job": {"namespace": "etl", "name": "daily"}}}},
        "job": {"namespace": "etl", "name": "daily.load"},
    }
    done = cluster("load", "--produce", "-", stdin=json.dumps(event).encode())
    assert (done.code, "1 of them will be dead letters" in done.err) == (1, True), done.err
    cluster.ok("run", "--role", "indexer", "--until-caught-up")
    [letter] = cluster.ok("dead-letters", "list", "-o", "json").json
    assert cluster.ok("dead-letters", "show", letter["where"], "-o", "json").json["key"] == "run:etl/daily"


def test_files_are_sent_to_the_topic_that_is_read(cluster: Lineage) -> None:
    topic = f"{cluster.settings['LINEAGE_TOPICS__EVENTS']}-of-mine"
    other = cluster.having(LINEAGE_INPUTS=topic)
    other.ok("topics", "create")
    assert f"sent to {topic}" in other.ok("load", "--produce", SAMPLES / "pipeline.ndjson").err
    other.ok("run", "--role", "indexer", "--until-caught-up")
    assert other.ok("export", "edges").lines


def test_a_topic_that_is_not_there_is_a_usage_error(cluster: Lineage) -> None:
    for command in (("load", "--produce", SAMPLES / "pipeline.ndjson"), ("dead-letters", "list")):
        done = cluster(*command)
        assert done.code == 2
        assert "lineage topics create" in done.err


def test_a_kafka_that_does_not_answer_is_an_unreachable_dependency(cluster: Lineage) -> None:
    away = cluster.having(LINEAGE_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1")
    for command in (("list",), ("show", "0:0")):
        done = away("dead-letters", *command)
        assert done.code == 3
        assert len(done.err.splitlines()) == 1
    assert away("topics", "create").code == 3


def test_the_doctor_says_what_is_wrong_and_what_to_do(cluster: Lineage, lineage: Lineage) -> None:
    missing = cluster("doctor", "-o", "json")
    assert missing.code == 1
    assert any("lineage topics create" in check["advice"] for check in missing.json if check["ok"] is False)
    cluster.ok("topics", "create")
    healthy = cluster.ok("doctor", "-o", "ndjson")
    assert [check for check in healthy.lines if check["ok"] is False] == []
    nothing = lineage("doctor")
    assert nothing.code == 1
    assert "LINEAGE_REDIS_URL" in nothing.out
    assert "LINEAGE_KAFKA__BOOTSTRAP_SERVERS" in nothing.out


def test_alerts_are_followed_from_where_another_one_ended(cluster: Lineage) -> None:
    cluster.ok("topics", "create")
    topic = cluster.settings["LINEAGE_TOPICS__ALERTS"]
    producer = Producer({"bootstrap.servers": cluster.settings["LINEAGE_KAFKA__BOOTSTRAP_SERVERS"]})
    for number in range(3):
        finding = Finding(f"{number:024x}", AlertKind.SILENT_JOB, Severity.WARNING, jb("load"), "It is late.", number)
        step = fire(None, finding, "docs")
        assert step is not None
        producer.produce(topic, encode_alert(step.alert), finding.alert_id, partition=0)
    producer.produce(topic, b"no alert", "other", partition=0)
    assert producer.flush(30) == 0
    follower = [*COMMAND, "alerts", "--follow", "--after", "0:1", "-o", "ndjson"]
    with subprocess.Popen(
        follower,
        cwd=cluster.folder,
        env=environment(**cluster.settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        told = [json.loads(running.stdout.readline())["alert_id"] for _ in range(2)]
        assert told == [f"{1:024x}", f"{2:024x}"]
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    assert "to go on from here: --follow --after 0:" in said
    assert cluster("alerts", "--follow", "--after", "nonsense").code == 2
    assert cluster("alerts", "--follow", "-o", "json").code == 2
