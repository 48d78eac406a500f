"""What of the index expires, and when. Pure; `scripts/apply.lua` does the same inside Redis.

Time is the job's own clock: the newest time that an event of one of its runs told, never past the time
at which that was received. So what has expired of a job follows from the job's events alone: not from
when they are read, and not from what was read of others before (a partition may be read whole before
another one begins).

Rules kept here:
- The detail of runs is bounded for each job: a job that goes on keeps its last `Keep.runs` epochs and the
  current one (30 to 40 days), one that went silent what it had then.
- Runs only, and what a job still has to know of them stays with the job (its recent runs). Nodes,
  edges, facets, the current schemas and mappings never expire.
- A run is kept in segments. Time is cut into epochs of ten days; the events of one epoch make a
  segment, and it moves on into the run's next one unless more than `Keep.runs` less one epochs lie
  between them (`Keep.open_runs` less one while the run has not ended). So a run that goes on keeps all
  that it said, and one that was silent for longer begins anew.
- A segment expires `Keep.runs` epochs after its own (`Keep.open_runs` if the run has not ended), with
  the run's entry among its job's open runs. An event of an epoch that has expired adds nodes and edges,
  and nothing to its run.
- Whatever the order in which a job's events arrive, if they are less than an epoch later than the job's
  newest, the segments, the recent runs and the open runs come out the same. Later ones are counted
  (`Keep.late_us`). The events of different jobs may arrive in any order.
- A lane keeps its newest schema versions by last seen, `Keep.versions` of them, besides the current one;
  an output likewise its mappings. A version that was dropped and is stated again is new again: the one
  thing in which a lane with more versions than that depends on the order of its events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from processor.index import joins
from processor.model.identity import ID_BYTES
from processor.model.tables import FINGERPRINT_BYTES

DAY_US = 86_400_000_000
EPOCH_DAYS = 10
EPOCH_US = EPOCH_DAYS * DAY_US
LAST_EPOCH = 0xFFFF
EPOCH_DIGITS = 4
JOB_DIGITS = 2 * ID_BYTES
"""Hex digits of the epoch at the end of a run segment's key, of the job in front."""


class Keep(NamedTuple):
    """How long what expires is kept. Epochs: at least so long, at most one epoch longer.

    `runs`, `open_runs`: a run's detail after its last event, once it has ended and before, in epochs;
    `versions`: schema versions of a lane, mappings of an output; `late_us`: an older event counts as late.
    """

    runs: int = 3
    open_runs: int = 9
    versions: int = 256
    late_us: int = 7 * DAY_US

    def links(self, gap: int, *, ended: bool) -> bool:
        """Whether a segment moves on into one that is `gap` epochs later."""
        return gap < (self.runs if ended else self.open_runs)

    def is_live(self, epoch: int, now: int, *, ended: bool) -> bool:
        """Whether a segment of `epoch` is still kept in the epoch `now`."""
        return epoch >= now - (self.runs if ended else self.open_runs)

    def takes(self, epoch: int, now: int) -> bool:
        """Whether an event of `epoch` still adds to its run in the epoch `now`."""
        return epoch >= now - self.runs


SWEEP = 500
"""Most segments of a job that one batch looks at for what has expired, besides as many as it wrote."""


def epoch_of(time_us: int) -> int:
    """The epoch of a time; what lies outside of 1970 to 3764 counts to the nearest."""
    return min(max(time_us // EPOCH_US, 0), LAST_EPOCH)


KEEP = Keep()
"""What is kept where nothing else is said."""


def epoch_of_segment(owner: str) -> int:
    """The epoch that a run segment's key names."""
    return int(owner[-EPOCH_DIGITS:], 16)


def unexpired(
    record: str, owner: str, there: dict[bytes, bytes], clocks_us: Mapping[str, int], keep: Keep
) -> dict[bytes, bytes]:
    """What of a record has not expired by its job's clock, deleted already or not."""
    now = epoch_of(clocks_us.get(owner[:JOB_DIGITS], 0))
    if record == "r":
        return there if keep.is_live(epoch_of_segment(owner), now, ended=b"e" in there) else {}
    if record == "open":
        return {run: v for run, v in there.items() if keep.is_live(joins.unpack_open(v).epoch, now, ended=False)}
    return there


def surplus(there: Mapping[bytes, bytes], group: bytes, most: int) -> list[bytes]:
    """Fields to drop from a schema or mapping record whose `group` (lane or output) has too many versions."""
    versions = [f for f in there if f[:1] == b"v" and f[1:-FINGERPRINT_BYTES] == group]
    if len(versions) <= most:
        return []
    newest = sorted(versions, key=lambda f: (joins.last_hour(there[f]), f), reverse=True)
    needed = set(_needed(there, group))
    gone = {f[-FINGERPRINT_BYTES:] for f in newest[most:]} - needed
    stated = {f[-FINGERPRINT_BYTES:] for f in there if f[:1] == b"v" and f[1:-FINGERPRINT_BYTES] != group}
    own = [letter + group + mark for letter in (b"v", b"e", b"q") for mark in gone]
    return [f for f in (*own, *(b"b" + mark for mark in gone - stated)) if f in there]


def _needed(there: Mapping[bytes, bytes], group: bytes) -> Iterator[bytes]:
    """Fingerprints that are current: the newest statement's, and those that the newest explicit run stated."""
    yield joins.unpack_stamped(there[b"c" + group]).payload
    run = there.get(b"k" + group)
    for field, value in there.items():
        is_statement = field[:1] == b"q" and field[1:-FINGERPRINT_BYTES] == group
        if run is not None and is_statement and joins.unpack_stamped(value)[2] == joins.unpack_stamped(run)[2]:
            yield field[-FINGERPRINT_BYTES:]
