"""What a job's runs read and wrote, run after run, and what of it is gone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.detect import broken_lineage, habit
from processor.detect.policy_text import parse_policy
from processor.model.alert import Finding, Severity
from processor.model.history import FinishedRun, JobHistory, RunMembers
from processor.model.identity import Node, dataset, job
from processor.model.observation import RunState

JOB = job("shop", "load_orders")
HOUR_US = 3_600_000_000


def table(name: str) -> Node:
    return dataset("postgres://shop:5432", name)


def run(number: int, inputs: Iterable[str], outputs: Iterable[str]) -> RunMembers:
    read, written = (frozenset(table(name).id for name in names) for names in (inputs, outputs))
    start_us = number * 24 * HOUR_US
    counts = (len(read), len(written), 0)
    done = FinishedRun(f"run-{number}", start_us, start_us + HOUR_US, RunState.COMPLETE, *counts, b"")
    return RunMembers(done, read, written, frozenset())


def told(inputs: Sequence[str], *, outputs: Sequence[str] = (), policy: str = "", gone: str = "") -> list[Finding]:
    """Findings of runs, oldest first, each read or wrote tables of one letter, or of the names between commas."""
    sides = [inputs, outputs or ["z"] * len(inputs)]
    read, written = ([side.split(",") if "," in side else list(side) for side in sides_] for sides_ in sides)
    runs = [run(number, *pair) for number, pair in enumerate(zip(read, written, strict=True))][::-1]
    names = {name for some in (*read, *written) for name in some} - set(gone)
    history = JobHistory(JOB, tuple(r.run for r in runs))
    return broken_lineage.detect(history, runs, {table(n).id: table(n) for n in names}, parse_policy(policy))


def test_what_each_of_five_runs_read_and_the_newest_did_not() -> None:
    (finding,) = told(["ab", "ab", "ab", "ab", "ab", "a"])
    assert (finding.severity, finding.subject, finding.cause.run_id) == (Severity.WARNING, JOB, "run-5")
    assert finding.summary == (
        "Run run-5 of job shop.load_orders no longer reads b; each of the 5 completed runs before that did."
    )


def test_both_sides_are_one_alert() -> None:
    (finding,) = told(["ab"] * 5 + ["a"], outputs=["yz"] * 5 + ["y"])
    assert "no longer reads b and no longer writes z" in finding.summary


def test_it_stays_while_it_is_gone_and_tells_since_when() -> None:
    (finding,) = told(["ab"] * 5 + ["a"] * 3)
    assert finding.cause.run_id == "run-5"
    assert finding.since_us == (5 * 24 + 1) * HOUR_US
    assert "no longer reads b, nor did 2 runs before it;" in finding.summary


def test_two_losses_at_different_times_are_one_alert_since_the_first() -> None:
    (finding,) = told(["abc"] * 5 + ["ab"] + ["a"])
    assert "no longer reads b, c, nor did 1 run before it;" in finding.summary
    assert finding.cause.run_id == "run-5"


@pytest.mark.parametrize(
    "runs",
    [
        ["ab"] * 5 + ["a", "ab"],
        ["ab"] * 4 + ["a"],
        ["a", "ab", "ab", "ab", "ab", "a"],
        ["ab"] * 6,
        ["a", "b", "c", "d", "e", "f", "g"],
        ["ab"] * 5 + [""],
        ["ab"] * 6 + ["a"] + ["ab"] * 6 + ["a"],
    ],
    ids=["back", "too few", "not in each", "steady", "files", "side vanished", "habit"],
)
def test_what_is_no_loss(runs: list[str]) -> None:
    assert not told(runs)


def test_a_pause_longer_than_the_habit_is_told() -> None:
    sundays = (["ab"] * 6 + ["a"]) * 2
    assert not told([*sundays, *["ab"] * 6, "a"])
    (finding,) = told([*sundays, *["ab"] * 6, "a", "a"])
    assert "no longer reads b, nor did 1 run before it;" in finding.summary


def test_a_partition_whose_turn_is_over_is_not_lost() -> None:
    month = ["refs,events_202603"] * 9
    assert not told([*month, "refs,events_202604"])
    assert told([*month, "refs,visits_202604"])


def test_a_window_that_moves_on_loses_nothing() -> None:
    assert not told([",".join(f"log/day={d}" for d in range(n, n + 7)) for n in range(20)])


def test_what_was_dropped_or_goes_by_another_name_is_not_lost() -> None:
    assert not told(["ab"] * 5 + ["a"], gone="b")


def test_how_many_runs_make_an_edge_is_policy() -> None:
    assert told(["ab"] * 3 + ["a"], policy="broken_lineage: {runs: 3}")
    assert not told(["ab"] * 9 + ["a"], policy="broken_lineage: {runs: 10}")


@pytest.mark.parametrize(
    ("had", "streak", "pause"),
    [("", 0, 0), ("..", 2, 0), ("x", 0, 0), (".x.x..x...", 1, 2), ("x..x", 0, 2), ("...x.x", 3, 1)],
)
def test_streaks_and_pauses(had: str, streak: int, pause: int) -> None:
    runs = [letter == "x" for letter in had]
    assert (habit.streak(runs), habit.longest_pause(runs)) == (streak, pause)


letters = st.sets(st.sampled_from("abcd")).map(lambda some: "".join(sorted(some)))


@given(st.lists(letters, min_size=1, max_size=12))
def test_what_is_told_was_steady_and_is_not_in_the_newest_run(runs: list[str]) -> None:
    lost = {name for f in told(runs) for name in _names(f.summary)}
    steady = [set.intersection(*map(set, runs[n : n + 5])) for n in range(len(runs) - 5)]
    assert lost <= set().union(*steady) - set(runs[-1])


def _names(summary: str) -> list[str]:
    found = re.search(r"reads ([a-d, ]+?)(?:, nor did|;)", summary)
    assert found is not None
    return found[1].split(", ")


@given(st.lists(letters, min_size=1, max_size=12))
def test_a_run_with_everything_ends_it(runs: list[str]) -> None:
    assert not told([*runs, "abcd"])
