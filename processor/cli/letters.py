"""Dead letters for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from processor.deadletters.choice import Tally
from processor.deadletters.letter import DeadLetter
from processor.model.text import visible
from processor.render.tables import folding_table
from processor.render.text import plain
from processor.render.times import minute, rfc3339

_NAME_WIDTH = 11
_HEX_BYTES = 16
_MAX_SHOWN = 100_000


def letter_table(letters: Iterable[DeadLetter]) -> Table:
    """One row a record."""
    heads = ("where", "time (UTC)", "reason", "stage", "at", "read from", "detail")
    table = folding_table(*heads)
    for letter in letters:
        time = "" if letter.time_us is None else minute(letter.time_us)
        words = (letter.stage, letter.pointer, letter.source, letter.detail)
        table.add_row(letter.where, time, plain(letter.reason, "red"), *(plain(word) for word in words))
    return table


def redrive_table(letters: Iterable[tuple[DeadLetter, str]]) -> Table:
    """One row a record that is to be sent back, and where to."""
    table = folding_table("where", "to", "attempt", "reason", "read from", "detail")
    for letter, topic in letters:
        words = (letter.source, letter.detail)
        cells = (plain(topic), plain(str(letter.attempt)), plain(letter.reason, "red"), *map(plain, words))
        table.add_row(letter.where, *cells)
    return table


def tally_table(tallies: Iterable[Tally]) -> Table:
    """One row a kind of letter."""
    table = folding_table("count", "reason", "stage", "read from", "oldest (UTC)", "newest (UTC)")
    for each in tallies:
        times = ("" if time_us is None else minute(time_us) for time_us in (each.oldest_us, each.newest_us))
        words = (plain(each.stage), plain(each.topic or "(a file)"))
        table.add_row(str(each.count), plain(each.reason, "red"), *words, *times)
    return table


def tally_record(of: Tally) -> dict[str, Any]:
    """The JSON form of a row."""
    return {
        "count": of.count,
        "reason": of.reason,
        "stage": of.stage,
        "topic": of.topic,
        "oldest": None if of.oldest_us is None else rfc3339(of.oldest_us),
        "newest": None if of.newest_us is None else rfc3339(of.newest_us),
    }


def letter_text(letter: DeadLetter) -> Text:
    """Everything about one record; its value as text, or as hexadecimal where it is none.

    To be printed without wrapping: a line of the value is a line of the output.
    """
    time = "" if letter.time_us is None else rfc3339(letter.time_us)
    facts = {
        "reason": letter.reason,
        "stage": letter.stage,
        "pointer": letter.pointer,
        "detail": letter.detail,
        "read from": letter.source,
        "time": time,
        "attempt": str(letter.attempt),
        "key": _text(letter.key),
    }
    lines = [Text.assemble((f"{name:<{_NAME_WIDTH}}", "bold"), visible(value)) for name, value in facts.items()]
    return Text("\n").join([*lines, Text(), Text("value", style="bold"), *_value(letter)])


def _text(data: bytes | None) -> str:
    return "" if data is None else data.decode("utf-8", "backslashreplace")


def _value(letter: DeadLetter) -> list[Text]:
    if letter.parts.left_bytes is not None:
        return [
            Text(f"{letter.parts.left_bytes} bytes, too large for this topic; it is where it was read", style="dim")
        ]
    if letter.value is None:
        return [Text("null", style="dim")]
    try:
        text = letter.value.decode()
    except UnicodeDecodeError:
        shown = Text(_hexdump(letter.value[:_MAX_SHOWN]))
        return [shown, *_more(letter.where, len(letter.value) - _MAX_SHOWN, "bytes")]
    shown = Text("\n".join(visible(line) for line in text[:_MAX_SHOWN].split("\n")))
    return [shown, *_more(letter.where, len(text) - _MAX_SHOWN, "characters")]


def _more(where: str, count: int, unit: str) -> list[Text]:
    """What was left out, and how to see it."""
    if count <= 0:
        return []
    return [Text(f"… and {count} more {unit}; the whole of it: lineage dead-letters show {where} -o json", style="dim")]


def _hexdump(data: bytes) -> str:
    rows = (data[start : start + _HEX_BYTES] for start in range(0, len(data), _HEX_BYTES))
    return "\n".join(
        f"{number * _HEX_BYTES:06x}  {row.hex(' '):<47}  {''.join(_printable(byte) for byte in row)}"
        for number, row in enumerate(rows)
    )


def _printable(byte: int) -> str:
    return chr(byte) if chr(byte).isascii() and chr(byte).isprintable() else "."
