"""The demo as a stranger runs it, without a terminal: it tells its story, alerts fire, and nothing stays behind."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import COMMAND, Lineage, environment
from tests.waiting import GUARD_S, eventually


class Demo:
    """A demo that runs, its lines as they come, and every process that it has brought into being."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.log = folder / "demo.log"
        scratch = folder / "scratch"
        scratch.mkdir()
        self.scratch = scratch
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "demo", *arguments],
                cwd=folder,
                env=environment(
                    TMPDIR=str(scratch), PYTHONFAULTHANDLER="1", LINEAGE_REDIS_URL="redis://not.this.one:1/0"
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def text(self) -> str:
        return self.log.read_text()

    def says(self, words: str) -> bool:
        return eventually(lambda: words in self.text or self.process.poll() is not None) and words in self.text

    def descendants(self) -> set[int]:
        """Process ids of all children, theirs, and so on."""
        listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)  # noqa: S607
        pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
        found = {self.process.pid}
        while fresh := {pid for pid, parent in pairs if parent in found} - found:
            found |= fresh
        return found - {self.process.pid}

    def end(self, number: signal.Signals) -> int:
        """Ask it to end and return its exit code; one that does not end says where each of its threads stands."""
        self.process.send_signal(number)
        try:
            return self.process.wait(2 * GUARD_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            return self.process.wait()


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    """Demos to be ended should a test fail."""
    started: list[Demo] = []
    yield started
    for demo in started:
        demo.process.kill()
        demo.process.wait()


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if is_running(pid)}


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_story_is_told_to_its_end(tmp_path: Path, demos: list[Demo]) -> None:
    demo = Demo(tmp_path, "--play", "15", "--exit-after-play")
    demos.append(demo)
    assert demo.process.wait() == 0, demo.text
    for words in (
        "critical  schema_drift  Column discount was dropped from acme.raw.orders",
        "churn_model.churn_score",
        "warning  orphan_dataset  Dataset acme.raw.fx_rates",
        "warning  silent_job  Job acme-airflow.marketing_sync",
        "stuck_run",
        "The HTTP API listens, too: http://127.0.0.1:",
        "resolved  schema_drift  Column paid",
    ):
        assert words in demo.text
    assert "dead letters 0" in demo.text
    assert list(demo.scratch.iterdir()) == []
    assert list((tmp_path / ".lineage").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_other_commands_find_it_and_its_end_leaves_nothing(
    tmp_path: Path, demos: list[Demo], lineage: Lineage, number: signal.Signals
) -> None:
    demo = Demo(tmp_path, "--play", "10")
    demos.append(demo)
    assert demo.says("Somebody drops"), demo.text
    assert eventually(lambda: lineage("show", "raw.orders", "-o", "json").code == 0)
    assert lineage.ok("topics", "create").err == "lineage: all topics are there, as they must be\n"
    second = lineage("demo")
    assert (second.code, second.out, len(second.err.splitlines())) == (2, "", 1)
    assert "runs here already" in second.err
    children = demo.descendants()
    assert len(children) >= 6
    assert demo.end(number) == 0, demo.text
    assert eventually(lambda: not alive(children))
    assert list(demo.scratch.iterdir()) == []
    assert list((tmp_path / ".lineage").iterdir()) == []


def test_killed_without_mercy_it_takes_its_children_along(tmp_path: Path, demos: list[Demo], lineage: Lineage) -> None:
    demo = Demo(tmp_path, "--play", "60")
    demos.append(demo)
    assert demo.says("ordinary days begin"), demo.text
    children = demo.descendants()
    demo.end(signal.SIGKILL)
    assert eventually(lambda: not alive(children))
    assert lineage.ok("export", "nodes").out == ""


def test_interrupted_at_its_start_it_ends_just_as_well(tmp_path: Path, demos: list[Demo]) -> None:
    demo = Demo(tmp_path)
    demos.append(demo)
    assert demo.says("Starting Apache Kafka"), demo.text
    assert eventually(lambda: bool(demo.descendants()))
    children = demo.descendants()
    assert demo.end(signal.SIGINT) == 0, demo.text
    assert eventually(lambda: not alive(children))
    assert list(demo.scratch.iterdir()) == []
