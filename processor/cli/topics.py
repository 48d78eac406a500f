"""`topics create`: the processor's own topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli.guard import NO, say
from processor.cli.options import examples

if TYPE_CHECKING:
    from processor.settings import Settings

topics = typer.Typer(
    no_args_is_help=True,
    help="The processor's own topics.",
    epilog=examples("lineage topics create --dry-run", "lineage topics create --fix"),
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(topics, name="topics")


@topics.command(
    "create",
    epilog=examples(
        "lineage topics create --dry-run     what is missing, and what is wrong with what is there",
        "lineage topics create",
        "lineage topics create --fix         and set right what is there",
    ),
)
def create(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Change topics that are there to what they must be.")] = False,
) -> None:
    """Create the topics that are not there yet, and say what is wrong with those that are; exit 1 if that stays so."""
    from processor import settings
    from processor.home import with_kafka

    chosen = with_kafka(settings.load())
    does_fix = fix and not dry_run
    made = _create(chosen, dry_run)
    wrong = _tell_wrong(chosen, does_fix)
    if not made and not wrong:
        say("all topics are there, as they must be")
    if (made and dry_run) or (wrong and not does_fix):
        raise typer.Exit(NO)


def _create(chosen: Settings, dry_run: bool) -> bool:
    """Whether any was missing."""
    from processor.topic_rules import wanted_topics
    from processor.topics import create_topics, missing_topics

    names = missing_topics(chosen) if dry_run else create_topics(chosen)
    for name in names:
        config = "".join(f" {key}={value}" for key, value in wanted_topics(chosen)[name].items())
        say(f"{'would create' if dry_run else 'created'} {name}: partitions={chosen.topics.partitions}{config}")
    return bool(names)


def _tell_wrong(chosen: Settings, does_fix: bool) -> bool:
    """Whether anything was wrong."""
    from processor.topics import mend, wrong_topics

    wrong = wrong_topics(chosen)
    if does_fix:
        mend(chosen, wrong)
    for fault in wrong:
        say(f"{'changed' if does_fix else 'wrong'}: {fault}")
    if wrong and not does_fix:
        say("what is there is left as it is; to change it: lineage topics create --fix")
    return bool(wrong)
