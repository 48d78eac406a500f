"""`lineage topics create`, and what a worker and the doctor say of topics that are not as they must be."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from processor import settings as settings_of
from processor import topics
from processor.model.errors import UsageError
from tests.support.command import Lineage


@pytest.fixture
def admin(cluster: Lineage) -> AdminClient:
    return AdminClient({"bootstrap.servers": cluster.settings["LINEAGE_KAFKA__BOOTSTRAP_SERVERS"]})


def make(admin: AdminClient, cluster: Lineage, name: str, partitions: int, config: Mapping[str, str]) -> str:
    topic = cluster.settings[f"LINEAGE_TOPICS__{name}"]
    admin.create_topics([NewTopic(topic, partitions, 1, config=dict(config))])[topic].result(30)
    return topic


@pytest.fixture
def wrong(cluster: Lineage, admin: AdminClient) -> Lineage:
    """Topics of which nearly everything is wrong."""
    make(admin, cluster, "EVENTS", 1, {"retention.ms": "3600000", "cleanup.policy": "compact"})
    make(admin, cluster, "ALERTS", 1, {"cleanup.policy": "delete"})
    make(admin, cluster, "DEAD_LETTERS", 1, {"max.message.bytes": "1000"})
    return cluster.having(LINEAGE_TOPICS__PARTITIONS="4")


def test_what_is_missing_is_told_then_created_once(cluster: Lineage) -> None:
    told = cluster("topics", "create", "--dry-run")
    assert told.code == 1
    assert [line.startswith("lineage: would create ") for line in told.err.splitlines()] == [True] * 4
    assert told.err.replace("would create", "created") == cluster.ok("topics", "create").err
    assert "cleanup.policy=compact" in told.err
    again = cluster.ok("topics", "create", "--dry-run", "--fix")
    assert again.err == "lineage: all topics are there, as they must be\n"


def test_what_is_wrong_is_told_and_left_until_it_is_to_be_fixed(
    wrong: Lineage, admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = wrong("topics", "create")
    assert said.code == 1
    faults = [line for line in said.err.splitlines() if line.startswith("lineage: wrong: ")]
    for of in ("partitions=1, not 4", "retention.ms=3600000, not 604800000", "cleanup.policy=delete, not compact"):
        assert sum(of in line for line in faults) == 1
    assert len(faults) == 5
    fixed = wrong.ok("topics", "create", "--fix").err
    assert fixed.splitlines() == [line.replace("wrong: ", "changed: ") for line in faults]
    for name, value in wrong.settings.items():
        monkeypatch.setenv(name, value)
    assert topics.wrong_topics(settings_of.load()) == []
    events = wrong.settings["LINEAGE_TOPICS__EVENTS"]
    assert len(admin.list_topics(timeout=10).topics[events].partitions) == 4


def test_a_worker_says_it_in_one_line_and_ends(wrong: Lineage) -> None:
    made = wrong("topics", "create")
    assert made.code == 1
    for role in ("indexer", "alerter"):
        done = wrong.having(LINEAGE_LOG_LEVEL="error")("run", "--role", role)
        assert done.code == 2
        assert len(done.err.splitlines()) == 1
        assert "cleanup.policy=compact, not delete" in done.err
        assert "4 more" in done.err
        assert "lineage topics create --fix" in done.err


def test_the_doctor_lists_every_wrong_thing_at_once_with_what_to_do(wrong: Lineage) -> None:
    bad = wrong.having(LINEAGE_REDIS_URI="redis://x", LINEAGE_BATCH_SIZE="0", LINEAGE_POLICY="/no/such/policy.yaml")
    done = bad("doctor", "-o", "json")
    assert done.code == 2
    found = [(check["name"], check["detail"]) for check in done.json if check["ok"] is False]
    names = [name for name, _ in found]
    assert {name: names.count(name) for name in names} == {
        "settings": 2,
        "policy": 1,
        "topics": 1,
        "topic settings": 5,
    }
    assert all(check["advice"] for check in done.json if check["ok"] is False)
    assert done.err == "lineage: settings that are wrong: 2\n"


def test_who_may_not_see_how_topics_are_set_up_may_still_work(
    cluster: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.ok("topics", "create")
    for name, value in cluster.settings.items():
        monkeypatch.setenv(name, value)
    settings = settings_of.load()

    def refuse(*_: object) -> None:
        raise UsageError("the broker does not tell")

    monkeypatch.setattr(topics, "describe", refuse)
    assert topics.ensure_topics(settings) == []
    with pytest.raises(UsageError):
        topics.wrong_topics(settings)
