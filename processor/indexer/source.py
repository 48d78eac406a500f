"""Reading the input topics: the consumer, its assignment and its commits.

Rules kept here:
- one thread touches the consumer; callbacks run inside `fetch`, `hold`, `settle` and `close`;
- an offset is committed only for a partition that was ours without a break since its records were
  fetched (`_claims`), so that nothing is committed for an assignment that was lost;
- what was fetched for an assignment that was lost is void, also when the partition came back: it is then read from
  where the group stands, which may lie before or beyond;
- while held, everything is paused and polling goes on, so that the group keeps this member.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import methodcaller
from typing import Any, Final, cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from processor.indexer.commits import Commits
from processor.indexer.errors import BrokenClientError
from processor.indexer.points import Reached, pass_by
from processor.indexer.records import Headers, Partition, Record
from processor.model.errors import DependencyError, Reason, Rejected, Stage
from processor.telemetry import metrics

__all__ = ["MOST_BYTES", "Fetched", "MakeConsumer", "Source", "headers_of", "record_of"]

MOST_BYTES: Final = 32 * 1024 * 1024
"""Bytes of a batch where nothing else is said."""
_FILLING: Final = 0.2
# Taken for the size of a record before the first was seen: a rather large one.
_FIRST_MEAN_BYTES: Final = 256 * 1024.0
_POLL_S: Final = 0.1
_ASK_S: Final = 5.0
_PROBE_S: Final = 1.0
_SAY_AGAIN_S: Final = 10.0
# How the callback for errors hears of a fatal one, whose own flag it does not set.
_FATAL: Final = KafkaError._FATAL  # noqa: SLF001  as below
_END: Final = KafkaError._PARTITION_EOF  # noqa: SLF001  the underscore marks codes of the client itself
# Where it cannot read a name, the client gives a broken list and leaves its exception standing. A call written out
# raises that, once the interpreter has specialized it, at some later place only; this one always raises it here.
_ask_headers: Final = methodcaller("headers")
_BAD_HEADERS: Final = Rejected(
    Reason.BAD_HEADERS,
    Stage.CONSUME,
    detail="the name of a header is not UTF-8; the record is kept without its headers",
)
_OF_RIGHTS: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED})
_GROUP: Final = "the consumer group"
_OF_CONNECTION: Final = frozenset({KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT})  # noqa: SLF001

MakeConsumer = Callable[[dict[str, Any]], Consumer]
"""Makes a consumer; takes the callbacks that go into its configuration."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Fetched:
    """What one fetch brought. `ends`: partitions whose end was reached, with the offset of that end.

    `messages`: how many the client gave, the tellings of an end included, of which a busy topic has many.
    """

    records: list[Record] = field(default_factory=list)
    ends: dict[Partition, int] = field(default_factory=dict)
    messages: int = 0

    def only(self, partitions: Collection[Partition]) -> Fetched:
        """What comes from these."""
        records = [record for record in self.records if record.partition in partitions]
        ends = {each: offset for each, offset in self.ends.items() if each in partitions}
        return Fetched(records, ends, self.messages)


