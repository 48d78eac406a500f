"""The indexer's pure parts: sorting, dead letters, progress, the goal, patience, health, masking."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from itertools import islice

import pytest
from confluent_kafka import KafkaError, TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from processor.decode.observe import Observed
from processor.index.memory import MemoryStore
from processor.index.progress import Progress
from processor.index.store import OutboxEntry
from processor.indexer.commits import Commits
from processor.indexer.dead_letters import dead_letter
from processor.indexer.errors import BrokenClientError, StoppedError
from processor.indexer.goal import Goal
from processor.indexer.outbox import Outbox
from processor.indexer.patience import Backoff, Patience
from processor.indexer.progress import Tracker, next_offsets
from processor.indexer.records import Header, Partition, Record, Sorted, sort
from processor.indexer.report import Report, contract_facets
from processor.indexer.stock import Start
from processor.masking import masked_url
from processor.model.dead_letter import take_apart, with_attempt
from processor.model.errors import DependencyError, FacetProblem, Reason, Rejected, Stage
from processor.model.observation import Observation, Place
from processor.telemetry import metrics
from processor.telemetry.health import Health
from processor.telemetry.logs import mask_secrets
from tests.support.events import event, fill, table

A, B = Partition("events", 0), Partition("events", 1)
BAD = Rejected(Reason.CONTRACT, Stage.VALIDATE, "/run/runId", "not a UUID: é")


def record(
    partition: Partition = A, offset: int = 0, *, value: bytes | None = b"{}", at_us: int | None = 100
) -> Record:
    return Record(partition, offset, at_us, b"key", value, ())


def said(*times_us: int) -> tuple[Observation, ...]:
    return tuple(Observation(time_us, b"digest", "producer") for time_us in times_us)


def answering(**answers: Observed) -> dict[str, Callable[[bytes | None, object], Observed]]:
    return {"events": lambda value, _headers: answers[(value or b"").decode()]}


def test_sorting_keeps_good_and_bad_with_their_places() -> None:
    observers = answering(
        good=Observed(said(5, 7)), bad=Observed(rejected=(BAD,)), half=Observed(said(1), (BAD,)), no=Observed()
    )
    records = [record(A, n, value=value) for n, value in enumerate((b"good", b"bad", b"half", b"no"))]
    result = sort(records, observers)
    assert [place.offset for _, place in result.sourced] == [0, 0, 2]
    assert [(each.offset, why) for each, why in result.rejected] == [(1, BAD), (2, BAD)]
    assert result.silent == 1


def test_a_record_that_could_not_be_read_is_rejected_without_a_look_at_its_value() -> None:
    whole = record(A, 0, value=b"good")
    result = sort([whole._replace(unreadable=BAD), whole], answering(good=Observed(said(5))))
    assert [why for _, why in result.rejected] == [BAD]
    assert len(result.sourced) == 1


def test_dropped_facets_are_counted_by_name_only_if_the_contract_knows_them() -> None:
    def dropped(facet: str) -> float:
        return metrics.REGISTRY.get_sample_value("lineage_processor_facets_dropped_total", {"facet": facet}) or 0

    names = ("schema", "made_up_1", "made_up_2")
    before = {name: dropped(name) for name in (*names, "other")}
    problems = tuple(FacetProblem(f"/{name}", name, "broken") for name in names)
    sourced = [(Observation(5, b"digest", "producer", problems=problems), Place("events", 0, 1))]
    Report(lambda: 10, contract_facets()).batch([record()], Sorted(sourced))
    after = {name: dropped(name) - count for name, count in before.items()}
    assert after == {"schema": 1, "made_up_1": 0, "made_up_2": 0, "other": 2}


def test_the_watermark_is_the_newest_event_time_but_not_past_the_records_own() -> None:
    observers = answering(past=Observed(said(40, 50)), future=Observed(said(5000)), early=Observed(said(3)))
    records = [record(A, 0, value=b"past"), record(B, 0, value=b"future"), record(A, 1, value=b"early")]
    assert sort(records, observers).watermarks_us == {A: 50, B: 100}
    assert sort([record(B, 0, value=b"future", at_us=None)], observers).watermarks_us == {B: 5000}


def test_next_offsets_are_one_past_the_last_record_or_the_end_that_was_seen() -> None:
    assert next_offsets([record(A, 4), record(A, 7), record(B, 1)], {}) == {A: 8, B: 2}
    assert next_offsets([record(A, 4)], {A: 6, B: 9}) == {A: 6, B: 9}
    assert next_offsets([record(A, 4)], {A: 4}) == {A: 5}
    assert next_offsets([record(A, 9), record(A, 2), record(A, 3)], {}) == {A: 4}


def test_a_dead_letter_counts_its_attempts() -> None:
    def attempts(*headers: Header) -> bytes | None:
        letter = dead_letter("letters", record()._replace(headers=headers), BAD)
        return [value for name, value in letter.headers if name == "lineage.attempt"][-1]

    assert attempts() == b"1"
    assert attempts(("lineage.attempt", b"1"), ("lineage.attempt", b"4")) == b"5"
    assert attempts(("lineage.attempt", b"many")) == b"1"
    assert attempts(("lineage.attempt", None)) == b"1"
    assert attempts(("lineage.attempt", b"9" * 5000)) == b"1"


def test_a_dead_letter_says_why() -> None:
    headers = dict(dead_letter("letters", record(B, 12), BAD).headers)
    assert headers["lineage.reason"] == b"contract"
    assert headers["lineage.stage"] == b"validate"
    assert headers["lineage.pointer"] == b"/run/runId"
    assert headers["__connect.errors.stage"] == b"VALIDATE"
    assert headers["__connect.errors.offset"] == b"12"
    assert headers["__connect.errors.exception.message"] == "not a UUID: é".encode()


headers = st.lists(
    st.tuples(
        st.sampled_from(["a", "__connect.errors.topic", "lineage.reason", "lineage.left", ""]) | st.text(max_size=5),
        st.none() | st.binary(max_size=5),
    ),
    max_size=6,
)


@given(headers)
def test_a_dead_letter_taken_apart_gives_the_record_back_whatever_headers_it_brought(own: list[Header]) -> None:
    sent = record(B, 12, at_us=1_700_000_000_123_000)._replace(headers=own)
    parts = take_apart(dead_letter("letters", sent, BAD).headers)
    assert list(parts.own) == own
    assert (parts.place, parts.timestamp_ms, parts.attempt) == (sent.place, 1_700_000_000_123, 1)
    assert (parts.told["lineage.reason"], parts.left_bytes) == ("contract", None)


@given(headers, st.integers(1, 5))
def test_redriven_again_and_again_a_record_keeps_its_headers_and_its_count(own: list[Header], times: int) -> None:
    sent = record()._replace(headers=own)
    for attempt in range(1, times + 1):
        parts = take_apart(dead_letter("letters", sent, BAD).headers)
        assert parts.attempt == attempt
        assert with_attempt(parts.own, parts.attempt) == [*own, ("lineage.attempt", str(attempt).encode())]
        sent = sent._replace(headers=with_attempt(parts.own, parts.attempt))


def test_what_is_told_of_a_record_is_short_whatever_the_record_holds() -> None:
    endless = Rejected(Reason.CONTRACT, Stage.VALIDATE, "/" + "x" * 10_000_000, "y" * 10_000_000)
    huge = record(value=b"v" * 100)._replace(headers=[("h", b"x" * 50)])
    letter = dead_letter("letters", huge, endless)
    assert sum(len(value or b"") for _, value in letter.headers) < 5000
    assert letter.smaller is not None
    assert (letter.smaller.key, letter.smaller.value) == (None, None)
    assert take_apart(letter.smaller.headers).left_bytes == len(b"key") + 100 + len("h") + 50


def test_a_record_that_somebody_else_put_among_the_letters_is_all_its_own() -> None:
    parts = take_apart([("trace", b"1"), ("lineage.attempt", b"x")])
    assert (len(parts.own), parts.place, parts.timestamp_ms, parts.attempt) == (2, None, None, 1)


def tracker(highs: Mapping[Partition, int]) -> Tracker:
    tracking = Tracker(highs.get)
    tracking.assign({A: 1, B: 1}, {})
    return tracking


def test_lag_is_what_is_left_and_unknown_until_something_is_known() -> None:
    tracking = tracker({A: 10})
    assert tracking.lag(A) is None
    tracking.advance([record(A, 3)], {}, {})
    assert tracking.lag(A) == 6
    assert set(tracking.progress(1)) == {A}


def test_a_partition_is_caught_up_when_its_end_was_seen_even_if_the_last_offset_is_no_record() -> None:
    tracking = tracker({A: 10})
    assert tracking.advance([record(A, 8)], {A: 10}, {A: 70})
    assert (tracking.lag(A), tracking.position(A)) == (0, 10)
    assert tracking.progress(99)[A] == Progress(70, 0, 99, position=10)
    assert not tracking.advance([], {A: 10}, {})
    tracking.advance([record(A, 10)], {A: 10}, {})
    assert tracking.position(A) == 11


def test_the_watermark_goes_on_from_what_was_published_and_never_back() -> None:
    tracking = tracker({A: 10, B: 10})
    tracking.assign({A: 1}, {A: Progress(500, 3, 1)})
    tracking.advance([record(A, 3)], {}, {A: 400})
    assert tracking.watermark_us(A) == 500
    tracking.assign({A: 1, B: 2}, {})
    assert tracking.watermark_us(A) == 500
    assert tracking.position(B) is None


def test_a_partition_that_went_and_came_back_starts_anew() -> None:
    tracking = tracker({A: 10})
    tracking.advance([record(A, 3), record(B, 4)], {}, {})
    tracking.assign({B: 1}, {})
    tracking.assign({A: 3, B: 1}, {})
    assert (tracking.position(A), tracking.position(B)) == (None, 5)


def test_a_partition_that_went_and_came_back_before_anybody_looked_starts_anew_too() -> None:
    tracking = tracker({A: 10})
    tracking.advance([record(A, 3), record(B, 4)], {}, {})
    tracking.assign({A: 3, B: 1}, {})
    assert (tracking.position(A), tracking.position(B)) == (None, 5)


def test_a_partition_that_is_read_again_keeps_its_watermark_and_is_behind_at_least_as_far_as_it_was() -> None:
    track = tracker({})
    track.assign({A: 1}, {})
    track.advance([record(A, 9)], {A: 10}, {A: 70})
    track.start({A: Start(4, until=10, lost=0, is_vouched=True)})
    assert (track.position(A), track.lag(A), track.watermark_us(A)) == (4, 6, 70)
    assert track.progress(99)[A] == Progress(70, 6, 99, position=4, until=10)
    track.advance([record(A, 9)], {}, {})
    assert (track.position(A), track.lag(A)) == (10, None)


def test_lag_seconds_are_the_age_of_the_last_record_while_behind() -> None:
    tracking = tracker({A: 10})
    tracking.advance([record(A, 3, at_us=1_000_000)], {}, {})
    assert tracking.lag_s(A, 3_500_000) == 2.5
    tracking.advance([], {A: 10}, {})
    assert tracking.lag_s(A, 3_500_000) == 0


@pytest.mark.parametrize(
    ("owned", "positions", "committed", "reached"),
    [
        ({A, B}, {A: 5, B: 7}, {}, True),
        ({A, B}, {A: 5, B: 6}, {}, False),
        ({A, B}, {A: 5}, {}, False),
        ({A}, {A: 5}, {B: 7}, True),
        ({A}, {A: 5}, {B: 6}, False),
        ({A}, {A: 5}, {}, False),
        ({A}, {A: 9}, {B: -1001}, False),
        (set(), {}, {A: 5, B: 7}, True),
        (set(), {}, {}, False),
    ],
)
def test_the_goal(
    owned: set[Partition], positions: dict[Partition, int], committed: dict[Partition, int], *, reached: bool
) -> None:
    def ask(partitions: Collection[Partition]) -> dict[Partition, int]:
        return {each: offset for each, offset in committed.items() if each in partitions}

    assert Goal({A: 5, B: 7, Partition("empty", 0): 0}).is_reached(owned, positions.get, ask) is reached


def test_waits_grow_up_to_the_longest() -> None:
    delays_s = Backoff(first_s=1, factor=3, longest_s=10).delays_s(lambda: 0.0)
    assert list(islice(delays_s, 5)) == [1, 3, 9, 10, 10]
    assert next(Backoff(first_s=1).delays_s(lambda: 1.0)) == 0.5


def health() -> Health:
    return Health(("redis",), livez_timeout_s=5, now_s=lambda: 0.0)


def test_patience_repeats_until_it_works_and_readiness_follows() -> None:
    failures = [DependencyError("Redis", "away"), DependencyError("Redis", "loading")]
    state, seen = health(), list[dict[str, str]]()

    def step() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    assert Patience(state).until_done(step, lambda _delay_s: seen.append(state.missing())) == "done"
    assert seen == [{"redis": "away"}, {"redis": "loading"}]
    assert state.is_ready


def test_patience_ends_when_the_process_is_to_end_or_the_client_is_broken() -> None:
    def wait(_delay_s: float) -> None:
        raise StoppedError

    def away() -> None:
        raise DependencyError("Redis", "away")

    def broken() -> None:
        raise BrokenClientError("Kafka", "fenced")

    with pytest.raises(StoppedError):
        Patience(health()).until_done(away, wait)
    with pytest.raises(BrokenClientError):
        Patience(health()).until_done(broken, wait)


def test_liveness_is_the_loops_own_progress() -> None:
    clock = [0.0]
    state = Health(("redis",), livez_timeout_s=5, now_s=lambda: clock[0])
    alive = []
    for now_s in (4.9, 5.0):
        clock[0] = now_s
        alive.append(state.is_alive)
    state.beat()
    assert [*alive, state.is_alive] == [True, False, True]
    assert not state.is_ready


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://u:p@h:1/0", "redis://u:***@h:1/0"),
        ("redis://:p@ss@h/0", "redis://:***@h/0"),
        ("redis://h:1/0", "redis://h:1/0"),
        ("unix:///tmp/s?password=p&db=1", "unix:///tmp/s?password=***&db=1"),
        ("cannot reach http://u:p@h and https://v:q@i", "cannot reach http://u:***@h and https://v:***@i"),
        ("redis://u:pa/ss@h:1/0", "redis://u:***@h:1/0"),
        ("redis://u:pa?s#s@h:1/0", "redis://u:***@h:1/0"),
        ("file://host:80/a@b", "file://host:80/a@b"),
    ],
)
def test_passwords_of_urls_are_masked(url: str, shown: str) -> None:
    assert masked_url(url) == shown


def test_logs_show_no_secret() -> None:
    line = mask_secrets(
        None, "info", {"event": "connect", "url": "redis://u:p@h", "sasl.password": "p", "api_token": "t"}
    )
    assert json.dumps(line) == json.dumps(
        {"event": "connect", "url": "redis://u:***@h", "sasl.password": "***", "api_token": "***"}
    )


def test_a_commit_that_fails_because_of_a_rebalance_is_no_error() -> None:
    def counted(outcome: str) -> float:
        return metrics.REGISTRY.get_sample_value("lineage_processor_commits_total", {"outcome": outcome}) or 0

    codes = (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS)
    before = {outcome: counted(outcome) for outcome in ("rebalanced", "failed", "committed")}
    commits = Commits()
    commits.want({A: 5})
    with capture_logs() as logs:
        for code in codes:
            commits.answered(KafkaError(code), [TopicPartition("events", 0, 5)])
    assert {outcome: counted(outcome) - count for outcome, count in before.items()} == {
        "rebalanced": len(codes),
        "failed": 0,
        "committed": 0,
    }
    assert {line["log_level"] for line in logs} == {"info"}
    assert commits.open == {A: 5}


class NewerStore(MemoryStore):
    """Holds an entry about the dataset `newer` that a newer version of the worker wrote."""

    def outbox(self) -> list[OutboxEntry]:
        return [
            each._replace(payload=each.payload.replace(b"NODE_ADDED", b"NODE_OTHER"))
            if b"newer" in each.payload
            else each
            for each in super().outbox()
        ]


def test_an_entry_that_only_a_newer_version_can_tell_stays_and_holds_up_no_other() -> None:
    store = NewerStore()
    fill(store, event("load", outputs=[table("older")]), event("other", run=1, outputs=[table("newer")]))
    outbox = Outbox(store, "changes")
    with capture_logs() as logs:
        for _ in range(3):
            entries = outbox.leftovers(at_once=True)
            records = outbox.outgoing(entries)
            outbox.confirm(entries)
    assert records == []
    assert store.outbox()
    assert all(b"NODE_OTHER" in entry.payload for entry in store.outbox())
    assert [line["log_level"] for line in logs] == ["error"] * len(store.outbox())
