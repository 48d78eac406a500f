"""Where a command finds the index when nothing is set."""

import json
import os
from pathlib import Path

import pytest
import redis

from processor.home import Demo, announced, running_demo, with_kafka, with_redis
from processor.index.progress import Clock
from processor.model.errors import DependencyError, UsageError
from processor.settings import Settings

DEMO = Demo(os.getpid(), "redis://127.0.0.1:1111/0", "127.0.0.1:2222", 3333)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("LINEAGE_"):
            monkeypatch.delenv(name)
    return Settings(home=tmp_path / "home")


def test_a_demo_is_found_while_it_runs(settings: Settings) -> None:
    assert running_demo(settings.home) is None
    with announced(settings.home, DEMO):
        assert running_demo(settings.home) == DEMO
        with with_redis(settings) as chosen:
            assert chosen.redis_url == DEMO.redis_url
            assert chosen.kafka == {"bootstrap.servers": DEMO.bootstrap}
            assert chosen.clock is Clock.STREAM
            assert (chosen.api.host, chosen.api.port) == (settings.api.host, DEMO.api_port)
        assert with_kafka(settings).kafka == {"bootstrap.servers": DEMO.bootstrap}
    assert running_demo(settings.home) is None
    assert list(settings.home.iterdir()) == []


def test_what_a_dead_demo_left_is_dropped(settings: Settings) -> None:
    settings.home.mkdir()
    left = settings.home / "demo.json"
    left.write_text(json.dumps({"pid": os.getpid(), "redis_url": "redis://gone", "bootstrap": "gone"}))
    assert running_demo(settings.home) is None
    assert not left.exists()


def test_a_second_demo_is_refused(settings: Settings) -> None:
    with (
        announced(settings.home, DEMO),
        pytest.raises(UsageError, match="LINEAGE_HOME"),
        announced(settings.home, DEMO),
    ):
        pass
    assert running_demo(settings.home) is None


def test_addresses_that_are_set_win(settings: Settings) -> None:
    mine = settings.changed(redis_url="redis://mine:6379/0", kafka={"bootstrap.servers": "mine:9092"})
    with announced(settings.home, DEMO), with_redis(mine) as chosen:
        assert chosen == mine
        assert with_kafka(mine) == mine


def test_the_embedded_valkey_keeps_what_was_written(settings: Settings) -> None:
    for expected in (1, 2, 3):
        with with_redis(settings) as chosen, redis.Redis.from_url(chosen.require_redis()) as client:
            assert client.incr("counted") == expected
    with pytest.raises(redis.ConnectionError), redis.Redis.from_url(chosen.require_redis()) as client:
        client.ping()


def test_a_home_that_cannot_be_written_is_a_usage_error(settings: Settings) -> None:
    settings.home.write_text("a file where the folder should be")
    with pytest.raises(UsageError, match="LINEAGE_HOME"), with_redis(settings):
        pass


def test_data_that_valkey_cannot_read_is_a_failed_dependency(settings: Settings) -> None:
    with with_redis(settings):
        pass
    for manifest in (settings.home / "valkey" / "appendonlydir").glob("*.manifest"):
        manifest.write_text("nonsense\n")
    with pytest.raises(DependencyError, match="Valkey"), with_redis(settings):
        pass
