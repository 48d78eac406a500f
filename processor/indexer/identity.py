"""Whether the input topics are there, and still the ones that they were.

Rules kept here:
- a topic that was deleted and made anew has another id, while the consumer may read on from where it stood in the
  old one and pass over what is new: such a topic is to be read from its start;
- an id once seen is never news again: a broker that lags behind may answer with the old one for a while;
- the question is asked aside, and its answer is looked at the next time: nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

__all__ = ["Identities"]

_ASK_S: Final = 10.0
_NOT_THERE: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001  the client's own


class Identities:
    """The ids of topics, as the brokers tell them."""

    def __init__(self, admin: AdminClient, topics: Sequence[str]) -> None:
        """Take the client over; nothing is asked yet."""
        self._admin = admin
        self._topics = TopicCollection(list(topics))
        self._asked: Mapping[str, Future[Any]] = {}
        self._seen: dict[str, set[str]] = {}
        self._missing: set[str] = set()
        self._renewed: set[str] = set()

    @property
    def missing(self) -> frozenset[str]:
        """Topics that were not there when the brokers were last asked."""
        return frozenset(self._missing)

    @property
    def renewed(self) -> frozenset[str]:
        """Topics that were made anew and not `accept`ed yet."""
        return frozenset(self._renewed)

    def accept(self, topics: frozenset[str]) -> None:
        """Take note that these are read from their start."""
        self._renewed -= topics

    def look(self) -> None:
        """Take the answers to the last question, and ask again once all of them are in."""
        self._admin.poll(0)  # what the client has to log
        if not all(future.done() for future in self._asked.values()):
            return
        for topic, future in self._asked.items():
            self._take(topic, future)
        self._asked = self._admin.describe_topics(self._topics, request_timeout=_ASK_S)

    def _take(self, topic: str, future: Future[Any]) -> None:
        try:
            identity = str(future.result().topic_id)
        except KafkaException as error:
            if error.args[0].code() in _NOT_THERE:
                self._missing.add(topic)
            return  # else no answer, which says nothing of the topic
        self._missing.discard(topic)
        seen = self._seen.setdefault(topic, set())
        if seen and identity not in seen:
            self._renewed.add(topic)
        seen.add(identity)
