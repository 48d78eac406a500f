"""`dead-letters purge`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli.asked import confirmed
from processor.cli.guard import NotFoundError, say
from processor.cli.letter_options import (
    DryRunOption,
    EveryOption,
    InOption,
    ReasonOption,
    StageOption,
    WhereArgument,
    YesOption,
)
from processor.cli.mailbox import Mailbox, Within, choice, mailbox, within_of
from processor.cli.options import examples
from processor.model.errors import UsageError

if TYPE_CHECKING:
    from processor.deadletters.choice import Choice
    from processor.deadletters.letter import DeadLetter


def register(letters: typer.Typer) -> None:
    """Add the command."""
    letters.command(
        epilog=examples(
            "lineage dead-letters purge --before 30d --dry-run",
            "lineage dead-letters purge --all --in topic",
            "lineage dead-letters purge --reason not_json --in file --yes",
        ),
    )(purge)


def purge(
    where: WhereArgument = None,
    *,
    every: EveryOption = False,
    before: Annotated[
        str | None,
        typer.Option(
            "--before", "--older-than", metavar="TIME", help="Rejected before: RFC 3339, or an age such as 30d."
        ),
    ] = None,
    reason: ReasonOption = None,
    stage: StageOption = None,
    within: InOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> None:
    """Throw records away that could not be used. They cannot be brought back.

    On the topic only the oldest can go, up to a time (--before) or all: Kafka deletes from the beginning of each
    partition and nowhere else. The file is written anew, so any choice can be made there (--in file).
    """
    from processor.render.text import counted

    asked = choice(where=where, reason=reason, stage=stage, topic=None, since=None, until=before)
    _check(asked, every=every)
    with mailbox(within_of(where or (), within)) as box:
        _check_topic(box, asked)
        offsets, on_topic, waiting = _on_topic(box, asked)
        in_file = [letter for letter in box.in_file() if asked.takes(letter)]
        _require(asked, in_file)
        count, never = on_topic + len(in_file), waiting + len(in_file)
        told = f"{counted(count, 'dead letter')} ({never} of them never sent back)"
        if dry_run:
            say(f"would throw away {told}")
        elif not count and not (every and offsets):
            say("no dead letters")
        elif confirmed(f"Throw away {told}?", count, many=0, yes=yes, must=True):
            _purge(box, offsets, in_file, every=every)
            say(f"threw away {told}")


def _check(asked: Choice, *, every: bool) -> None:
    if every and (asked.where or asked.has_filter):
        raise UsageError("--all and a choice exclude each other; leave out one")
    if not (every or asked.where or asked.has_filter):
        raise UsageError("say which: --before TIME, --all, or for the file any choice")


def _check_topic(box: Mailbox, asked: Choice) -> None:
    if box.consumer is not None and (asked.where or asked.reasons or asked.stages):
        raise UsageError(
            "from a topic Kafka deletes only the oldest records, whatever they are: use --before TIME or --all there,"
            f" or choose freely in the file with --in {Within.FILE.value}"
        )


def _require(asked: Choice, found: list[DeadLetter]) -> None:
    missing = sorted(asked.where - {letter.where for letter in found})
    if missing:
        raise NotFoundError(f"there is no dead letter {', '.join(missing)}; nothing was thrown away")


def _on_topic(box: Mailbox, asked: Choice) -> tuple[dict[int, int], int, int]:
    """Up to where the topic goes, how many letters those are, and how many of them nobody sent back."""
    from processor.deadletters.purge import loss, offsets_before

    if box.consumer is None:
        return {}, 0, 0
    offsets = offsets_before(box.consumer, box.topic, asked.until_us)
    lost = loss(box.on_topic(), offsets, box.redriven())
    return offsets, lost.letters, lost.waiting


def _purge(box: Mailbox, offsets: dict[int, int], in_file: list[DeadLetter], *, every: bool) -> None:
    from processor import wiring
    from processor.deadletters.purge import delete_before

    if offsets:
        delete_before(wiring.kafka_admin(box.settings), box.topic, offsets)
    if box.kept is not None and every:
        box.kept.clear()
    elif box.kept is not None and in_file:
        box.kept.drop(Counter(letter.line for letter in in_file))
