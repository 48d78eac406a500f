"""One finding of `lineage doctor`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Check", "away", "bad", "good", "unknown"]


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and what to do.

    `ok` is None where nothing could be found out. `unreachable`: something that is needed does not answer.
    """

    name: str
    ok: bool | None
    detail: str
    advice: str = ""
    unreachable: bool = False


def good(name: str, detail: str) -> Check:
    """Make a check that is in order."""
    return Check(name, ok=True, detail=detail)


def bad(name: str, detail: str, advice: str) -> Check:
    """Make a check that is not in order."""
    return Check(name, ok=False, detail=detail, advice=advice)


def away(name: str, detail: str, advice: str) -> Check:
    """Make a check of something that does not answer."""
    return Check(name, ok=False, detail=detail, advice=advice, unreachable=True)


def unknown(name: str, detail: str, advice: str = "") -> Check:
    """Make a check that could not be made."""
    return Check(name, ok=None, detail=detail, advice=advice)
