"""`rebuild`: the index made anew beside the live one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from processor.cli.guard import say
from processor.cli.options import examples
from processor.home import BOOTSTRAP, with_kafka, with_redis

if TYPE_CHECKING:
    from rich.progress import Progress

    from processor.load.reader import Entry
    from processor.rebuild import Build, Plan
    from processor.settings import Settings


_DROPPER: Final = "lineage rebuild --drop"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "lineage rebuild                              from the topics",
            "lineage rebuild archive-2025/*.ndjson.zst    from files first: what Kafka no longer retains",
            "lineage rebuild --drop                       give up a build that was stopped half-way",
        ),
    )(rebuild)


def rebuild(
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE…]", help="Events from before the topics.")] = None,
    buckets: Annotated[
        int | None, typer.Option("--buckets", min=1, help="Of the new index; LINEAGE_REDIS_BUCKETS if not named.")
    ] = None,
    grace: Annotated[
        float, typer.Option("--grace", min=0, metavar="SECONDS", help="How long the old index stays for its readers.")
    ] = 10,
    drop: Annotated[bool, typer.Option("--drop", help="Delete what a stopped build and old ones left over.")] = False,
) -> None:
    """Build the index anew beside the live one, and go over to it.

    Reads FILEs, then the input topics from their beginning up to what the indexers have seen through. Indexing and
    answering go on meanwhile. Stopped half-way, the same command goes on where it was.

    Nothing is announced again; alerts wait until the new index is whole.
    """
    from processor import settings
    from processor.rebuild import Plan

    with with_redis(with_kafka(settings.load())) as chosen:
        if drop:
            _drop(chosen)
        else:
            _rebuild(chosen, files or [], Plan(buckets or chosen.redis_buckets, grace))


def _drop(settings: Settings) -> None:
    from processor import wiring

    generations = wiring.generations(settings)
    generations.hold(_DROPPER)
    try:
        generations.abandon()
        say(f"{generations.drop_left_over()} keys deleted")
    finally:
        generations.release(_DROPPER)


def _rebuild(settings: Settings, files: list[str], plan: Plan) -> None:
    from processor.load.reader import refuse_missing
    from processor.model.errors import UsageError

    if not files and not settings.kafka.get(BOOTSTRAP):
        raise UsageError("nothing to build from: name files, or set LINEAGE_KAFKA__BOOTSTRAP_SERVERS")
    refuse_missing(files)
    with _building(settings, plan) as build:
        number = build.generation.number
        say(f"going on with generation {number}" if build.is_resumed else f"building generation {number}")
        try:
            _fill(settings, build, files)
        except BaseException:
            say("stopped; the live index is as it was. Go on: lineage rebuild; give up: lineage rebuild --drop")
            raise
        say(f"generation {number} is live; readers go over")
        say(f"{build.clean_up()} keys of old generations deleted")


@contextmanager
def _building(settings: Settings, plan: Plan) -> Iterator[Build]:
    from processor import wiring
    from processor.cli.clients import open_reader
    from processor.rebuild import Build, History

    with ExitStack() as stack:
        history, observers = None, {}
        if settings.kafka.get(BOOTSTRAP):
            consumer = stack.enter_context(
                open_reader(settings, group_id=settings.groups.indexer, enable_partition_eof=True)
            )
            history = History(consumer, [each.topic for each in settings.input_topics])
            observers = wiring.observers(settings)
        stores = wiring.generation_opener(settings)
        build = Build(plan, wiring.generations(settings), stores, history, observers)
        stack.callback(build.close)
        yield build


def _fill(settings: Settings, build: Build, files: list[str]) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from processor.render.console import talk

    console = talk()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        if files:
            _load(settings, build, files, bar)
        task = bar.add_task("Reading topics", total=None)
        build.read_topics(lambda told: bar.update(task, completed=told.records, total=told.total))
    build.go_live()


def _load(settings: Settings, build: Build, files: list[str], bar: Progress) -> None:
    """Join files into the generation; what cannot be used is told."""
    from processor.cli.clients import file_observer
    from processor.load.into_index import load_into
    from processor.load.reader import read, size_bytes
    from processor.render.text import counted

    task = bar.add_task("Reading files", total=sum(size_bytes(name) or 0 for name in files))

    def entries() -> Iterator[Entry]:
        for name in files:
            for entry in read(name, lambda count: bar.advance(task, count)):
                build.hold()
                yield entry

    tally = load_into(build.store, file_observer(settings), entries(), lambda *_: None)
    say(f"{counted(tally.events, 'event')} of files indexed, {counted(tally.rejected.total(), 'record')} rejected")
