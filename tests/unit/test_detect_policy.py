import time

import msgspec
import pytest

from processor.detect import kinds
from processor.detect.policy import Policy
from processor.detect.policy_schema import policy_schema
from processor.detect.policy_text import MOST_PROBLEMS, PolicyError, parse_policy, problems_in
from processor.model.alert import AlertKind
from processor.model.history import JobHistory, OpenRun
from processor.model.identity import dataset, job


def refused(text: str) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    return caught.value


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "{}", "version: 1\n", "---\n"])
def test_nothing_said_is_the_default_policy(text: str) -> None:
    assert parse_policy(text) == Policy()


def test_what_is_said_counts_and_the_rest_stays_default() -> None:
    policy = parse_policy("version: 1\nsources: ['crm://*']\nstuck_run:\n  factor: 5\n")
    assert policy.stuck_run.factor == 5
    assert policy.stuck_run.floor_hours == Policy().stuck_run.floor_hours
    assert policy.sources == ("crm://*",)


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("stuck_run:\n  factor: fast\n", 2, "stuck_run.factor"),
        ("version: 1\nstuck_run:\n  floor_hours: 1\n  speed: 3\n", 4, "speed"),
        ("version: 1\n\nstuckrun: {}\n", 3, "stuckrun"),
        ("version: 2\n", 1, "2"),
        ("sources:\n- a\n- b\n- 7\n", 4, "sources[2]"),
        ("orphan_dataset:\n  sibling_share: 1.5\n", 2, "sibling_share"),
        ("orphan_dataset:\n  min_siblings: 0\n", 2, "min_siblings"),
        ("schema_drift: [\n", 2, "expected"),
        ("a: b: c\n", 1, "mapping values"),
        ("sources: []\nversion: 1\nsources: [x]\n", 3, "twice"),
        ("silent_job:\n  factor: 2\n  factor: 3\n", 3, "twice"),
        (
            "overrides:\n- match: [a]\n- match: [b]\n  silent_job:\n    factor: 0.5\n",
            5,
            "overrides[1].silent_job.factor",
        ),
        ("overrides:\n- match: [a]\n  silent_job: {pace: 2}\n", 3, "pace"),
        ("overrides:\n- silent_job: {}\n", 2, "match"),
        ("overrides:\n- match: []\n", 2, "match"),
        ("- 1\n", 1, "object"),
        ("just words\n", 1, "object"),
        ("a: &x [*x]\n", 1, ""),
        ("when: 2026-13-45\n", 1, ""),
        ("x: \x00\n", 1, ""),
        ("? [1, 2]\n: 3\n", 1, ""),
        ("!!python/object:os.system {}\n", 1, "python"),
    ],
)
def test_a_bad_policy_is_refused_with_line_and_reason(text: str, line: int, word: str) -> None:
    error = refused(text)
    assert error.line == line
    assert word in error.reason
    assert str(error).startswith(f"policy, line {line}: ")
    assert "\n" not in str(error)


def test_a_policy_nested_without_end_is_refused() -> None:
    assert "nested" in refused("[" * 100_000).reason


def test_every_kind_of_alert_has_its_section() -> None:
    assert all(Policy().section(kind).enabled for kind in AlertKind)


def test_a_kind_can_be_switched_off_and_a_subject_left_out() -> None:
    policy = parse_policy("silent_job: {enabled: false}\nstuck_run: {ignore: ['airflow:adhoc_*']}\n")
    assert not policy.permits(AlertKind.SILENT_JOB, job("airflow", "daily"))
    assert not policy.permits(AlertKind.STUCK_RUN, job("airflow", "adhoc_7"))
    assert policy.permits(AlertKind.STUCK_RUN, job("airflow", "daily"))


def test_a_pattern_names_a_whole_namespace_or_some_of_its_names() -> None:
    policy = parse_policy("sources: ['postgres://crm:5432', 's3://lake:landing/*']\n")
    assert policy.is_source(dataset("postgres://crm:5432", "public.customers"))
    assert policy.is_source(dataset("s3://lake", "landing/orders"))
    assert not policy.is_source(dataset("s3://lake", "curated/orders"))


def test_a_subject_is_held_against_thousands_of_patterns_at_once() -> None:
    many = [f"db{n}:public.*" for n in range(2_000)]
    policy = msgspec.convert({"sources": ["[", "a|b", *many, "last:[a-c]?_*"]}, Policy)
    began_s = time.process_time()
    found = [policy.is_source(dataset("last", f"{letter}x_{n}")) for n in range(500) for letter in "ad"]
    assert found == [True, False] * 500
    assert policy.is_source(dataset("[", "x"))
    assert policy.is_source(dataset("a|b", "x"))
    assert not policy.is_source(dataset("a", "x"))
    assert time.process_time() - began_s < 10  # compiled anew for each subject they take minutes


