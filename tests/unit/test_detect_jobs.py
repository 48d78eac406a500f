from dataclasses import replace
from datetime import timedelta

import pytest

from processor.detect import missing_lineage, stuck_run
from processor.detect.kinds import of_job
from processor.detect.policy import Policy
from processor.detect.policy_text import parse_policy
from processor.model.alert import Severity
from processor.model.history import FinishedRun, OpenRun
from processor.model.observation import RunState
from tests.support.job_histories import JOB, MONDAY, daily, finished, history, next_day, us, us_of


class TestMissingLineage:
    def missing(self, *runs: FinishedRun, processing_type: str | None = None) -> list[str]:
        findings = of_job(history(*runs, processing_type=processing_type), Policy(), us(MONDAY))
        return [f.kind.value for f in findings]

    def test_a_run_without_the_inputs_that_the_others_had(self) -> None:
        (finding,) = missing_lineage.detect_inputs(history(*daily(3), next_day(daily(3), inputs=0)), Policy(), 0)
        assert finding.severity is Severity.WARNING
        assert finding.subject == JOB
        assert finding.cause.run_id == "run-3"
        assert finding.summary == (
            "Run run-3 of job shop.load_orders completed without inputs; 3 of 3 earlier completed runs had some."
        )

    def test_outputs_likewise(self) -> None:
        assert self.missing(*daily(3), next_day(daily(3), outputs=0)) == ["missing_outputs"]

    def test_too_few_runs_mean_patience(self) -> None:
        assert not self.missing(*daily(2), next_day(daily(2), inputs=0))

    def test_a_side_that_never_was_there_is_not_missing(self) -> None:
        assert not self.missing(*daily(5, inputs=0))

    def test_a_side_that_is_there_now_and_then_is_not_missing(self) -> None:
        runs = [finished(n, MONDAY + timedelta(days=n), inputs=n % 2) for n in range(9)]
        assert not self.missing(*runs)

    def test_it_stays_while_further_runs_lack_it_and_tells_since_when(self) -> None:
        lacking = [finished(10 + n, MONDAY + timedelta(days=10 + n), inputs=0) for n in range(6)]
        (finding,) = missing_lineage.detect_inputs(history(*daily(4), *lacking), Policy(), 0)
        assert finding.cause.run_id == "run-10"
        assert "as did 5 runs before it; 4 of 4" in finding.summary

    def test_a_later_run_that_has_it_resolves_it(self) -> None:
        lacking = finished(10, MONDAY + timedelta(days=10), inputs=0)
        assert not self.missing(*daily(4), lacking, finished(11, MONDAY + timedelta(days=11)))

    @pytest.mark.parametrize("state", [RunState.FAIL, RunState.ABORT])
    def test_a_run_that_failed_may_lack_anything(self, state: RunState) -> None:
        failed = finished(9, MONDAY + timedelta(days=9), state=state, inputs=0, outputs=0)
        assert not self.missing(*daily(5), failed)

    @pytest.mark.parametrize("kind", ["STREAMING", "SERVICE", "streaming"])
    def test_endless_jobs_are_not_judged(self, kind: str) -> None:
        assert not self.missing(*daily(3), next_day(daily(3), inputs=0), processing_type=kind)


class TestStuckRun:
    def stuck(self, age: timedelta, *runs: FinishedRun, kind: str | None = None, policy: str = "") -> list[str]:
        started = MONDAY + timedelta(days=20)
        opened = (OpenRun("open-1", us(started)),)
        job_history = history(*runs, opened=opened, processing_type=kind)
        return [f.summary for f in stuck_run.detect(job_history, parse_policy(policy), us(started + age))]

    def test_beyond_three_times_the_usual_it_is_stuck(self) -> None:
        runs = daily(5, minutes=60)
        assert not self.stuck(timedelta(hours=3), *runs)
        (summary,) = self.stuck(timedelta(hours=3, seconds=1), *runs)
        assert summary == (
            "Run open-1 of job shop.load_orders has not ended within 3.0 h of its start"
            " (the limit stands on 5 completed runs that took up to 1.0 h)."
        )

    def test_a_quick_job_is_given_an_hour(self) -> None:
        runs = daily(5, minutes=1)
        assert not self.stuck(timedelta(minutes=59), *runs)
        assert self.stuck(timedelta(minutes=61), *runs)

    def test_few_runs_mean_a_day_of_patience_and_it_says_so(self) -> None:
        assert not self.stuck(timedelta(hours=23), *daily(2, minutes=1))
        (summary,) = self.stuck(timedelta(hours=25), *daily(2, minutes=1))
        assert "only 2 completed runs known" in summary

    def test_a_long_run_at_the_end_of_the_month_is_remembered(self) -> None:
        runs = [*daily(29, minutes=10), finished(29, MONDAY - timedelta(days=1), minutes=300)]
        assert not self.stuck(timedelta(hours=7), *runs)
        assert self.stuck(timedelta(hours=8), *runs)

    def test_a_job_that_is_hardly_known_and_still_speaks_is_not_stuck(self) -> None:
        def stuck(heard: timedelta) -> bool:
            start, now = us(MONDAY), us(MONDAY + timedelta(days=4))
            opened = history(opened=(OpenRun("flink", start),))
            return bool(stuck_run.detect(replace(opened, last_seen_us=start + us_of(heard)), Policy(), now))

        assert stuck(timedelta(days=2))
        assert not stuck(timedelta(days=3.5))

    def test_failed_runs_teach_no_duration(self) -> None:
        failed = [finished(n, MONDAY + timedelta(days=n), minutes=1, state=RunState.FAIL) for n in range(9)]
        assert not self.stuck(timedelta(hours=20), *failed)

    @pytest.mark.parametrize("kind", ["STREAMING", "SERVICE"])
    def test_an_endless_job_is_never_stuck(self, kind: str) -> None:
        assert not self.stuck(timedelta(days=3), *daily(5), kind=kind)

    def test_a_job_whose_runs_never_ended_tells_no_ends(self) -> None:
        first, second = OpenRun("a", us(MONDAY)), OpenRun("b", us(MONDAY + timedelta(days=1)))
        now = us(MONDAY + timedelta(days=3))
        assert stuck_run.detect(history(opened=(first,)), Policy(), now)
        assert not stuck_run.detect(history(opened=(first, second)), Policy(), now)

    def test_an_abandoned_run_is_told_no_more(self) -> None:
        assert self.stuck(timedelta(days=6), *daily(5))
        assert not self.stuck(timedelta(days=8), *daily(5))

    def test_each_run_has_an_alert_of_its_own(self) -> None:
        opened = (OpenRun("a", us(MONDAY)), OpenRun("b", us(MONDAY)))
        findings = stuck_run.detect(history(*daily(3), opened=opened), Policy(), us(MONDAY + timedelta(days=2)))
        assert len({f.alert_id for f in findings}) == 2
        assert {f.cause.run_id for f in findings} == {"a", "b"}
        assert {f.subject for f in findings} == {JOB}

    def test_the_knobs_are_policy(self) -> None:
        assert self.stuck(timedelta(hours=3), *daily(5, minutes=60), policy="stuck_run: {factor: 2}")


def test_what_the_policy_does_not_permit_is_not_found() -> None:
    silent = history(*daily(20))
    now_us = us(MONDAY + timedelta(days=25))
    assert of_job(silent, Policy(), now_us)
    assert not of_job(silent, parse_policy("silent_job: {enabled: false}"), now_us)
    assert not of_job(silent, parse_policy("silent_job: {ignore: ['shop:load_*']}"), now_us)
