"""What a store of the index must do; `memory.py` and `redis.py` each do it.

The index is a set of hashes, each under a `Key` in one of a fixed number of buckets. A write is a
`BucketBatch`: joins that the store applies atomically, announcing what was new through the outbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol

from processor.index.expiry import Keep
from processor.index.keys import Key
from processor.index.neighborhood import Ahead, Neighborhood
from processor.index.portion import Portion
from processor.index.wire import Parts


class Settle(NamedTuple):
    """After the joins: join a run's segment, link it, and derive the run's place among its job's open and recent runs.

    `fields`: field, value, field, value, …, each joined as `joins.RUN_JOINS` says, members sorted. `item` is
    announced about `subject`, completed with the run's figures, when the run failed or differed. `events`: how many
    of the batch made the segment; `newest_us`: the newest time that they tell the job's clock. `place`: the run's
    among the recent runs, if these events say that it `has_ended`, else among the open ones, if they are all of it.
    """

    run: Key
    recent: Key
    run_field: bytes
    item: bytes
    epoch: int
    newest_us: int
    events: int
    subject: bytes
    has_ended: bool
    place: bytes
    fields: Sequence[bytes]


@dataclass(slots=True)
class BucketBatch:
    """Everything that one atomic step writes to one bucket. `settles`: a run's segments by age.

    `is_silent`: nothing of it is announced.
    """

    parts: Parts = field(default_factory=Parts)
    settles: list[Settle] = field(default_factory=list)
    is_silent: bool = False


Batch = dict[int, BucketBatch]
"""A batch by bucket."""


class Covered(NamedTuple):
    """The offsets of a partition, from `start` up to but without `stop`, that a batch accounts for."""

    start: int
    stop: int


Covers = Mapping[bytes, Covered]
"""What a batch accounts for, by b"topic:partition".

Every bucket is told of every batch, and keeps the highest `stop`: a claim that it holds whatever came before. A batch
whose `start` lies beyond that claim meets a store that went back in time.
"""
NOTHING_COVERED: Covers = MappingProxyType({})


class OutboxEntry(NamedTuple):
    """A change that waits for its confirmation. `payload` is packed; see `announce.py`."""

    bucket: int
    entry_id: bytes
    payload: bytes


class Store(Protocol):
    """The index's storage. Any method may raise DependencyError; every write may be repeated.

    What is read and written is one generation of the index: the live one, as of opening or of `refresh`.
    """

    @property
    def buckets(self) -> int:
        """How many buckets the index was created with."""

    @property
    def generation(self) -> int:
        """Which generation this is."""

    @property
    def keep(self) -> Keep:
        """How long what expires is kept."""

    @property
    def late_events(self) -> int:
        """How many run events `apply` has met that came later than `Keep.late_us`."""

    def refresh(self) -> bool:
        """Go over to the generation that is live now; whether that is another one than before."""

    def apply(self, batch: Batch, covers: Covers = NOTHING_COVERED) -> list[OutboxEntry]:
        """Join a batch, each bucket atomically; the changes that this brought, to be announced.

        Raises `StoreWentBackError` when buckets lack what came before the batch; those were not written to.
        """

    def fetch(self, keys: Sequence[Key]) -> list[dict[bytes, bytes]]:
        """Whole hashes, in the order of `keys`; an absent one is empty. Few round trips."""

    def fetch_records(self, ids: Sequence[bytes], portions: Sequence[Portion]) -> list[list[dict[bytes, bytes]]]:
        """Portions of the records of these nodes, for each portion in the order of `ids`; an absent one is empty.

        One round trip, whatever is asked for.
        """

    def fetch_neighborhood(self, ids: Sequence[bytes], ahead: Ahead) -> Neighborhood:
        """What lies around these nodes. One round trip, but for a cluster's: there it is one for each link."""

    def fetch_fields(self, key: Key, fields: Sequence[bytes]) -> list[bytes | None]:
        """Single fields of one hash."""

    def scan(
        self, record: str, buckets: Sequence[int] | None = None
    ) -> Iterator[tuple[Key, list[tuple[bytes, bytes]]]]:
        """Page through the bucket-wide hashes of a record (`reg.dataset`, `open`, …), of all buckets or of these."""

    def sizes(self, record: str) -> list[int]:
        """How many fields the bucket-wide hash of a record has, by bucket; in one round trip."""

    def keys(self) -> Iterator[Key]:
        """Every key of the index itself, in no order: for digest and export. Slow by design."""

    def outbox(self) -> list[OutboxEntry]:
        """Entries that nobody has confirmed yet."""

    def confirm(self, entries: Iterable[OutboxEntry]) -> None:
        """Take confirmed entries out of the outbox."""

    def offsets(self) -> list[dict[bytes, int]]:
        """Next offset by b"topic:partition", one dict a bucket: everything before it is in that bucket."""

    def forget_offsets(self, partitions: Iterable[bytes]) -> None:
        """Withdraw what all buckets claim of these: the topic that they were read from is no more."""

    def set_progress(self, progress: Mapping[bytes, bytes], *, where_none: bool = False) -> None:
        """Publish how far the indexer has read each b"topic:partition" (see `progress.py`), in one round trip.

        `where_none`: only where nobody has published anything.
        """

    def progress(self) -> dict[bytes, bytes]:
        """What every indexer has published of its partitions."""

    def ping(self) -> None:
        """Raise DependencyError unless the store can be written."""

    def fullness(self) -> float | None:
        """How much of the memory that it may use the fullest server uses; 0.0 without a limit, None if not known."""

    def close(self) -> None:
        """Give back connections."""
