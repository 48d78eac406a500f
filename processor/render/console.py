"""Where output goes: data to standard output, talk to standard error, and never a traceback for a closed pipe."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec
from rich.console import Console, RenderableType

_PIPE_WIDTH = 1_000_000
"""Columns when nobody looks: a table in a pipe or a file is neither folded nor cut."""


class _Console(Console):
    """A console that lets a closed pipe be seen by whoever runs the command."""

    def on_broken_pipe(self) -> NoReturn:
        """Leave the decision to the command's outermost frame."""
        raise BrokenPipeError


def out() -> Console:
    """Standard output, for data."""
    _require_output()
    return _Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def print_out(what: RenderableType) -> None:
    """Print a table or a tree to standard output; without blanks at the ends of lines where nobody looks."""
    console = out()
    if console.is_terminal:
        console.print(what)
        return
    with console.capture() as captured:
        console.print(what)
    write_text("".join(f"{line.rstrip(' ')}\n" for line in captured.get().splitlines()))


def talk() -> Console:
    """Standard error, for talk and progress."""
    return _Console(stderr=True, highlight=False)


def write_json(document: Any) -> None:  # noqa: ANN401  any JSON document
    """Print one JSON document, indented, UTF-8."""
    _write(_tame(msgspec.json.format(msgspec.json.encode(document), indent=2)) + b"\n")


def write_ndjson(records: Iterable[Any]) -> None:
    """Print one JSON document a line, as they come."""
    encode = msgspec.json.Encoder().encode
    for record in records:
        _write(_tame(encode(record)) + b"\n")


def write_json_list(records: Iterable[Any]) -> None:
    """Print one JSON array as its members come, each on a line of its own."""
    encode, before = msgspec.json.Encoder().encode, b"[\n"
    for record in records:
        _write(before + _tame(encode(record)))
        before = b",\n"
    _write(b"[]\n" if before == b"[\n" else b"\n]\n")


def write_lines(lines: Iterable[str]) -> None:
    """Print lines, with their ends, as they come."""
    for line in lines:
        write_text(line)


def write_bytes(data: bytes) -> None:
    """Print bytes as they are."""
    _write(data)


def flush() -> None:
    """Let what was printed be seen."""
    _require_output()
    sys.stdout.flush()


def write_text(text: str) -> None:
    """Print text as it is."""
    _write(text.encode("utf-8", "backslashreplace"))


def _tame(document: bytes) -> bytes:
    """The same document, with what is not printable as JSON's escapes.

    JSON lets DEL, C1 controls, direction overrides and Unicode's own line ends stand in a string as they are: a
    terminal obeys them, and who splits lines by Unicode's rules finds more lines than records.
    """
    text = document.decode()
    if text.replace("\n", "").isprintable():
        return document
    return "".join(map(_tamed, text)).encode()


def _tamed(char: str) -> str:
    if char == "\n" or char.isprintable():
        return char
    units = char.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _require_output() -> None:
    """Python has no standard output where the caller closed it."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def _write(data: bytes) -> None:
    _require_output()
    sys.stdout.buffer.write(data)
