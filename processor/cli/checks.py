"""What the doctor found, for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.table import Table
from rich.text import Text

from processor.doctor import Check
from processor.render.tables import folding_grid
from processor.render.text import plain

_SIGNS: Final = {True: Text("ok", style="green"), False: Text("no", style="bold red"), None: Text("?", style="yellow")}


def check_table(checks: Iterable[Check]) -> Table:
    """One row a check; what to do stands below what is wrong."""
    table = folding_grid(3)
    for check in checks:
        table.add_row(_SIGNS[check.ok], Text(check.name, style="bold"), plain(check.detail))
        if check.advice and not check.ok:
            table.add_row("", "", Text.assemble("→ ", plain(check.advice, "yellow")))
    return table
