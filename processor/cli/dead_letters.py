"""`dead-letters`: records that could not be used."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from processor.cli import purging, redriving
from processor.cli.guard import NotFoundError, say
from processor.cli.letter_options import (
    InOption,
    ReasonOption,
    SinceOption,
    StageOption,
    TopicOption,
    UntilOption,
)
from processor.cli.mailbox import choice, mailbox, within_of
from processor.cli.options import Output, OutputOption, examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import RenderableType

    from processor.deadletters.letter import DeadLetter

letters = typer.Typer(
    no_args_is_help=True,
    help="Records that could not be used: look, send back, throw away.",
    epilog=examples(
        "lineage dead-letters list",
        "lineage dead-letters show 3:41",
        "lineage dead-letters redrive --reason unknown_schema --dry-run",
    ),
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(letters, name="dead-letters")
    redriving.register(letters)
    purging.register(letters)


@letters.command(
    "list",
    epilog=examples(
        "lineage dead-letters list --count",
        "lineage dead-letters list --reason contract --since 2h",
        "lineage dead-letters list --all -o ndjson         those that were sent back, too",
    ),
)
def list_dead_letters(
    *,
    reason: ReasonOption = None,
    stage: StageOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    within: InOption = None,
    every: Annotated[bool, typer.Option("--all", "-a", help="Those that were sent back, too.")] = False,
    count: Annotated[bool, typer.Option("--count", "-c", help="Only how many of each kind.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List records that could not be used: those on the topic, and those that "lineage load" kept.

    Those that were sent back ("redriven") are left out; what was rejected again is another letter.
    """
    from processor.cli.letters import letter_table, tally_record, tally_table
    from processor.deadletters.choice import tally

    asked = choice(reason=reason, stage=stage, topic=topic, since=since, until=until)
    with mailbox(within) as box:
        found = (letter for letter in box.marked() if (every or not letter.redriven) and asked.takes(letter))
        if count:
            _print(tally(found), tally_table, tally_record, output)
        else:
            _print(islice(found, limit), letter_table, _short, output)


@letters.command("show", epilog=examples("lineage dead-letters show 3:41", "lineage dead-letters show file:1 -o json"))
def show_dead_letter(
    where: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="As the list shows it; or file:NUMBER.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Show one record that could not be used, with its bytes."""
    from processor.cli.letters import letter_text
    from processor.deadletters.topic import read_topic
    from processor.render import console

    with mailbox(within_of([where], None)) as box:
        on_topic = read_topic(box.consumer, box.topic, where) if box.consumer is not None else iter(())
        letter = next((each for places in (on_topic, box.in_file()) for each in places if each.where == where), None)
    if letter is None:
        raise NotFoundError(f"there is no dead letter {where}")
    if output is Output.TABLE:
        console.out().print(letter_text(letter), soft_wrap=True)
    elif output is Output.JSON:
        console.write_json(letter.record(whole=True))
    else:
        console.write_ndjson([letter.record(whole=True)])


def _short(letter: DeadLetter) -> dict[str, Any]:
    return letter.record(whole=False)


def _print(
    found: Iterable[Any],
    table: Callable[[Iterable[Any]], RenderableType],
    record: Callable[[Any], dict[str, Any]],
    output: Output,
) -> None:
    from processor.render import console

    if output is Output.TABLE:
        shown = list(found)
        console.print_out(table(shown)) if shown else say("no dead letters")
    elif output is Output.JSON:
        console.write_json([record(each) for each in found])
    else:
        console.write_ndjson(record(each) for each in found)
