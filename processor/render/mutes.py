"""Mutes as people and programs see them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from rich.table import Table

from processor.model.alert import AlertKind
from processor.render.records import Record
from processor.render.tables import folding_table
from processor.render.text import plain
from processor.render.times import minute, rfc3339


class Muting(Protocol):
    """What is muted, by whom, why, until when."""

    @property
    def pattern(self) -> str:
        """A glob."""

    @property
    def kind(self) -> AlertKind | None:
        """None for every kind."""

    @property
    def until_us(self) -> int:
        """When it ends."""

    @property
    def reason(self) -> str:
        """Why."""

    @property
    def by(self) -> str:
        """Who said so."""


def mute_record(mute: Muting) -> Record:
    """The JSON form."""
    return {
        "pattern": mute.pattern,
        "kind": mute.kind.value if mute.kind else None,
        "until": rfc3339(mute.until_us),
        "reason": mute.reason,
        "by": mute.by,
    }


def mute_table(mutes: Iterable[Muting]) -> Table:
    """One row a mute."""
    table = folding_table("pattern", "kind", "until (UTC)", "by", "why")
    for mute in mutes:
        kind = mute.kind.value if mute.kind else "any"
        table.add_row(plain(mute.pattern), kind, minute(mute.until_us), plain(mute.by), plain(mute.reason))
    return table
