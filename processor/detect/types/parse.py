"""From the name of a type to its normal form.

Rules kept here:
- what cannot be read is a type of its own (`Family.OTHER`), equal to itself in whatever case and spacing; so is what
  is too long or too deeply nested;
- `not null`, comments and defaults behind a type are no part of it; wrappers such as `Nullable(…)` neither;
- a type that a JSON document states is Avro's (see `avro`).

sqlglot reads names of SQL engines too, but takes 650 ms to import, misreads Arrow's (`struct<a: int32>` loses the
type, `timestamp[us]` becomes an array) and refuses those of Avro and pandas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from processor.detect.types import avro
from processor.detect.types.lattice import Family, Relation, Type, relation
from processor.detect.types.names import dialect_of, named
from processor.model.alert import Retyping

_LONGEST = 32_768
_DEEPEST = 32
_MOST_DIMENSIONS = 8
_TOKEN = re.compile(r"\s*(?:([^\W\d][\w.$%-]*)|(-?\d+)|('[^']*'|\"[^\"]*\"|`[^`]*`)|([<>()\[\],:=/+]))")
_PAIRS = {"<": ">", "(": ")", "[": "]"}
_CLOSING = frozenset(_PAIRS.values())
_ENDS = frozenset({"not", "comment", "default", "options", "collate", "encode"})
"""Words with which something begins that is no part of a type."""

_ARRAYS = frozenset({"array", "list", "large_list", "sequence", "repeated"})
_STRUCTS = frozenset({"struct", "record", "row", "tuple", "nested", "object"})
_WRAPPERS = frozenset({"nullable", "lowcardinality", "optional", "dictionary"})
_BARE = {"array": Family.ARRAY, "map": Family.MAP, "struct": Family.STRUCT, "record": Family.STRUCT}


class _UnreadError(Exception):
    """The text is no type that is known here."""


def retyping(before: str, after: str, scheme: str) -> Retyping | None:
    """What a column's new type is to its former one; None when it is the same one, spelled anew.

    `scheme` says whose names they are (see `names.scheme_of`).
    """
    found = relation(normal_form(before, scheme), normal_form(after, scheme))
    return None if found is Relation.SAME else Retyping(found.value)


@lru_cache(maxsize=512)
def normal_form(text: str, scheme: str = "") -> Type:
    """A type in normal form, whatever the text."""
    plain = "".join(text.split()).casefold()
    if len(text) > _LONGEST or _depth(text) > _DEEPEST:
        return Type(Family.OTHER, name=plain)
    found = avro.normal_form(text) if text.lstrip()[:1] in {"{", "[", '"'} else _read(text, scheme)
    return found or Type(Family.OTHER, name=plain)


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character in "<([{") - (character in ">)]}")
        deepest = max(deepest, depth)
    return deepest


def _read(text: str, scheme: str) -> Type | None:
    try:
        reader = _Reader(list(_tokens(text)), scheme)
        found = reader.type()
        reader.skip_to(frozenset())
    except _UnreadError:
        return None
    return found


def _tokens(text: str) -> Iterator[str]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise _UnreadError
        yield found[0].strip()
        at = found.end()


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[str], scheme: str) -> None:
        self._tokens = tokens
        self._scheme = scheme
        self._at = 0

    def type(self) -> Type:
        """A type, with what belongs to it behind its parameters: `timestamp(6) with time zone`, `int[]`."""
        words = self._words()
        nested = self._nested(" ".join(words))
        parameters = self._parameters() if nested is None and self._next() in _PAIRS and not self._is_suffix() else []
        found = nested or self._named(" ".join([*words, *self._words()]), parameters)
        for _ in range(_MOST_DIMENSIONS):
            if not self._is_suffix():
                return found
            self._at += 2
            found = Type(Family.ARRAY, members=(("", found),))
        raise _UnreadError

    def skip_to(self, ends: frozenset[str]) -> None:
        """Leave out what is no part of a type, up to one of these."""
        depth = 0
        while (token := self._next()) and (depth or token not in ends):
            depth += (token in _PAIRS) - (token in _CLOSING)
            self._at += 1
        if not ends and self._next():
            raise _UnreadError

    def _next(self, ahead: int = 0) -> str:
        place = self._at + ahead
        return self._tokens[place] if place < len(self._tokens) else ""

    def _is_suffix(self) -> bool:
        return self._next() == "[" and self._next(1) == "]"

    def _words(self) -> list[str]:
        found = []
        while _is_word(self._next()) and self._next().casefold() not in _ENDS:
            found.append(self._next().casefold())
            self._at += 1
        return found

    def _named(self, name: str, parameters: list[str]) -> Type:
        found = named(name, parameters, dialect_of(self._scheme))
        if found is None and name[:1] == "_" != name[1:2] and not parameters:  # how Postgres names its arrays
            return Type(Family.ARRAY, members=(("", self._named(name[1:], [])),))
        if found is None and name in _BARE and not parameters:
            return Type(_BARE[name], members=None)
        if found is None and not parameters and name:
            return Type(Family.OTHER, name="".join(name.split()))
        if found is None:
            raise _UnreadError
        return found

    def _parameters(self) -> list[str]:
        """`(10, 2)`, `[us, tz=UTC]`: one text each."""
        close, found = self._open(), [""]
        while (text := self._next()) != close:
            if text in _PAIRS or not text:
                raise _UnreadError
            found = [*found, ""] if text == "," else [*found[:-1], found[-1] + text.casefold()]
            self._at += 1
        self._at += 1
        return [each for each in found if each]

    def _open(self) -> str:
        close = _PAIRS[self._next()]
        self._at += 1
        return close

    # Nested types

    def _nested(self, name: str) -> Type | None:
        """A type with types inside, if the name is of one and they are stated."""
        if self._next() not in _PAIRS or self._is_suffix():
            return None
        if name in _STRUCTS:
            members = dict(self._members())
            return Type(Family.STRUCT, members=tuple(sorted(members.items())))
        if name == "map":
            key, value = self._inside(2)
            return Type(Family.MAP, members=(("key", key), ("value", value)))
        if name in _ARRAYS:
            return Type(Family.ARRAY, members=(("", self._inside(1)[0]),))
        return self._inside(1)[0] if name in _WRAPPERS else None

    def _inside(self, count: int) -> list[Type]:
        """The first types inside; what Arrow says behind them (`ordered=0`) is left out."""
        close, found = self._open(), list[Type]()
        while len(found) < count:
            if self._next(1) in {":", "="}:
                self._at += 2
            found.append(self.type())
            self.skip_to(frozenset({",", close}))
            self._at += self._next() == "," and len(found) < count
        self.skip_to(frozenset({close}))
        self._close(close)
        return found

    def _members(self) -> Iterator[tuple[str, Type]]:
        close, number = self._open(), 0
        while self._next() != close:
            number += 1
            yield self._member_name() or str(number), self.type()
            self.skip_to(frozenset({",", close}))
            self._at += self._next() == ","
        self._close(close)

    def _member_name(self) -> str:
        """The name of a member, `a: int` or `a INT64`; "" when there is none."""
        name, following = self._next(), self._next(1)
        has_name = following == ":" or _is_word(following) or following[:1] in {"'", '"', "`"}
        if not has_name:
            return ""
        self._at += 1 + (following == ":")
        return name.strip("'\"`")

    def _close(self, close: str) -> None:
        if self._next() != close:
            raise _UnreadError
        self._at += 1


def _is_word(token: str) -> bool:
    return token[:1].isalpha() or token[:1] == "_"
