"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from processor.model.errors import UsageError
from processor.model.wording import NODE_FORMS, wrong_node


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


def node_given(param: typer.CallbackParam, value: str | list[str] | None) -> str | list[str] | None:
    """What was given for a NODE, or for several; called back for every such parameter. Raises `UsageError`."""
    texts = [value] if isinstance(value, str) else value or []
    if (fault := next(filter(None, map(wrong_node, texts)), "")) != "":
        raise UsageError(f"{_spelled(param)}: {fault}")
    return value


def _spelled(param: typer.CallbackParam) -> str:
    """As in the usage of a command."""
    options = [each for each in param.opts if each.startswith("--")]
    return options[0] if options else str(param.metavar).strip("[]")


NodeArgument = Annotated[str, typer.Argument(metavar="NODE", callback=node_given, help=f"{NODE_FORMS}.")]


def examples(*lines: str) -> str:
    """The end of a help text: a command a line."""
    shown = (f"  [dim]$[/dim] {escape(line)}" for line in lines)
    return "\n\n".join(["[bold]Examples[/bold]", *shown])
