"""`load`, `topics`: records on their way in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from processor.cli.guard import NO, say
from processor.cli.opened import opened
from processor.cli.options import examples
from processor.home import BOOTSTRAP, with_kafka

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.load.reader import Entry
    from processor.load.tally import OnRejected, Tally
    from processor.model.errors import Rejected
    from processor.settings import Settings

_BIG_FILE_BYTES: Final = 20_000_000
_SHOWN_REJECTS: Final = 20


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=examples(
            "lineage load events.ndjson.gz",
            "zstdcat events.zst | lineage load -",
            "lineage load --produce events.avro          send them to the topic",
            "lineage load --strict *.json                exit 1 when a record is rejected",
        ),
    )(load)


def load(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Files, or - for standard input.")],
    produce: Annotated[bool, typer.Option("--produce", help="Send them to the first input topic instead.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when a record was rejected.")] = False,
) -> None:
    """Index lineage events from files, without Kafka.

    Takes JSON (a document a line, an array, a single event), Avro containers and Parquet (column "value").

    Each may be packed with gzip or Zstandard.

    What cannot be used is told, and kept for "lineage dead-letters". Exit 1 when that is all that there was.
    """
    from processor import settings

    chosen = settings.load()
    tally = _produce(with_kafka(chosen), files) if produce else _index(files)
    _sum_up(tally, chosen.input_topics[0].topic if produce else None)
    if tally.rejected and (strict or not tally.events):
        raise typer.Exit(NO)


def _index(files: list[str]) -> Tally:
    from processor.cli.clients import file_observer
    from processor.deadletters.file import KeptFile
    from processor.load.into_index import load_into

    with opened() as index, _reading(files) as entries:
        kept = KeptFile(index.settings.home)
        has_kafka = bool(index.settings.kafka.get(BOOTSTRAP))
        observe = file_observer(index.settings)
        return load_into(index.store, observe, entries, told(kept.keep), keep_changes=has_kafka)


def _produce(settings: Settings, files: list[str]) -> Tally:
    from processor.cli.clients import file_observer, open_publisher
    from processor.load.into_topic import send

    topic = settings.input_topics[0].topic
    with _reading(files) as entries:
        return send(open_publisher(settings, topic), topic, file_observer(settings), entries, told(lambda *_: None))


def told(keep: Callable[[Entry, Rejected], None]) -> OnRejected:
    """Keep each rejected record, and tell of the first ones."""
    from processor.model.text import visible

    count = 0

    def on_rejected(entry: Entry, rejected: Rejected) -> None:
        nonlocal count
        keep(entry, rejected)
        count += 1
        if count <= _SHOWN_REJECTS:
            at = f" at {visible(rejected.pointer)}" if rejected.pointer else ""
            say(f"{visible(entry.place)}: rejected, {rejected.reason.value}{at}: {visible(rejected.detail)}")
        elif count == _SHOWN_REJECTS + 1:
            say("more were rejected; see: lineage dead-letters list")

    return on_rejected


@contextmanager
def _reading(files: list[str]) -> Iterator[Iterator[Entry]]:
    """All values of all files; a bar shows how far it is where that takes a while."""
    from rich.progress import Progress

    from processor.load.reader import read, size_bytes
    from processor.render.console import talk

    total = sum(size_bytes(name) or 0 for name in files)
    console = talk()
    with Progress(console=console, disable=total < _BIG_FILE_BYTES or not console.is_terminal, transient=True) as bar:
        task = bar.add_task("Reading", total=total)
        yield (entry for name in files for entry in read(name, lambda count: bar.advance(task, count)))


def _sum_up(tally: Tally, topic: str | None) -> None:
    """What became of the load; `topic` is where it was sent, if it was."""
    from processor.render.text import counted

    rejected = tally.rejected.total()
    say(f"{counted(tally.values, 'record')} sent to {topic}" if topic else f"{counted(tally.events, 'event')} indexed")
    if rejected:
        say(f"{rejected} of them will be dead letters" if topic else f"{counted(rejected, 'record')} rejected")
    for reason, count in sorted(tally.rejected.items()):
        say(f"  {reason.value}: {count}")
    if tally.facets_dropped:
        say(f"{counted(tally.facets_dropped, 'facet')} left out for breaking the schema; the events were kept")