@pytest.mark.parametrize("text", ["!!timestamp", "!!set", "silent_job: !!binary x", "!local {}", "a: [!!int '']"])
def test_a_tag_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(PolicyError, match="tags"):
        parse_policy(f"# a policy\n{text}\n")


DAILY = job("airflow", "daily")
ADHOC = job("airflow", "adhoc_7")
OVERRIDES = """
silent_job: {factor: 3}
overrides:
- match: ['airflow']
  silent_job: {factor: 4, max_factor: 5}
  stuck_run: {enabled: false}
- match: ['airflow:adhoc_*', 'dev']
  silent_job: {factor: 6}
"""


def test_overrides_set_single_knobs_of_what_they_match_and_the_last_one_wins() -> None:
    policy = parse_policy(OVERRIDES)
    assert (policy.for_(DAILY).silent_job.factor, policy.for_(DAILY).silent_job.max_factor) == (4, 5)
    assert (policy.for_(ADHOC).silent_job.factor, policy.for_(ADHOC).silent_job.max_factor) == (6, 5)
    elsewhere = policy.for_(job("dbt", "run")).silent_job
    assert (elsewhere.factor, elsewhere.max_factor) == (3, Policy().silent_job.max_factor)


def test_a_kind_can_be_switched_off_for_some_subjects() -> None:
    policy = parse_policy(OVERRIDES)
    assert not policy.permits(AlertKind.STUCK_RUN, DAILY)
    assert policy.permits(AlertKind.STUCK_RUN, job("dbt", "run"))
    assert policy.permits(AlertKind.SILENT_JOB, DAILY)


def test_what_holds_for_a_subject_holds_whoever_asks_again() -> None:
    held = parse_policy(OVERRIDES).for_(ADHOC)
    assert held.for_(ADHOC) == held
    assert held.section(AlertKind.SILENT_JOB) == parse_policy(OVERRIDES).section(AlertKind.SILENT_JOB, ADHOC)


def test_detectors_judge_by_the_overrides_of_their_subject() -> None:
    patient = parse_policy("overrides: [{match: ['shop'], stuck_run: {default_hours: 48}}]")
    run = JobHistory(job("shop", "load"), open=(OpenRun("r", 0),))
    day_us = 24 * 3_600_000_000
    assert [f.kind for f in kinds.of_job(run, Policy(), day_us + 1)] == [AlertKind.STUCK_RUN]
    assert kinds.of_job(run, patient, day_us + 1) == []
    assert [f.kind for f in kinds.of_job(run, patient, 2 * day_us + 1)] == [AlertKind.STUCK_RUN]


BAD = """
version: 1
stuck_run:
  factor: fast
  speed: 3
silent_job: {factor: 2, factor: 3}
overrides:
- silent_job: {}
- match: [a]
  silent_job:
    factor: 0.5
sources: [a, 7, b, 8]
"""


def test_everything_that_is_wrong_is_told_at_once_by_line() -> None:
    found = [(error.line, error.reason.split(":")[0]) for error in problems_in(BAD)]
    assert found == [
        (4, "stuck_run.factor"),
        (5, "Object contains unknown field `speed`"),
        (6, "`factor` stands here twice"),
        (8, "overrides[0]"),
        (11, "overrides[1].silent_job.factor"),
        (12, "sources[1]"),
        (12, "sources[3]"),
    ]


def test_of_very_much_that_is_wrong_the_first_is_enough() -> None:
    assert len(problems_in("".join(f"k{n}: 1\n" for n in range(100)))) == MOST_PROBLEMS


@pytest.mark.parametrize(
    "text", ["", "[]", "a: [", "7", "version: 2", "sources: 1", "a: *b", "[[" * 100_000, "? [1]\n: 2\n", "a: {a: a}"]
)
def test_a_policy_is_fine_where_nothing_is_wrong_and_only_there(text: str) -> None:
    problems = problems_in(text)
    if not problems:
        assert parse_policy(text) == Policy()
        return
    with pytest.raises(PolicyError):
        parse_policy(text)


def test_the_schema_for_editors_knows_every_knob_and_what_it_means() -> None:
    schema = policy_schema()
    of_policy = schema["$defs"]["Policy"]["properties"]
    assert {kind.value for kind in AlertKind} <= of_policy.keys()
    factor = schema["$defs"]["SilentJob"]["properties"]["factor"]
    assert (factor["minimum"], factor["default"]) == (1, Policy().silent_job.factor)
    assert "silent_job" in schema["$defs"]["Override"]["properties"]
    assert schema["$defs"]["Override"]["required"] == ["match"]
    assert of_policy["sources"]["description"] == "datasets that nobody need write."
