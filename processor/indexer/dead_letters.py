"""What a rejected record becomes: key and value byte for byte, a null value stays null. Pure."""

from __future__ import annotations

from processor.indexer.publisher import Outgoing
from processor.indexer.records import Record
from processor.model.dead_letter import failure_headers
from processor.model.errors import Rejected

__all__ = ["dead_letter"]


def dead_letter(topic: str, record: Record, rejected: Rejected) -> Outgoing:
    """Make the record for the dead-letter topic."""
    told = failure_headers(record.place, record.headers, rejected, by="processor.decode")
    return Outgoing(topic, record.key, record.value, [*record.headers, *told])
