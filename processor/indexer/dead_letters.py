"""What a rejected record becomes: key and value byte for byte, a null value stays null. Pure.

Where the topic does not take it for its size, a letter without its bytes stands in for it: they are where the record
was read, which its headers tell, for as long as that topic keeps them.
"""

from __future__ import annotations

from processor.indexer.publisher import Outgoing
from processor.indexer.records import Record
from processor.model.dead_letter import failure_headers, left_headers
from processor.model.errors import Rejected

__all__ = ["dead_letter"]


def dead_letter(topic: str, record: Record, rejected: Rejected) -> Outgoing:
    """Make the record for the dead-letter topic."""
    told = failure_headers(
        record.place, record.headers, rejected, by="processor.decode", timestamp_us=record.timestamp_us
    )
    without = Outgoing(topic, None, None, left_headers(told, _size_bytes(record)))
    return Outgoing(topic, record.key, record.value, [*record.headers, *told], smaller=without)


def _size_bytes(record: Record) -> int:
    of_headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + of_headers
