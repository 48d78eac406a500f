"""What msgspec says of a value, in the words of whoever wrote the value: a message of a library names its own types."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Final

from processor.model.identity import Kind
from processor.model.text import quoted

__all__ = ["NODE_FORMS", "in_words", "nearest", "wrong_node"]

NODE_FORMS: Final = (
    "dataset:NAMESPACE:NAME, job:NAMESPACE:NAME, column:NAMESPACE:NAME:FIELD, or any trailing part of a name that is"
    " unique, such as orders.amount"
)
"""What a person may call a node."""
_NAMED_KINDS: Final = frozenset({Kind.DATASET.value, Kind.JOB.value, Kind.COLUMN.value})

_KINDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "array": "a list",
    "object": "an object",
    "null": "nothing",
}
_BOUNDS: Final = {">=": "of at least", "<=": "of at most", ">": "greater than", "<": "less than"}
_RULES: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(r"^Expected `([^`]+)`, got `([^`]+)`"), lambda m: f"give {_kind(m[1])}, not {_kind(m[2])}"),
    (
        re.compile(r"^Expected `([^`]+)` of length ([<>]=?) (\d+)"),
        lambda m: f"give {_kind(m[1])} {_BOUNDS[m[2]]} {_length(m[1], m[3])}",
    ),
    (
        re.compile(r"^Expected `([^`]+)` ([<>]=?) (-?[\d.e+]+)"),
        lambda m: f"give {_kind(m[1])} {_BOUNDS[m[2]]} {float(m[3]):g}",
    ),
    (re.compile(r"^Object missing required field `([^`]+)`"), lambda m: f"its member `{m[1]}` is missing"),
    (re.compile(r"^Object contains unknown field `([^`]+)`"), lambda m: f"it has no member `{m[1]}`"),
)
_CHOICE: Final = re.compile(r"^Invalid enum value (.+?)(?: - at .*)?$", re.DOTALL)
_PLACE: Final = re.compile(r" - at `\$\.?([^`]*)`$")


def in_words(message: object, choices: Sequence[str] = ()) -> str:
    """A message of msgspec as a sentence; what is none of its messages as it is. `choices`: what there is to choose."""
    text = quoted(message)
    place = _PLACE.search(text)
    where = f" (at {place[1]})" if place and place[1] else ""
    choice = _CHOICE.match(text)
    if choice is not None:
        return f"{choice[1]} is none of {', '.join(choices) or 'those that there are'}{where}"
    for pattern, told in _RULES:
        if (found := pattern.match(text)) is not None:
            return f"{told(found)}{where}"
    return text


def wrong_node(text: str) -> str:
    """Why nothing can be called so: no text at all, or a kind without a name; empty where something may be."""
    kind, separator, rest = text.strip().partition(":")
    if not kind and not separator:
        return f"it is empty; a NODE is {NODE_FORMS}"
    if separator and kind in _NAMED_KINDS and not rest.strip():
        return f"a name is missing after {kind}:; a NODE is {NODE_FORMS}"
    return ""


def nearest(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Those that are spelled like a name, the likeliest first."""
    by_fold = {each.casefold(): each for each in known}
    return tuple(by_fold[fold] for fold in get_close_matches(name.casefold(), by_fold, n=5, cutoff=0.5))


def _length(stated: str, count: str) -> str:
    part = "character" if stated.startswith("str") else "member"
    return f"{count} {part}" if count == "1" else f"{count} {part}s"


def _kind(stated: str) -> str:
    return " or ".join(_KINDS.get(part.strip(), part.strip()) for part in stated.split("|"))
