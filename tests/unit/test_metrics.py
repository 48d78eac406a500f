"""Metrics: each is described, and none has labels without bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from processor.alerter.sweep.silence import TOLD_NAMESPACES, Silence
from processor.detect.policy import Policy
from processor.detect.policy_text import parse_policy
from processor.index.memory import MemoryStore
from processor.index.view import View
from processor.judging.scope import Scope
from processor.model.history import FinishedRun, JobHistory
from processor.model.identity import Kind, Node
from processor.model.observation import RunState
from processor.telemetry import metrics
from processor.telemetry.health import Health
from processor.telemetry.labels import label_of
from processor.telemetry.metrics import CATALOGUE, REGISTRY, Described
from processor.telemetry.page import page

DOCS = Path(__file__).parents[2] / "docs"
HOUR_US = 3_600_000_000


def test_the_page_is_what_the_code_says() -> None:
    written = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert written == page(), "write it anew: make docs"


def test_the_page_has_every_metric_of_the_registry() -> None:
    exposed = {family.name for family in REGISTRY.collect() if family.name.startswith("lineage_processor_")}
    assert exposed == {metric.name.removesuffix("_total") for metric in CATALOGUE}


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_every_label_is_described_and_none_is_about_a_thing(metric: Described) -> None:
    assert all(label_of(metric.name, name).text for name in metric.labels)
    assert not {"dataset", "job", "run", "subject", "alert_id"} & set(metric.labels)
    assert metric.name.endswith("_total") == (metric.type == "counter")


def test_a_condition_is_shown_by_its_name() -> None:
    def shown(condition: str) -> float | None:
        return REGISTRY.get_sample_value("lineage_processor_condition", {"condition": condition})

    health = Health(("kafka", "redis"), livez_timeout_s=1)
    assert (shown("kafka"), shown("redis")) == (0, 0)
    health.holds("redis")
    assert (shown("kafka"), shown("redis")) == (0, 1)
    health.fails("redis", "gone")
    assert shown("redis") == 0


def test_a_namespace_is_silent_when_all_its_jobs_are() -> None:
    hourly, other = _job("hourly"), _job("other", step_h=24)
    assert _silence(90, hourly, other) == {"ns": pytest.approx(0.0)}  # both have just started
    assert _silence(90 + 30, hourly)["ns"] > 1
    late = _job("late", last_h=120)
    assert _silence(120, hourly, late) == {"ns": pytest.approx(0.0)}


def test_a_job_whose_silence_nobody_is_told_of_says_nothing_of_its_namespace() -> None:
    policy = parse_policy('silent_job: {ignore: ["ns:hourly"]}')
    assert _silence(200, _job("hourly"), policy=policy) == {}
    assert _silence(200, _job("fresh", runs=2)) == {}


def test_only_the_namespaces_with_the_most_jobs_have_a_metric() -> None:
    many = [_job("hourly", namespace=f"ns{i:03}") for i in range(TOLD_NAMESPACES + 20)]
    told = _silence(120, *many, _job("a", namespace="zz"), _job("b", namespace="zz"))
    assert len(told) == TOLD_NAMESPACES
    assert "zz" in told


def _job(name: str, *, namespace: str = "ns", step_h: int = 1, last_h: int = 90, runs: int = 32) -> JobHistory:
    starts = [(last_h - i * step_h) * HOUR_US for i in range(runs)]
    finished = tuple(FinishedRun(str(us), us, us + 1, RunState.COMPLETE, 1, 1, 0, b"") for us in starts if us > 0)
    return JobHistory(Node(Kind.JOB, namespace, name), finished, first_seen_us=HOUR_US)


def _silence(now_h: int, *jobs: JobHistory, policy: Policy = Policy()) -> dict[str, float]:  # noqa: B008  immutable
    silence = Silence(Scope(View(MemoryStore()), policy, now_h * HOUR_US, lambda: None, set()))
    assert list(silence.jobs(jobs)) == list(jobs)
    silence.tell()
    samples = next(iter(metrics.SILENCE.collect())).samples
    return {sample.labels["namespace"]: sample.value for sample in samples}
