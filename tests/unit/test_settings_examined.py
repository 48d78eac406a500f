"""All that is wrong with the settings is told at once, and what is right is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from processor.settings_examined import examine


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_nothing_wrong_is_nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_TOPICS__PARTITIONS", "3")
    settings, problems = examine()
    assert settings
    assert (settings.topics.partitions, problems) == (3, [])


def test_every_wrong_setting_has_its_line_and_the_right_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "LINEAGE_REDIS_URI": "redis://x",
        "LINEAGE_TOPICS__EVENT": "x",
        "LINEAGE_TOPICS__PARTITIONS": "many",
        "LINEAGE_TOPICS__ALERTS": "of.mine",
        "LINEAGE_KAFKA__ACKS": "1",
        "LINEAGE_KAFKA__BOOTSTRAP_SERVERS": "kafka:9092",
        "LINEAGE_INPUTS": "a=b",
        "LINEAGE_BATCH_SIZE": "0",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    Path("lineage.toml").write_text("[http]\nport = 1\n[api]\nport = 9000\n", encoding="utf-8")
    settings, problems = examine()
    said = ("LINEAGE_REDIS_URL?", "LINEAGE_TOPICS__EVENTS?", "PARTITIONS", "acks", "INPUTS", "BATCH_SIZE", "http.port")
    assert [sum(word in line for line in problems) for word in said] == [1] * len(said), problems
    assert len(problems) == len(said)
    assert settings
    assert (settings.topics.alerts, settings.topics.partitions, settings.api.port) == ("of.mine", 6, 9000)
    assert settings.kafka == {"bootstrap.servers": "kafka:9092"}


def test_settings_that_contradict_each_other_leave_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_TOPICS__EVENTS", "lineage.alerts")
    monkeypatch.setenv("LINEAGE_REDIS_URI", "x")
    settings, problems = examine()
    assert settings is None
    assert len(problems) == 2


def test_a_file_that_cannot_be_read_is_one_of_the_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_CONFIG", "no-such-file")
    monkeypatch.setenv("LINEAGE_API__PORT", "-1")
    settings, problems = examine()
    assert settings
    assert ["no-such-file" in problems[0], "LINEAGE_API__PORT" in problems[1]] == [True, True]
