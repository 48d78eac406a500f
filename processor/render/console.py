"""Where output goes: data to standard output, talk to standard error, and never a traceback for a closed pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec
from rich.console import Console

_PIPE_WIDTH = 240
"""Columns when nobody looks: wide enough that a table in a pipe or a file is not folded."""


class _Console(Console):
    """A console that lets a closed pipe be seen by whoever runs the command."""

    def on_broken_pipe(self) -> NoReturn:
        """Leave the decision to the command's outermost frame."""
        raise BrokenPipeError


def out() -> Console:
    """Standard output, for data."""
    return _Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def talk() -> Console:
    """Standard error, for talk and progress."""
    return _Console(stderr=True, highlight=False)


def write_json(document: Any) -> None:  # noqa: ANN401  any JSON document
    """Print one JSON document, indented, UTF-8."""
    _write(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def write_ndjson(records: Iterable[Any]) -> None:
    """Print one JSON document a line, as they come."""
    encode = msgspec.json.Encoder().encode
    for record in records:
        _write(encode(record) + b"\n")


def write_text(text: str) -> None:
    """Print text as it is."""
    _write(text.encode("utf-8", "backslashreplace"))


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
