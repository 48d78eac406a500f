"""Dead letters without a Kafka: which are meant, the pace, the order of sending and noting, the file."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, Producer
from hypothesis import given
from hypothesis import strategies as st

from processor.deadletters.choice import Choice, tally
from processor.deadletters.file import KeptFile
from processor.deadletters.letter import DeadLetter
from processor.deadletters.redrive import Limits, Pace, Redrive, make_plan, pages
from processor.indexer.publisher import Publisher
from processor.load.reader import Entry
from processor.model.dead_letter import failure_headers, take_apart
from processor.model.errors import DependencyError, Reason, Rejected, Stage, UsageError
from processor.model.observation import Place
from processor.render.times import parse_moment, parse_time

NOW_US = parse_time("2026-11-22T12:00:00Z")
BAD = Rejected(Reason.NOT_JSON, Stage.DECODE, "", "no JSON")


def letter(
    where: str = "0:1", *, reason: str = "contract", topic: str = "events", attempt: int = 1, time_us: int | None = 5
) -> DeadLetter:
    told = failure_headers(Place(topic, 2, 7), [("lineage.attempt", str(attempt - 1).encode())], BAD, by="test")
    parts = take_apart([("trace", b"\xff"), *told])
    return DeadLetter(where, time_us, reason, "decode", "", "", topic, b"k", b"v", (), parts, attempt)


def test_every_condition_of_a_choice_must_hold() -> None:
    one = letter(time_us=50)
    assert Choice().takes(one)
    assert Choice(frozenset({"0:1"}), frozenset({"contract"}), frozenset({"decode"}), frozenset({"events"})).takes(one)
    assert Choice(since_us=50, until_us=51).takes(one)
    for other in (
        Choice(where=frozenset({"0:2"})),
        Choice(reasons=frozenset({"null"})),
        Choice(stages=frozenset({"consume"})),
        Choice(topics=frozenset({"other"})),
        Choice(since_us=51),
        Choice(until_us=50),
    ):
        assert not other.takes(one)
    assert not Choice(since_us=0).takes(letter(time_us=None))


def test_letters_are_counted_by_reason_stage_and_topic() -> None:
    found = tally([letter(time_us=3), letter(reason="null"), letter(time_us=9), letter(topic="other")])
    assert [(each.count, each.reason, each.topic) for each in found] == [
        (2, "contract", "events"),
        (1, "contract", "other"),
        (1, "null", "events"),
    ]
    assert (found[0].oldest_us, found[0].newest_us) == (3, 9)


@pytest.mark.parametrize(
    ("text", "time"), [("2h", "2026-11-22T10:00:00Z"), ("3d", "2026-11-19T12:00:00Z"), ("90s", "2026-11-22T11:58:30Z")]
)
def test_an_age_is_a_time(text: str, time: str) -> None:
    assert parse_moment(text, NOW_US) == parse_time(time) == parse_moment(time, NOW_US)


@pytest.mark.parametrize("text", ["2x", "h", "-2h", "9999999d", ""])
def test_what_is_neither_age_nor_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no time; .*, or as an age: 30m"):
        parse_moment(text, NOW_US)


def test_a_plan_leaves_out_what_was_sent_or_failed_too_often_and_says_how_many() -> None:
    letters = [
        letter("0:1"),
        letter("0:2", attempt=3),
        letter("0:3"),
        letter("1:3", topic=""),
        letter("0:4", reason="x"),
    ]
    plan = make_plan(letters, Choice(reasons=frozenset({"contract"})), Limits(3, frozenset({(0, 3)})))
    assert (plan.send, plan.topics) == ({"0:1"}, {"events": 1})
    assert (plan.spent, plan.before, plan.nowhere) == (1, 1, 1)
    assert plan.found == {"0:1", "0:2", "0:3", "1:3"}


@given(st.floats(0.1, 5000), st.lists(st.floats(0, 3), min_size=1, max_size=40))
def test_the_pace_is_never_more_than_the_rate_and_makes_up_for_nothing(rate: float, delays_s: list[float]) -> None:
    now_s = 100.0

    def sleep(duration_s: float) -> None:
        nonlocal now_s
        now_s += duration_s

    pace, sent = Pace(rate, lambda: now_s, sleep), list[tuple[float, int]]()
    for delay_s in delays_s:
        now_s += delay_s
        pace.wait(pace.page)
        sent.append((now_s, pace.page))
    for first, (start_s, _) in enumerate(sent):
        for end_s, _ in sent[first + 1 :]:
            count = sum(page for at_s, page in sent[first:] if at_s < end_s)
            assert count <= rate * (end_s - start_s) + 1e-6 * count + 1e-6


def test_large_letters_make_small_pages() -> None:
    large = replace(letter(), value=b"x" * 5_000_000)
    assert [len(page) for page in pages([large] * 5, 100)] == [2, 2, 1]
    assert [len(page) for page in pages([letter()] * 5, 2)] == [2, 2, 1]


class FakeProducer:
    """A broker that answers with an error by topic, or with none."""

    def __init__(self, errors: dict[str, int]) -> None:
        self.errors = errors
        self.timestamps_ms: list[int] = []
        self.taken: list[tuple[str, bytes | None, Any]] = []
        self._answers: list[Callable[[], None]] = []

    def produce(self, topic: str, value: bytes | None, _key: bytes | None, **told: Any) -> None:  # noqa: ANN401  as the client takes them
        code = self.errors.get(topic)
        if code is None:
            self.timestamps_ms.append(told["timestamp"])
            self.taken.append((topic, value, told["partition"]))
        self._answers.append(lambda: told["on_delivery"](None if code is None else KafkaError(code), None))

    def flush(self, _timeout_s: float) -> int:
        answers, self._answers = self._answers, []
        for answer in answers:
            answer()
        return 0

    def poll(self, _timeout_s: float) -> int:
        return 0


def redrive(producer: FakeProducer) -> Redrive:
    return Redrive(
        Publisher(cast("Producer", producer)),
        "letters",
        None,
        {"events": 3},
        {"events": 1000},
        lambda _place: None,
        lambda: 10_000,
    )


def test_a_letter_is_noted_as_sent_only_after_kafka_has_it() -> None:
    broken = FakeProducer({"events": KafkaError.NOT_ENOUGH_REPLICAS})
    with pytest.raises(DependencyError):
        redrive(broken).send([letter()])
    assert broken.taken == []
    whole = FakeProducer({})
    sending = redrive(whole)
    sending.send([letter("1:4"), letter("1:9"), letter("0:2")])
    assert [(topic, value) for topic, value, _ in whole.taken] == [
        *[("events", b"v")] * 3,
        ("letters", b"[2]"),
        ("letters", b"[4, 9]"),
    ]
    assert [partition for *_, partition in whole.taken] == [2, 2, 2, 0, 1]
    assert sending.sent == 3


@pytest.mark.parametrize(("own_ms", "sent_ms"), [(9_501, 9_501), (9_500, 0), (1, 0), (None, 0), (20_000, 20_000)])
def test_a_record_that_its_topic_would_soon_delete_gets_the_time_of_sending(own_ms: int | None, sent_ms: int) -> None:
    producer = FakeProducer({})
    sending = redrive(producer)
    one = letter()
    sending.send([replace(one, parts=replace(one.parts, timestamp_ms=own_ms))])
    assert producer.timestamps_ms == [sent_ms, 0]
    assert sending.renewed == (own_ms is not None and sent_ms == 0)


def test_what_the_topic_does_not_take_for_its_size_holds_up_no_other_and_is_not_noted() -> None:
    producer = FakeProducer({"small": KafkaError.MSG_SIZE_TOO_LARGE})
    sending = redrive(producer)
    sending.send([letter("0:1", topic="small"), letter("0:2")])
    assert (sending.refused, sending.sent) == (["0:1"], 1)
    assert ("letters", b"[2]", 0) in producer.taken


def test_the_file_loses_nothing_between_those_who_add_and_those_who_take_out(tmp_path: Path) -> None:
    kept = KeptFile(tmp_path)

    def add() -> None:
        for number in range(300):
            KeptFile(tmp_path).keep(Entry("added", number, b"%d" % number), BAD)

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    dropped = Counter[bytes | None]()
    while any(thread.is_alive() for thread in threads):
        some = list(kept.read())[:3]
        kept.drop(Counter(each.line for each in some))
        dropped.update(each.value for each in some)
    for thread in threads:
        thread.join()
    assert dropped + Counter(each.value for each in kept.read()) == {b"%d" % number: 2 for number in range(300)}


def test_taken_out_of_the_file_is_what_was_named_and_torn_lines_stay(tmp_path: Path) -> None:
    kept = KeptFile(tmp_path)
    for value in (b"one", b"two", None):
        kept.keep(Entry("f", 1, value), BAD)
    with kept.path.open("ab") as file:
        file.write(b"torn\n")
    one, two, null = kept.read()
    again = Rejected(Reason.CONTRACT, Stage.VALIDATE, "/job", "missing")
    kept.drop(Counter([one.line, two.line]), {two.line: again})
    left = list(kept.read())
    assert [(each.value, each.reason, each.attempt) for each in left] == [
        (b"two", "contract", 2),
        (None, "not_json", 1),
    ]
    assert (left[1], kept.torn) == (replace(null, where="file:2"), 1)
    kept.clear()
    assert (list(kept.read()), kept.path.read_bytes()) == ([], b"")
