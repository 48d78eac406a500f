"""Damage done to good inputs: to JSON by its parts, to anything else by its bytes."""

from __future__ import annotations

import re
from random import Random
from typing import Final, NamedTuple

from tests.fuzz.values import leaf, pick

_ATOM = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null')
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{\]}]')
_BITES: Final[tuple[bytes, ...]] = (
    *(bytes([byte]) for byte in (0, 1, 2, 3, 0x7F, 0x80, 0x81, 0xFE, 0xFF, 0x0A, 0x22, 0x5C, 0x7B, 0x5B, 0x5D, 0x7D)),
    *(b"\xff" * 9 + b"\x01", b"\xfe" * 9 + b"\x01", b"\xff\xff\xff\xff\x0f", b"\xfe\xff\xff\xff\x0f", b"\x80" * 12),
    *(
        b"\x02\x00",
        b"\x01\x02",
        b"\xed\xa0\x80",
        b"\xc3\x01",
        b"Obj\x01",
        b"\x00\x00\x00\x00\x07",
        b"\xef\xbb\xbf",
        b"",
    ),
)
_MOST_SPANS = 3


class Sample(NamedTuple):
    """A JSON text and where its parts begin and end."""

    text: bytes
    spans: list[tuple[int, int]]


def sample(text: bytes) -> Sample:
    """The parts of a text: strings, numbers, words, arrays and objects, as far as its brackets pair up."""
    spans = [found.span() for found in _ATOM.finditer(text)]
    opened: list[int] = []
    for found in _BRACKETS.finditer(text):
        if text[found.start()] in b"[{":
            opened.append(found.start())
        elif text[found.start()] in b"]}" and opened:
            spans.append((opened.pop(), found.end()))
    return Sample(text, spans or [(0, len(text))])


def json_damage(random: Random, victim: Sample, donor: Sample) -> bytes:
    """Put something else in the place of some of its parts."""
    text, chance = victim.text, random.random
    chosen = sorted({victim.spans[int(chance() * len(victim.spans))] for _ in range(1 + int(chance() * _MOST_SPANS))})
    pieces, at = [], 0
    for start, end in chosen:
        if start >= at:
            pieces += [text[at:start], _instead(random, text[start:end], donor)]
            at = end
    return b"".join(pieces) + text[at:]


def _instead(random: Random, part: bytes, donor: Sample) -> bytes:
    kind = random.random()
    if kind < 0.5:
        return leaf(random)
    if kind < 0.8:
        start, end = donor.spans[int(random.random() * len(donor.spans))]
        return donor.text[start:end]
    if kind < 0.9:
        return part + b"," + part
    return b"[" + part + b"]" if kind < 0.95 else bytes_damage(random, part)


def bytes_damage(random: Random, data: bytes) -> bytes:
    """Replace, remove, repeat some bytes, or cut the end off."""
    chance = random.random
    for _ in range(1 + int(chance() ** 2 * 4)):
        at = int(chance() * (len(data) + 1))
        kind = chance()
        if kind < 0.35:
            data = data[:at] + bytes([int(chance() * 256)]) + data[at + 1 :]
        elif kind < 0.6:
            data = data[:at] + pick(random, _BITES) + data[at + int(chance() * 3) :]
        elif kind < 0.75:
            data = data[:at] + data[at + 1 + int(chance() * 8) :]
        elif kind < 0.9:
            back = int(chance() * (len(data) + 1))
            data = data[:at] + data[back : back + int(chance() * 40)] + data[at:]
        else:
            data = data[:at]
    return data
