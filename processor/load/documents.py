"""JSON text cut into documents, each byte for byte as it stands in the text.

The first lines decide how it is cut:
- text that starts with `[` is an array, each element a document, unless its second line is a whole object;
- text whose first or second line is a JSON object is cut at its line ends, empty lines left out;
- other text that starts with `{` is cut where the braces close: documents over several lines;
- anything else is cut at its line ends, and the decoder will refuse the lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice

import msgspec

from processor.load.stream import CHUNK_BYTES, Peek

MAX_VALUE_BYTES = 64 * 1024 * 1024
"""A longer line is cut here, so that text without line ends cannot fill the memory; the decoder refuses it."""

_look = msgspec.json.Decoder(msgspec.Raw).decode
_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'["\\{}\[\],]')
_OPENING, _CLOSING = b"{[", b"}]"
_Numbered = tuple[int, bytes]


def document_values(stream: Peek) -> Iterator[_Numbered]:
    """Each document with the number of the line that it starts on, from 1."""
    if stream.starts_with(_BOM):
        stream.read(len(_BOM))
    lines = _lines(stream)
    head = _first_two(lines)
    text = chain(head, lines)
    if not head or _is_lines(head):
        return ((number, line.strip()) for number, line in text)
    return _Splitter(is_array=head[0][1].lstrip().startswith(b"[")).split(text)


def _lines(stream: Peek) -> Iterator[_Numbered]:
    """Lines that are not empty, numbered, each with its end."""
    number = 0
    while line := stream.readline(MAX_VALUE_BYTES):
        number += 1
        if not line.endswith(b"\n"):
            _skip_rest_of_line(stream)
        if not line.isspace():
            yield number, line


def _skip_rest_of_line(stream: Peek) -> None:
    while rest := stream.readline(CHUNK_BYTES):
        if rest.endswith(b"\n"):
            return


def _first_two(lines: Iterator[_Numbered]) -> list[_Numbered]:
    return list(islice(lines, 2))


def _is_lines(head: list[_Numbered]) -> bool:
    first = head[0][1].strip()
    if not first.startswith((b"{", b"[")):
        return True
    if first == b"[" or (first.startswith(b"[") and first.endswith(b",")):
        return False
    return any(line.lstrip().startswith(b"{") and _is_json(line) for _, line in head)


def _is_json(line: bytes) -> bool:
    try:
        _look(line)
    except msgspec.DecodeError:
        return False
    return True


class _Splitter:
    """Cuts text where brackets close: elements of arrays, or documents one after the other."""

    def __init__(self, *, is_array: bool) -> None:
        self._level = 1 if is_array else 0
        self._depth = 0
        self._in_string = False
        self._piece = bytearray()
        self._starts_on = 0

    def split(self, lines: Iterator[_Numbered]) -> Iterator[_Numbered]:
        """The documents; what is left open at the end is one too."""
        for number, line in lines:
            yield from self._feed(number, line)
        yield from self._finished()

    def _feed(self, number: int, line: bytes) -> Iterator[_Numbered]:
        done = position = 0
        while token := _TOKEN.search(line, position):
            position = token.end()
            if token[0] == b"\\":
                position += 1
            elif self._ends_piece(token[0]):
                self._add(number, line[done : position if self._level == 0 else token.start()])
                done = position
                yield from self._finished()
            elif self._opens_array(token[0]):
                done = position
        self._add(number, line[done:])

    def _ends_piece(self, token: bytes) -> bool:
        if token == b'"':
            self._in_string = not self._in_string
        if self._in_string or token == b'"':
            return False
        if token in _OPENING:
            self._depth += 1
            return False
        if token in _CLOSING:
            self._depth = max(0, self._depth - 1)
            return self._depth == 0
        return token == b"," and self._level == 1 and self._depth == 1

    def _opens_array(self, token: bytes) -> bool:
        return not self._in_string and self._level == 1 and self._depth == 1 and token == b"["

    def _add(self, number: int, part: bytes) -> None:
        if not self._piece:
            part = part.lstrip()
            self._starts_on = number
        self._piece += part[: MAX_VALUE_BYTES - len(self._piece)]

    def _finished(self) -> Iterator[_Numbered]:
        value = bytes(self._piece).strip()
        self._piece.clear()
        if value:
            yield self._starts_on, value
