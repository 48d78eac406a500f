"""Dead letters for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group
from rich.table import Table
from rich.text import Text

from processor.deadletters import DeadLetter
from processor.render.text import plain, visible
from processor.render.times import minute, rfc3339

_HEX_BYTES = 16
_MAX_SHOWN = 100_000


def letter_table(letters: Iterable[DeadLetter]) -> Table:
    """One row a record."""
    heads = ("where", "time (UTC)", "reason", "stage", "at", "read from", "detail")
    table = Table(*heads, box=None, pad_edge=False, header_style="bold")
    for letter in letters:
        time = "" if letter.time_us is None else minute(letter.time_us)
        words = (letter.stage, letter.pointer, letter.source, letter.detail)
        table.add_row(letter.where, time, plain(letter.reason, "red"), *(plain(word) for word in words))
    return table


def letter_text(letter: DeadLetter) -> Group:
    """Everything about one record; its value as text, or as hexadecimal where it is none."""
    table = Table(box=None, show_header=False, pad_edge=False)
    time = "" if letter.time_us is None else rfc3339(letter.time_us)
    facts = {
        "reason": letter.reason,
        "stage": letter.stage,
        "pointer": letter.pointer,
        "detail": letter.detail,
        "read from": letter.source,
        "time": time,
        "key": _text(letter.key),
    }
    for name, value in facts.items():
        table.add_row(Text(name, style="bold"), visible(value))
    return Group(table, Text("\nvalue", style="bold"), _value(letter.value))


def _text(data: bytes | None) -> str:
    return "" if data is None else data.decode("utf-8", "backslashreplace")


def _value(data: bytes | None) -> Text:
    if data is None:
        return Text("null", style="dim")
    try:
        text = data[:_MAX_SHOWN].decode()
    except UnicodeDecodeError:
        return Text(_hexdump(data[:_MAX_SHOWN]))
    return Text("\n".join(visible(line) for line in text.splitlines()))


def _hexdump(data: bytes) -> str:
    rows = (data[start : start + _HEX_BYTES] for start in range(0, len(data), _HEX_BYTES))
    return "\n".join(
        f"{number * _HEX_BYTES:06x}  {row.hex(' '):<47}  {''.join(_printable(byte) for byte in row)}"
        for number, row in enumerate(rows)
    )


def _printable(byte: int) -> str:
    return chr(byte) if chr(byte).isascii() and chr(byte).isprintable() else "."
