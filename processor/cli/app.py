"""The command `lineage` with all its subcommands."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from processor import __version__
from processor.cli import (
    alerting,
    asking,
    coverage,
    dead_letters,
    differing,
    exporting,
    feeding,
    gating,
    policy,
    rebuilding,
    running,
    searching,
    topics,
    why,
)
from processor.cli.guard import Guarded, lost_output
from processor.cli.options import examples
from processor.collector import spare_the_collector

__all__ = ["main"]

app = typer.Typer(
    name="lineage",
    cls=Guarded,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "lineage demo                   see it all on this machine",
        "lineage load events.ndjson     index a file, no Kafka needed",
        "lineage down orders.amount     what breaks when this column goes?",
        "lineage run                    the worker, on your Kafka and Redis",
    ),
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"lineage-processor {__version__}")
        raise typer.Exit


@app.callback()
def lineage(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Reads lineage events from Kafka, keeps their graph in Redis, and alerts on schema drift and missing lineage."""


running.register(app)
feeding.register(app)
topics.register(app)
dead_letters.register(app)
asking.register(app)
searching.register(app)
exporting.register(app)
differing.register(app)
alerting.register(app)
why.register(app)
coverage.register(app)
gating.register(app)
policy.register(app)
rebuilding.register(app)


def main() -> None:
    """Run the command that was asked for."""
    spare_the_collector()
    try:
        code = app(prog_name="lineage")
    except OSError as error:
        # The help is printed before any command is entered.
        code = lost_output(error)
    sys.exit(code)
