"""Options that say which dead letters are meant."""

from __future__ import annotations

from typing import Annotated

import typer

from processor.cli.mailbox import Within
from processor.model.errors import Reason, Stage

_WHEN = "RFC 3339, or an age such as 2h or 3d."

ReasonOption = Annotated[list[Reason] | None, typer.Option("--reason", help="Only with this reason; may be repeated.")]
StageOption = Annotated[list[Stage] | None, typer.Option("--stage", help="Only rejected at this stage.")]
TopicOption = Annotated[list[str] | None, typer.Option("--topic", help="Only read from this topic.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help=f"Only rejected then or later. {_WHEN}")
]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="TIME", help=f"Only rejected before. {_WHEN}")]
InOption = Annotated[Within | None, typer.Option("--in", help='Only those on the topic, or those "load" kept.')]
WhereArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="PARTITION:OFFSET…", help="As the list shows them; or file:NUMBER."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
EveryOption = Annotated[bool, typer.Option("--all", "-a", help="All of them.")]
