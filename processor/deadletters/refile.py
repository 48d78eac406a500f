"""Sending back what the file keeps: to a topic, or into the index as `lineage load` does. What succeeds leaves it.

At least once: the file is written anew at the end, so what is cut short is sent again when it is repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from processor.deadletters.file import KeptFile
from processor.deadletters.letter import DeadLetter
from processor.deadletters.redrive import settle
from processor.decode.keys import message_key
from processor.indexer.publisher import Outgoing, Publisher
from processor.load.reader import Entry
from processor.model.dead_letter import with_attempt
from processor.model.errors import Rejected

__all__ = ["Load", "index_again", "produce"]

Load = Callable[[Iterable[Entry], Callable[[Entry, Rejected], None]], object]
"""Index entries; tell of each that was rejected."""


def produce(publisher: Publisher, topic: str, page: Iterable[DeadLetter]) -> tuple[Counter[bytes], list[str]]:
    """Send a page. Gives the lines that can go, and the letters that the topic does not take for their size.

    Raises `DependencyError`.
    """
    ready = [
        (letter, Outgoing(topic, message_key(letter.value), letter.value, with_attempt((), letter.attempt)))
        for letter in page
    ]
    publisher.send([record for _, record in ready])
    refused = {id(record) for record in settle(publisher)}
    gone = Counter(letter.line for letter, record in ready if id(record) not in refused)
    return gone, [letter.where for letter, record in ready if id(record) in refused]


def index_again(kept: KeptFile, letters: Iterable[DeadLetter], load: Load) -> tuple[int, int]:
    """Index letters; how many it took, and how many it rejected again, which stay. Raises `DependencyError`."""
    lines: dict[str, bytes] = {}
    rejects: dict[bytes, Rejected] = {}

    def entries() -> Iterable[Entry]:
        for letter in letters:
            lines[letter.where] = letter.line
            name, _, number = letter.where.partition(":")
            yield Entry(name, int(number), letter.value)

    def reject(entry: Entry, rejected: Rejected) -> None:
        rejects.setdefault(lines[entry.place], rejected)

    load(entries(), reject)
    kept.drop(Counter(lines.values()), rejects)
    failed = sum(line in rejects for line in lines.values())
    return len(lines) - failed, failed
