"""Whether a topic is still the one that it was, from what brokers answer."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from processor.indexer.identity import Identities

TOPIC = "events"
Answer = str | int | None


class _Brokers:
    """Answers one question after the other: an id, the code of an error, or None for not yet."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._answers = iter(answers)

    def poll(self, _timeout_s: float) -> int:
        return 0

    def describe_topics(self, _topics: object, **_: object) -> dict[str, Future[Any]]:
        future: Future[Any] = Future()
        answer = next(self._answers, None)
        if isinstance(answer, int):
            future.set_exception(KafkaException(KafkaError(answer)))
        elif answer is not None:
            future.set_result(SimpleNamespace(topic_id=answer))
        return {TOPIC: future}


def told(*answers: Answer) -> Identities:
    identities = Identities(cast("AdminClient", _Brokers(answers)), [TOPIC])
    for _ in range(len(answers) + 1):
        identities.look()
    return identities


def test_the_first_id_and_the_same_again_are_no_news() -> None:
    assert told("a").renewed == told("a", "a").renewed == frozenset()


def test_another_id_is_news_until_it_is_accepted() -> None:
    identities = told("a", "b")
    assert identities.renewed == {TOPIC}
    identities.accept(frozenset({TOPIC}))
    assert identities.renewed == frozenset()


def test_a_broker_that_lags_behind_makes_no_news() -> None:
    identities = Identities(cast("AdminClient", _Brokers(["a", "b", "a", "b"])), [TOPIC])
    news = []
    for _ in range(5):
        identities.look()
        news.append(bool(identities.renewed))
        identities.accept(identities.renewed)
    assert news == [False, False, True, False, False]


def test_a_topic_is_missing_as_long_as_brokers_say_so() -> None:
    gone = KafkaError.UNKNOWN_TOPIC_OR_PART
    assert told("a", gone).missing == {TOPIC}
    assert told("a", gone, "a").missing == frozenset()
    assert told("a", gone, "b").renewed == {TOPIC}


def test_no_answer_says_nothing() -> None:
    for silence in (None, KafkaError._TIMED_OUT, KafkaError.TOPIC_AUTHORIZATION_FAILED):  # noqa: SLF001  the client's own
        identities = told("a", silence)
        assert (identities.missing, identities.renewed) == (frozenset(), frozenset())
