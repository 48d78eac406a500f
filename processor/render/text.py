"""Names from outside, made safe to show.

A name may hold anything: terminal escapes, line breaks, direction overrides, markup of the format it is shown in.
Rule: what is not printable is shown as its Python escape, and what is markup is escaped by the format's own rules.
JSON needs neither, its encoder does it.
"""

from __future__ import annotations

from rich.text import Text

from processor.model.identity import Node
from processor.model.text import visible


def plain(text: str, style: str = "") -> Text:
    """A cell of a table: visible, and never read as rich's markup."""
    return Text(visible(text), style=style)


def counted(count: int, what: str) -> str:
    """`1 column`, `2 columns`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def label(node: Node) -> str:
    """The node in the form that the command line takes, made visible."""
    return visible(str(node))


def short(node: Node) -> str:
    """The node without kind and namespace, for places where a sentence has no room."""
    name = node.name or node.namespace
    return visible(name if node.field is None else f"{name}.{node.field}")
