"""Tables that lose nothing: what a narrow terminal has no room for goes on in the next line, and is never cut."""

from __future__ import annotations

from rich.table import Column, Table

__all__ = ["folding_grid", "folding_table"]


def folding_table(*heads: str) -> Table:
    """A table with these heads and no lines."""
    columns = (Column(head, overflow="fold") for head in heads)
    return Table(*columns, box=None, pad_edge=False, header_style="bold")


def folding_grid(columns: int) -> Table:
    """So many columns without heads."""
    table = folding_table(*("",) * columns)
    table.show_header = False
    return table
