from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from processor.detect import silent_job
from processor.detect.policy import Policy
from processor.model.alert import AlertKind
from processor.model.history import FinishedRun, OpenRun
from processor.model.observation import RunState
from tests.support.job_histories import MONDAY, daily, finished, frequent, history, us


class TestSilentJob:
    def is_silent(self, runs: list[FinishedRun], now: datetime, **options: object) -> bool:
        job_history = history(*runs, **options)  # type: ignore[arg-type]  # the options are history's own
        return bool(silent_job.detect(job_history, Policy(), us(now)))

    def test_a_daily_job_is_silent_after_two_days(self) -> None:
        runs = daily(20)
        last = MONDAY + timedelta(days=19)
        assert not self.is_silent(runs, last + timedelta(hours=47))
        assert self.is_silent(runs, last + timedelta(hours=49))

    def test_it_says_on_what_it_stands(self) -> None:
        (finding,) = silent_job.detect(history(*daily(20)), Policy(), us(MONDAY + timedelta(days=22)))
        assert finding.kind is AlertKind.SILENT_JOB
        assert finding.summary == (
            "Job shop.load_orders has not started for more than 2.0 d; its last 20 runs came about every 24.0 h."
        )

    def test_its_next_run_resolves_it(self) -> None:
        late = MONDAY + timedelta(days=23)
        assert not self.is_silent([*daily(20), finished(99, late)], late + timedelta(hours=1))

    def test_it_began_when_the_job_was_late_and_not_when_it_was_noticed(self) -> None:
        (finding,) = silent_job.detect(history(*daily(20)), Policy(), us(MONDAY + timedelta(days=22)))
        assert finding.since_us == us(MONDAY + timedelta(days=19, hours=2.02 * 24))

    def test_a_run_that_never_ends_hides_the_silence_only_until_it_counts_as_abandoned(self) -> None:
        begun = MONDAY + timedelta(days=20)
        opened = (OpenRun("lost", us(begun)),)
        assert not self.is_silent(daily(20), begun + timedelta(days=7), opened=opened)
        assert self.is_silent(daily(20), begun + timedelta(days=9), opened=opened)

    def test_an_open_run_is_no_silence(self) -> None:
        opened = (OpenRun("now", us(MONDAY + timedelta(days=20))),)
        assert not self.is_silent(daily(20), MONDAY + timedelta(days=24), opened=opened)

    def test_failures_are_no_silence(self) -> None:
        failing = [finished(50 + n, MONDAY + timedelta(days=20 + n), state=RunState.FAIL) for n in range(4)]
        assert not self.is_silent([*daily(20), *failing], MONDAY + timedelta(days=24))

    def test_a_job_of_working_days_is_not_silent_at_weekends(self) -> None:
        first_week = daily(5)
        assert not self.is_silent(first_week, MONDAY + timedelta(days=7, hours=1))
        assert not self.is_silent(first_week, MONDAY + timedelta(days=7, hours=20))

    def test_a_job_of_working_days_is_silent_two_working_days_later(self) -> None:
        assert not self.is_silent(daily(5), MONDAY + timedelta(days=7, hours=23))
        assert self.is_silent(daily(5), MONDAY + timedelta(days=8, hours=2))

    def test_weekends_do_not_make_a_job_of_working_days_more_patient(self) -> None:
        days = [0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 14, 15, 16]
        runs = [finished(day, MONDAY + timedelta(days=day)) for day in days]
        assert not self.is_silent(runs, MONDAY + timedelta(days=17, hours=23))
        assert self.is_silent(runs, MONDAY + timedelta(days=18, hours=2))

    def test_an_hourly_job_with_quiet_nights_is_not_silent_at_night(self) -> None:
        runs = [
            finished(24 * day + hour, MONDAY + timedelta(days=day, hours=hour), minutes=1)
            for day in range(3)
            for hour in range(10)
        ]
        evening = MONDAY + timedelta(days=2, hours=9)
        assert not self.is_silent(runs, evening + timedelta(hours=15))
        assert not self.is_silent(runs, evening + timedelta(hours=39))  # the next day is a holiday
        assert self.is_silent(runs, evening + timedelta(hours=41))

    def test_an_hourly_job_around_the_clock_is_silent_soon(self) -> None:
        runs = [finished(n, MONDAY + timedelta(hours=n), minutes=1) for n in range(32)]
        last = MONDAY + timedelta(hours=31)
        assert not self.is_silent(runs, last + timedelta(minutes=110))
        assert self.is_silent(runs, last + timedelta(minutes=130))

    def test_a_holiday_and_a_late_start_are_no_silence(self) -> None:
        assert not self.is_silent(daily(5), MONDAY + timedelta(days=8, minutes=20))

    def test_a_shift_to_daylight_saving_time_is_no_silence(self) -> None:
        runs = [*daily(10), *(finished(n, MONDAY + timedelta(days=n, hours=-1)) for n in range(10, 15))]
        assert not self.is_silent(runs, MONDAY + timedelta(days=16, hours=-1))
        assert not self.is_silent(daily(15), MONDAY + timedelta(days=16, hours=0.4))

    def test_a_backfill_teaches_no_cadence(self) -> None:
        backfill = [finished(100 + n, MONDAY + timedelta(days=20, minutes=2 * n), minutes=1) for n in range(32)]
        assert not self.is_silent(backfill, MONDAY + timedelta(days=21))
        mixed = [*daily(20)[-10:], *backfill[:22]]
        assert not self.is_silent(mixed, MONDAY + timedelta(days=22))
        assert self.is_silent(mixed, MONDAY + timedelta(days=24))

    def test_a_frequent_job_is_silent_after_a_day(self) -> None:
        runs = [finished(n, MONDAY + timedelta(minutes=30 * n), minutes=1) for n in range(32)]
        last, known = MONDAY + timedelta(hours=15.5), us(MONDAY - timedelta(days=9))
        frequent = replace(history(*runs), first_seen_us=known)
        assert not silent_job.detect(frequent, Policy(), us(last + timedelta(hours=24)))
        assert silent_job.detect(frequent, Policy(), us(last + timedelta(hours=25)))
        backfilled = [finished(n, MONDAY + timedelta(minutes=10 * n), minutes=1) for n in range(32)]
        assert not silent_job.detect(
            replace(history(*backfilled), first_seen_us=known), Policy(), us(last + timedelta(days=3))
        )

    def test_of_a_job_every_ten_minutes_a_week_is_known_after_a_week(self) -> None:
        last = MONDAY + timedelta(days=20)
        around_the_clock = frequent(last, lambda _: True)
        assert not silent_job.detect(around_the_clock, Policy(), us(last + timedelta(minutes=59)))
        (finding,) = silent_job.detect(around_the_clock, Policy(), us(last + timedelta(minutes=61)))
        assert "its last 32 runs came about every 10 min." in finding.summary
        young = replace(around_the_clock, started_hours=around_the_clock.started_hours[:100])
        assert not silent_job.detect(young, Policy(), us(last + timedelta(days=3)))

    def test_what_runs_at_weekends_is_silent_at_a_weekend(self) -> None:
        friday = MONDAY + timedelta(days=18, hours=17)
        hourly = [finished(n, friday - timedelta(hours=n), minutes=1) for n in range(32)]
        assert not self.is_silent(hourly, friday + timedelta(days=2))
        always = replace(frequent(friday, lambda _: True), finished=history(*hourly).finished)
        assert not silent_job.detect(always, Policy(), us(friday + timedelta(hours=2)))
        assert silent_job.detect(always, Policy(), us(friday + timedelta(hours=2, minutes=10)))

    @pytest.mark.parametrize(
        ("is_at_work", "hours"),
        [
            (lambda at: at.weekday() < 5 and 8 <= at.hour < 18, 40),
            (lambda at: at.weekday() < 5, 3),
            (lambda at: at.weekday() < 5 or (at.weekday(), at.hour) == (5, 12), 50),
            (lambda at: not (at.weekday() == 6 and 2 <= at.hour < 6), 8),
        ],
        ids=["by day", "on weekdays", "once on Saturdays", "but for a window on Sundays"],
    )
    def test_a_frequent_job_rests_as_it_always_did(self, is_at_work: Callable[[datetime], bool], hours: float) -> None:
        """Its rest is never told; that so many hours of work passed without it is, the days of a weekend left out."""
        begin = MONDAY + timedelta(days=14)
        for hour in range(7 * 24):
            last = begin + timedelta(hours=hour)
            if not is_at_work(last):
                continue
            job = frequent(last, is_at_work)
            resumed = next(at for n in range(1, 200) if is_at_work(at := last + timedelta(hours=n)))
            assert not silent_job.detect(job, Policy(), us(resumed)), last
            assert silent_job.detect(job, Policy(), us(last + timedelta(days=3, hours=hours))), last

    def test_a_few_gaps_that_happen_to_be_alike_are_no_pattern(self) -> None:
        hours = [0, 20, 50, 65, 92]
        by_hand = [finished(n, MONDAY + timedelta(hours=hour), minutes=1) for n, hour in enumerate(hours)]
        assert not self.is_silent(by_hand, MONDAY + timedelta(days=9))

    def test_a_few_gaps_have_to_be_very_much_alike(self) -> None:
        hours = [4.8, 36.2, 61.4, 129.6, 139, 173.3]
        by_hand = [finished(n, MONDAY + timedelta(days=2, hours=hour), minutes=1) for n, hour in enumerate(hours)]
        assert not self.is_silent(by_hand, MONDAY + timedelta(days=14, hours=6))
        queued = [finished(n, MONDAY + timedelta(days=n, hours=n % 2), minutes=1) for n in range(5)]
        assert self.is_silent(queued, MONDAY + timedelta(days=9))

    def test_a_holiday_among_them_makes_a_dozen_runs_necessary_and_no_more(self) -> None:
        days = [0, 1, 2, 3, 4, 7, 8, 9, 11, 14, 15, 16, 17]
        runs = [finished(day, MONDAY + timedelta(days=day)) for day in days]
        assert self.is_silent(runs, MONDAY + timedelta(days=23, hours=2))
        assert not self.is_silent(runs[:11], MONDAY + timedelta(days=21, hours=2))

    def test_what_has_no_pattern_is_given_three_times_its_largest_gap(self) -> None:
        hours = [0, 3, 30, 34, 70, 75, 77, 100, 133, 140, 166, 170, 205, 207, 240, 246, 270, 272, 290, 307]
        by_hand = [finished(n, MONDAY + timedelta(hours=hour), minutes=1) for n, hour in enumerate(hours)]
        last = MONDAY + timedelta(hours=307)
        assert not self.is_silent(by_hand, last + timedelta(hours=107))
        assert self.is_silent(by_hand, last + timedelta(hours=170))
        assert not self.is_silent(by_hand[:-1], last + timedelta(hours=170))

    def test_retries_teach_no_cadence(self) -> None:
        retried = [
            finished(10 * day + n, MONDAY + timedelta(days=day, minutes=7 * n), minutes=1)
            for day in range(8)
            for n in range(4)
        ]
        last = MONDAY + timedelta(days=7)
        assert not self.is_silent(retried, last + timedelta(hours=47))
        assert self.is_silent(retried, last + timedelta(hours=50))

    def test_three_runs_a_night_are_silent_after_two_nights(self) -> None:
        nightly = [finished(10 * d + h, MONDAY + timedelta(days=d, hours=h)) for d in range(7) for h in range(3)]
        last = MONDAY + timedelta(days=6, hours=2)
        assert not self.is_silent(nightly, last + timedelta(hours=43))
        assert self.is_silent(nightly, last + timedelta(hours=46))

    def test_office_hours_on_working_days_are_not_silent_at_night_nor_at_weekends(self) -> None:
        runs = [finished(100 * d + h, MONDAY + timedelta(days=d, hours=h)) for d in (2, 3, 4) for h in range(11)][-32:]
        assert not self.is_silent(runs, MONDAY + timedelta(days=7, hours=1))
        assert not self.is_silent(runs, MONDAY + timedelta(days=8, hours=0.5))  # Monday was a holiday
        assert self.is_silent(runs, MONDAY + timedelta(days=8, hours=2))

    def test_the_first_of_the_month_is_a_cadence(self) -> None:
        runs = [finished(month, MONDAY.replace(month=month, day=1)) for month in range(1, 7)]
        june = MONDAY.replace(month=6, day=1)
        assert not self.is_silent(runs, june + timedelta(days=59))
        assert self.is_silent(runs, june + timedelta(days=70))
        assert not self.is_silent(runs, june + timedelta(days=140))

    def test_a_handful_of_runs_by_hand_is_no_cadence(self) -> None:
        by_hand = [finished(n, MONDAY + timedelta(minutes=7 * n), minutes=1) for n in range(6)]
        assert not self.is_silent(by_hand, MONDAY + timedelta(days=1))

    def test_too_few_runs_mean_patience(self) -> None:
        assert not self.is_silent(daily(4), MONDAY + timedelta(days=9))

    def test_irregular_runs_need_more_of_them(self) -> None:
        days = [0, 1, 2, 9, 10]
        irregular = [finished(n, MONDAY + timedelta(days=day), minutes=1) for n, day in enumerate(days)]
        assert not self.is_silent(irregular, MONDAY + timedelta(days=23))

    def test_a_job_silent_for_very_long_is_retired(self) -> None:
        runs = daily(20)
        last = MONDAY + timedelta(days=19)
        assert self.is_silent(runs, last + timedelta(days=29))
        assert not self.is_silent(runs, last + timedelta(days=31))

    def test_an_endless_job_is_never_silent(self) -> None:
        assert not self.is_silent(daily(20), MONDAY + timedelta(days=25), processing_type="STREAMING")

    def test_a_job_without_runs_is_not_judged(self) -> None:
        assert not self.is_silent([], MONDAY)