class Source:
    """The input topics as this member of the group sees them.

    `assignment` counts the changes of the assignment: 0 until the group has given one, an empty one included.
    `is_suspect`: a connection was lost, and no broker has answered since. `refused`: what the brokers do not let us
    read, by topic, with their words.
    """

    def __init__(self, make: MakeConsumer, topics: Sequence[str], reached: Reached = pass_by) -> None:
        """Make the consumer; `subscribe` joins the group. `reached`: see `points`."""
        self._commits = Commits(reached)
        self._topics = list(topics)
        self._owned: dict[Partition, int] = {}
        self._claims: set[Partition] = set()
        self._carried: list[Message] = []
        self._said_s: dict[int, float] = {}
        self._is_held = False
        self._released = 0
        self._mean_bytes = _FIRST_MEAN_BYTES
        self.assignment = 0
        self.is_suspect = False
        self.refused: dict[str, str] = {}
        self._consumer = make({"on_commit": self._commits.answered, "error_cb": self._on_error})

    @property
    def owned(self) -> frozenset[Partition]:
        """The partitions that are ours now."""
        return frozenset(self._owned)

    @property
    def since(self) -> Mapping[Partition, int]:
        """The partitions that are ours now, each with the change of the assignment that gave it."""
        return dict(self._owned)

    def subscribe(self) -> None:
        """Join the group."""
        self._consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def fetch(self, count: int, wait_s: float, most_bytes: int = MOST_BYTES) -> Fetched:
        """Return up to `count` messages of about `most_bytes` together, waiting at most that long for one.

        Once there is one, it waits for more for a fifth of that.
        There may be more bytes by what one look at the queue brings: as many records as would fit by the mean size
        of those before, so at most what the client holds fetched.
        Raises `BrokenClientError` when this consumer cannot go on.
        """
        self._release()
        self._consume(count, wait_s, most_bytes)
        messages, self._carried = self._carried, []
        fetched = self._sort(messages)
        self._claims = ({record.partition for record in fetched.records} | fetched.ends.keys()) & self._owned.keys()
        self._commits.send_again(self._consumer)
        return fetched

    def still_ours(self, fetched: Fetched) -> Fetched:
        """What holds of the last fetch: partitions that stayed ours and are not read from elsewhere since."""
        return fetched.only(self._claims)

    def _consume(self, count: int, wait_s: float, most_bytes: int) -> None:
        """Add to what is carried: should a partition go meanwhile, it is taken out there."""
        deadline_s, left, size, asked = time.monotonic() + wait_s, count, 0, 1
        while left > 0 and size < most_bytes:
            found = self._consumer.consume(min(left, asked), max(0.0, deadline_s - time.monotonic()))
            found_bytes = sum(map(len, found))
            if found:
                self._mean_bytes = max(1.0, found_bytes / len(found))
            self._carried += found
            left -= len(found)
            size += found_bytes
            if time.monotonic() >= deadline_s:
                break
            if found and left + len(found) == count:  # the first that came
                deadline_s = time.monotonic() + wait_s * _FILLING
            asked = max(1, int((most_bytes - size) / self._mean_bytes))

    def hold(self, delay_s: float) -> None:
        """Wait without reading on; the next `fetch` reads on."""
        self._is_held = True
        deadline_s = time.monotonic() + delay_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            self._consumer.pause(self._consumer.assignment())
            message = self._consumer.poll(min(left_s, _POLL_S))
            if message is not None:  # fetched before the pause took hold
                self._carried.append(message)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit where to read on, as far as the partitions stayed ours; does not wait for the answer."""
        self._commits.want({each: offset for each, offset in offsets.items() if each in self._claims})
        self._commits.send(self._consumer)

    def settle(self, timeout_s: float) -> None:
        """Return once every commit is confirmed; raises `DependencyError` after the time."""
        deadline_s = time.monotonic() + timeout_s
        while self._commits.open:
            if time.monotonic() > deadline_s:
                raise DependencyError("Kafka", f"offsets of {len(self._commits.open)} partitions are not committed")
            self._commits.send_again(self._consumer)
            self._consumer.poll(_POLL_S)

    def read_from(self, offsets: Mapping[Partition, int]) -> None:
        """Read these of ours from there. What was fetched of them is void. Raises `DependencyError`."""
        self._commits.forget(offsets)
        self._claims -= offsets.keys()
        self._carried = [message for message in self._carried if _partition(message) not in offsets]
        try:
            for each, offset in offsets.items():
                self._consumer.seek(TopicPartition(each.topic, each.number, offset))
        except KafkaException as error:
            raise DependencyError("Kafka", error.args[0].str()) from error

    def is_back(self) -> bool:
        """Ask for a sign of life after `is_suspect`: any broker will do."""
        try:
            self._consumer.list_topics(self._topics[0], _PROBE_S)
        except KafkaException:
            return False
        self.is_suspect = False
        return True

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def high_offset(self, partition: Partition) -> int | None:
        """Where the partition ends, as last heard; None when nothing was heard yet."""
        try:
            _low, high = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
        except KafkaException:
            return None
        return high if high >= 0 else None

    def bounds(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        """Ask where each log begins and ends. Raises `DependencyError`."""
        return {each: self._ask_bounds(each) for each in partitions}

    def partitions(self) -> list[Partition]:
        """Ask for all partitions of the input topics. Raises `DependencyError`."""
        return self._ask_partitions()

    def ends(self) -> dict[Partition, int]:
        """Ask where every partition of the input topics ends, 0 for an empty one. Raises `DependencyError`."""
        with_data = {each: self._ask_bounds(each) for each in self._ask_partitions()}
        return {each: high if high > low else 0 for each, (low, high) in with_data.items()}

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Ask what the group has committed; negative where nothing. Raises `DependencyError`."""
        try:
            answer = self._consumer.committed([TopicPartition(*each) for each in partitions], _ASK_S)
        except KafkaException as error:
            raise DependencyError("Kafka", error.args[0].str()) from error
        return {Partition(each.topic, each.partition): each.offset for each in answer}

    def _release(self) -> None:
        """Resume what is ours; also what has come since, for the client keeps the pause of a partition that went."""
        if self._is_held or self._released != self.assignment:
            self._consumer.resume(self._consumer.assignment())
            self._is_held, self._released = False, self.assignment

    def _ask_partitions(self) -> list[Partition]:
        try:
            found = [self._consumer.list_topics(topic, _ASK_S).topics[topic] for topic in self._topics]
        except KafkaException as error:
            raise DependencyError("Kafka", error.args[0].str()) from error
        for topic in found:
            if topic.error is not None:
                raise DependencyError("Kafka", f"topic {topic.topic}: {topic.error.str()}")
        return [Partition(topic.topic, number) for topic in found for number in topic.partitions]

    def _ask_bounds(self, partition: Partition) -> tuple[int, int]:
        try:
            answer = self._consumer.get_watermark_offsets(TopicPartition(*partition), _ASK_S)
        except KafkaException as error:
            raise DependencyError("Kafka", error.args[0].str()) from error
        if answer is None:
            raise DependencyError("Kafka", f"no answer where {partition.topic} [{partition.number}] ends")
        return answer

    def _assigned(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        new = _partitions(partitions)
        self._commits.forget(new)
        self._owned |= dict.fromkeys(new, self.assignment + 1)
        self.refused.pop(_GROUP, None)
        self._rebalanced("assigned", new)

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Give partitions back. The client sends these commits and waits for them before it lets go."""
        gone = _partitions(partitions)
        self._commits.send(self._consumer)
        self._leave(gone)
        self._rebalanced("revoked", gone)

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        gone = _partitions(partitions)
        self._leave(gone)
        self._rebalanced("lost", gone)
        self.is_suspect = True

    def _leave(self, gone: set[Partition]) -> None:
        self._commits.forget(gone)
        self._owned = {each: since for each, since in self._owned.items() if each not in gone}
        self._claims -= gone
        self._carried = [message for message in self._carried if _partition(message) not in gone]
        for each in gone:
            _forget_gauges(each)

    def _rebalanced(self, event: str, partitions: set[Partition]) -> None:
        self.assignment += 1
        metrics.REBALANCES.labels(event).inc()
        metrics.ASSIGNED.set(len(self._owned))
        _log.info("partitions " + event, partitions=sorted(f"{each.topic}:{each.number}" for each in partitions))

    def _sort(self, messages: Sequence[Message]) -> Fetched:
        fetched = Fetched(messages=len(messages))
        for message in messages:
            error = message.error()
            if error is None:
                fetched.records.append(record_of(message))
            elif error.code() == _END:
                fetched.ends[_partition(message)] = message.offset() or 0
            else:
                self._on_error(error)
            self._note_rights(message.topic() or _GROUP, error)
        return fetched

    def _note_rights(self, topic: str, error: KafkaError | None) -> None:
        if error is not None and error.code() in _OF_RIGHTS:
            self.refused[topic] = error.str()
        elif self.refused:
            self.refused.pop(topic, None)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == _FATAL:
            raise BrokenClientError("Kafka", f"the consumer broke: {error.str()}{_advice(error)}")
        metrics.KAFKA_ERRORS.labels(error.name()).inc()
        if error.code() in _OF_CONNECTION:  # the client's own log tells of it
            self.is_suspect = True
            return
        now_s = time.monotonic()
        if now_s - self._said_s.get(error.code(), -_SAY_AGAIN_S) >= _SAY_AGAIN_S:
            self._said_s[error.code()] = now_s
            _log.warning("Kafka client", error=error.name(), detail=error.str())


def _advice(error: KafkaError) -> str:
    """What to do about it. Another member's name is told in words only: the code says just that it is fatal."""
    return "; every process needs a LINEAGE_GROUP_INSTANCE_ID of its own" if "instance" in error.str() else ""


def _partition(message: Message) -> Partition:
    return Partition(message.topic() or "", message.partition() or 0)


def _forget_gauges(partition: Partition) -> None:
    for gauge in (metrics.LAG_MESSAGES, metrics.LAG_SECONDS, metrics.WATERMARK):
        with contextlib.suppress(KeyError):  # nothing was shown yet
            gauge.remove(partition.topic, str(partition.number))


def _partitions(partitions: list[TopicPartition]) -> set[Partition]:
    return {Partition(each.topic, each.partition) for each in partitions}


def record_of(message: Message) -> Record:
    """What the client gives for one record."""
    kind, timestamp_ms = message.timestamp()
    headers = headers_of(message)
    return Record(
        _partition(message),
        message.offset() or 0,
        timestamp_ms * 1000 if kind else None,
        message.key(),
        message.value(),
        headers or (),
        _BAD_HEADERS if headers is None else None,
    )


def headers_of(message: Message) -> Headers | None:
    """Give its headers; None when the client cannot read them: names must be UTF-8, and no broker checks it."""
    try:
        return cast("Headers", _ask_headers(message) or ())
    except (SystemError, UnicodeDecodeError):  # which of them depends on the client's version
        return None
