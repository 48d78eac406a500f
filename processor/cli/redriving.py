"""`dead-letters redrive`."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Final

import typer

from processor.cli.asked import confirmed
from processor.cli.guard import NotFoundError, say
from processor.cli.letter_options import (
    DryRunOption,
    EveryOption,
    InOption,
    ReasonOption,
    SinceOption,
    StageOption,
    TopicOption,
    UntilOption,
    WhereArgument,
    YesOption,
)
from processor.cli.mailbox import Mailbox, choice, mailbox, within_of
from processor.cli.options import Output, OutputOption, examples
from processor.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from processor.deadletters.choice import Choice
    from processor.deadletters.letter import DeadLetter
    from processor.deadletters.redrive import Limits, Pace, Plan, Redrive
    from processor.indexer.publisher import Publisher
    from processor.settings import Settings

_MANY: Final = 10
_LONG_S: Final = 3.0


def register(letters: typer.Typer) -> None:
    """Add the command."""
    letters.command(
        epilog=examples(
            "lineage dead-letters redrive 3:41",
            "lineage dead-letters redrive --reason unknown_schema --since 2h --dry-run",
            "lineage dead-letters redrive --all --rate 500 --yes",
        ),
    )(redrive)


def redrive(
    where: WhereArgument = None,
    *,
    every: EveryOption = False,
    reason: ReasonOption = None,
    stage: StageOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    within: InOption = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TOPIC", help="Not to where each was read from.")] = None,
    rate: Annotated[float, typer.Option("--rate", min=0.1, help="Records a second.")] = 100,
    max_attempts: Annotated[
        int, typer.Option("--max-attempts", min=1, help="Leave out what was a dead letter so often.")
    ] = 3,
    again: Annotated[bool, typer.Option("--again", help="Those that were sent back before, too.")] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Send records back to the topic that they were read from, as they were: key, value, headers, timestamp.

    Mend first what they were rejected for. A record that is rejected again becomes a new dead letter that counts its
    attempts, and is left out once there are too many.

    At least once: a letter is sent once and then left out, unless this command is cut short before it could note that
    down. A record that is indexed twice changes nothing.

    What "lineage load" kept goes to the first input topic, or without Kafka into the index, and leaves the file.
    """
    from processor.deadletters.redrive import Limits, make_plan

    asked = choice(where=where, reason=reason, stage=stage, topic=topic, since=since, until=until)
    _check(asked, every=every)
    with mailbox(within_of(where or (), within)) as box:
        _refuse_own(box.settings, to)
        limits = Limits(max_attempts, frozenset() if again else box.redriven(), to, _of_file(box))
        plan = make_plan(_all(box), asked, limits)
        _require(asked, plan)
        if dry_run:
            _show(box, plan, limits, output)
        elif plan.send and confirmed(f"Send {len(plan.send)} records back?", len(plan.send), many=_MANY, yes=yes):
            _send(box, plan, limits, rate)
        _tell_left_out(plan, max_attempts)


def _check(asked: Choice, *, every: bool) -> None:
    if every and (asked.where or asked.has_filter):
        raise UsageError("--all and a choice exclude each other; leave out one")
    if not (every or asked.where or asked.has_filter):
        raise UsageError("say which: PARTITION:OFFSET as the list shows it, a filter such as --reason, or --all")


def _refuse_own(settings: Settings, to: str | None) -> None:
    if to == settings.topics.dead_letters:
        raise UsageError(f"{to} is where the dead letters are; nobody would read them there")
    if to is not None:
        settings.require_kafka()


def _of_file(box: Mailbox) -> str:
    from processor.home import BOOTSTRAP

    return box.settings.input_topics[0].topic if box.settings.kafka.get(BOOTSTRAP) else ""


def _all(box: Mailbox) -> Iterator[DeadLetter]:
    return chain(box.on_topic(), box.in_file())


def _require(asked: Choice, plan: Plan) -> None:
    missing = sorted(asked.where - plan.found)
    if missing:
        raise NotFoundError(f"there is no dead letter {', '.join(missing)}; nothing was sent")


def _show(box: Mailbox, plan: Plan, limits: Limits, output: Output) -> None:
    from processor.cli.letters import redrive_table
    from processor.render import console
    from processor.render.text import counted

    found = ((letter, limits.topic(letter) or "the index") for letter in _all(box) if letter.where in plan.send)
    if output is Output.TABLE:
        console.print_out(redrive_table(found))
    elif output is Output.JSON:
        console.write_json([{**letter.record(whole=False), "to": topic} for letter, topic in found])
    else:
        console.write_ndjson({**letter.record(whole=False), "to": topic} for letter, topic in found)
    say(f"would send {counted(len(plan.send), 'record')} back")


