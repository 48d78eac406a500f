"""Text from outside, made safe to show in a sentence."""

from __future__ import annotations

__all__ = ["quoted", "visible"]

MOST_CHARS = 200


def visible(text: str) -> str:
    """The text with every unprintable character spelled out as Python's escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quoted(error: object) -> str:
    """What an error of a library says, which may quote the input, or the input itself: shortened, and visible."""
    text = str(error)
    return visible(text if len(text) <= MOST_CHARS else f"{text[:MOST_CHARS]}…")
