"""Values from files onto the topic: byte for byte, under the keys that the real clients use.

What cannot be used is sent all the same: it ends in the dead letters with its bytes, as it would from any producer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from processor.decode.keys import message_key
from processor.decode.observe import Observe
from processor.indexer.publisher import Outgoing, Publisher
from processor.load.reader import Entry
from processor.load.tally import OnRejected, Tally, batches

__all__ = ["send"]

_SETTLE_S: Final = 60.0


def send(
    publisher: Publisher, topic: str, observe: Observe, entries: Iterable[Entry], on_rejected: OnRejected
) -> Tally:
    """Send every value, and tell of those that the indexer will reject. Raises `DependencyError`."""
    tally = Tally()
    for page in batches(entries):
        for entry in page:
            tally.look(observe, entry, on_rejected)
        publisher.send([Outgoing(topic, message_key(entry.value), entry.value) for entry in page])
        publisher.settle(_SETTLE_S)
    return tally
