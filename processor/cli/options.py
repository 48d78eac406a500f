"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape


class Output(StrEnum):
    """How a list or a record is printed."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"


class ListOutput(StrEnum):
    """How a list of records of one form is printed."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


class GraphOutput(StrEnum):
    """How a graph is printed."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    DOT = "dot"
    MERMAID = "mermaid"
    SVG = "svg"
    PNG = "png"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="Form of the output.")]
ListOutputOption = Annotated[ListOutput, typer.Option("-o", "--output", help="Form of the output.")]
GraphOutputOption = Annotated[GraphOutput, typer.Option("-o", "--output", help="Form of the output.")]
AtOption = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="As of this time (RFC 3339), or so long ago: 90m, 2h, 3d, 4w."),
]
NodeArgument = Annotated[
    str,
    typer.Argument(
        metavar="NODE",
        help="dataset:NAMESPACE:NAME, job:NAMESPACE:NAME, column:NAMESPACE:NAME:FIELD, or any trailing part of a name"
        " that is unique, such as orders.amount.",
    ),
]


def examples(*lines: str) -> str:
    """The end of a help text: a command a line."""
    shown = (f"  [dim]$[/dim] {escape(line)}" for line in lines)
    return "\n\n".join(["[bold]Examples[/bold]", *shown])