def _send(box: Mailbox, plan: Plan, limits: Limits, rate: float) -> None:
    from processor.deadletters.redrive import Pace
    from processor.render.text import counted

    sent = 0
    pace = Pace(rate)
    with _bar(len(plan.send), rate) as advance, ExitStack() as stack:
        if any(map(bool, plan.topics)):
            sender = _Sender(stack, box, plan, limits)
            sent += sender.send_topic(pace, advance)
            sent += sender.send_file(pace, advance)
        else:
            sent += _index_file(box, plan)
    say(f"{counted(sent, 'record')} sent back")


class _Sender:
    """Sends the letters of both places to topics."""

    def __init__(self, stack: ExitStack, box: Mailbox, plan: Plan, limits: Limits) -> None:
        from processor import wiring
        from processor.cli.clients import partitions_of

        self._stack = stack
        self._box = box
        self._plan = plan
        self._limits = limits
        self._partitions = partitions_of(box.settings, plan.topics)
        self._publisher: Publisher = wiring.open_publisher(box.settings)

    def send_topic(self, pace: Pace, advance: Callable[[int], None]) -> int:
        """Send what is on the dead-letter topic; how many that were."""
        from processor.deadletters.redrive import pages

        if self._box.consumer is None:
            return 0
        redrive = self._redrive()
        chosen = (letter for letter in self._box.on_topic() if letter.where in self._plan.send)
        for page in pages(chosen, pace.page):
            pace.wait(len(page))
            redrive.send(page)
            advance(len(page))
        if redrive.renewed:
            say(f"{redrive.renewed} are so old that their topic would soon delete them: they got the time of sending")
        _tell_refused(redrive.refused)
        for where in redrive.gone:
            say(f"{where}: was too large for its dead letter, and is no longer where it was read")
        return redrive.sent

    def send_file(self, pace: Pace, advance: Callable[[int], None]) -> int:
        """Send what is in the file; how many that were."""
        from processor.deadletters.redrive import pages
        from processor.deadletters.refile import produce

        kept, topic, gone = self._box.kept, self._limits.to or self._limits.of_file, Counter[bytes]()
        if kept is None:
            return 0
        try:
            for page in pages((each for each in kept.read() if each.where in self._plan.send), pace.page):
                pace.wait(len(page))
                arrived, refused = produce(self._publisher, topic, page)
                gone += arrived
                _tell_refused(refused)
                advance(len(page))
        finally:
            kept.drop(gone)
        return gone.total()

    def _redrive(self) -> Redrive:
        from processor.cli.clients import kept_ms, open_reader
        from processor.deadletters.redrive import Redrive
        from processor.deadletters.topic import read_at

        others = self._stack.enter_context(open_reader(self._box.settings))
        return Redrive(
            self._publisher,
            self._box.topic,
            self._limits.to,
            self._partitions,
            kept_ms(self._box.settings, self._partitions),
            lambda place: read_at(others, place),
        )


def _index_file(box: Mailbox, plan: Plan) -> int:
    from processor.cli.clients import file_observer
    from processor.cli.feeding import told
    from processor.cli.opened import opened
    from processor.deadletters.refile import index_again
    from processor.load.into_index import load_into
    from processor.render.text import counted

    if box.kept is None:
        return 0
    chosen = (letter for letter in box.kept.read() if letter.where in plan.send)
    with opened() as index:
        observe = file_observer(index.settings)
        taken, failed = index_again(
            box.kept, chosen, lambda entries, keep: load_into(index.store, observe, entries, told(keep))
        )
    if failed:
        say(f"{counted(failed, 'record')} rejected again")
    return taken


def _tell_refused(refused: Iterable[str]) -> None:
    for where in refused:
        say(f"{where}: the topic does not take it for its size; raise its max.message.bytes")


def _tell_left_out(plan: Plan, max_attempts: int) -> None:
    told = {
        f"were dead letters {max_attempts} times or more (--max-attempts)": plan.spent,
        "were sent back before (--again)": plan.before,
        "do not tell where they were read (--to)": plan.nowhere,
    }
    for why, count in told.items():
        if count:
            say(f"left out: {count} that {why}")
    if not plan.found:
        say("no dead letters")


@contextmanager
def _bar(total: int, rate: float) -> Iterator[Callable[[int], None]]:
    from rich.progress import Progress

    from processor.render.console import talk

    console = talk()
    is_short = total / rate < _LONG_S
    with Progress(console=console, disable=is_short or not console.is_terminal, transient=True) as bar:
        task = bar.add_task("Sending", total=total)
        yield lambda count: bar.advance(task, count)
