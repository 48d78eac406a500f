"""True drifts of every class, and schemas that flap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from processor.detect.policy import Policy
from processor.model.identity import Kind, Node
from tests.eval.casting import Cast
from tests.eval.estate import Job, Source, Table
from tests.eval.label import ANY, GRAVE, INFO, Label
from tests.eval.spelling import NARROWER, OTHER, WIDER, Engine, Meaning
from tests.eval.timing import DAY_US, HOUR_US, Rhythm, at

_DRIFT = "schema_drift"
_LINGER_US = 6 * HOUR_US
_SETTLED_US = 10 * DAY_US
"""After so long a change that nobody took back may be taken for accepted."""
Columns = dict[str, Meaning]


@dataclass(frozen=True, slots=True)
class Drift:
    """What becomes of one column of a table that a job writes."""

    table: Table
    column: str
    job: Job


def drop(cast: Cast, day: float, *, days: float | None = None, is_crawled: bool = False) -> None:
    """A column is dropped; for some days, or for good. `is_crawled`: a catalog states the table each night, too."""
    drift = _drift(cast, "dropped", lambda _: True, day, days)
    if drift is None:
        return
    table, column = drift.table, drift.column
    if is_crawled:
        _crawl_nightly(cast, [table])
    before: Columns = {}

    def begin(_: int) -> None:
        before.update(table.columns)
        table.columns = {name: there for name, there in table.columns.items() if name != column}
        if days is None:
            _lose(cast, table.key, column)

    def end(_: int) -> None:
        table.columns = dict(before)

    _play(cast, day, days, begin, end)


def retype(cast: Cast, day: float, how: str, *, days: float | None = None) -> None:
    """A column becomes narrower, wider, or something else."""
    becomes = {"narrowed": NARROWER, "widened": WIDER, "incompatible": OTHER}[how]
    drift = _drift(cast, how, lambda meaning: meaning in becomes, day, days)
    if drift is None:
        return
    table, column = drift.table, drift.column
    old = table.columns[column]

    def set_to(meaning: Meaning) -> None:
        table.columns = {name: meaning if name == column else there for name, there in table.columns.items()}

    _play(cast, day, days, lambda _: set_to(becomes[str(old)]), lambda _: set_to(old))


def rename(cast: Cast, day: float) -> None:
    """A column is renamed; who reads it follows."""
    drift = _drift(cast, "renamed", lambda _: True, day, None)
    if drift is None:
        return
    table, old = drift.table, drift.column
    new = cast.chance.choice((f"{old}_v2", f"{table.name.rpartition('.')[2].rpartition('/')[2]}_{old}", f"the_{old}"))

    def begin(_: int) -> None:
        table.columns = {new if name == old else name: there for name, there in table.columns.items()}
        for job in cast.company.jobs:
            for output, mapping in job.mappings.items():
                job.mappings[output] = {
                    new if output == table.key and column == old else column: [
                        Source(s.table, new) if s == Source(table.key, old) else s for s in sources
                    ]
                    for column, sources in mapping.items()
                }

    cast.world.act(at(day), begin)


def nest(cast: Cast, day: float) -> None:
    """A field of a struct is dropped, or becomes something else."""
    job = cast.job(lambda job: any("address" in cast.company.tables[key].columns for key in job.outputs))
    table = cast.company.tables[job.outputs[0]]
    drops = cast.chance.random() < 0.5
    _label(cast, Drift(table, "address", job), "nested", day, None)

    def begin(_: int) -> None:
        inner = {"street": "text", "zip": "text"} if drops else {"street": "text", "zip": "text", "since": "flag"}
        table.columns = {**table.columns, "address": inner}

    cast.world.act(at(day), begin)


def add(cast: Cast, day: float) -> None:
    """A new optional column: worth a note, and no more."""
    drift = _drift(cast, "added", lambda _: True, day, None)
    if drift is None:
        return
    name = f"extra_{cast.chance.randrange(100)}"

    def begin(_: int) -> None:
        drift.table.columns = {**drift.table.columns, name: "text"}

    cast.world.act(at(day), begin)


def flap(cast: Cast, day: float, days: float) -> None:
    """Every other run states another schema."""
    job = cast.job(lambda job: cast.unit_of(job).schedule.rhythm in {Rhythm.DAILY, Rhythm.TWICE, Rhythm.HOURLY})
    table = cast.company.tables[job.outputs[0]]
    subjects = frozenset({table.node})
    gap_us = {Rhythm.HOURLY: HOUR_US, Rhythm.TWICE: 12 * HOUR_US}.get(cast.unit_of(job).schedule.rhythm, DAY_US)
    first_us = at(day)
    # Two turns, there and back, are a change that was taken back; it flaps from the third on.
    label = Label("flapping", "schema_flapping", subjects, first_us + 2 * gap_us, first_us + int(days * DAY_US))
    label.linger_us = 10 * DAY_US
    label.began_us = first_us
    label.beside(_DRIFT, table.node)
    cast.world.label(label, job)
    steady, other = dict(table.columns), {**table.columns, "flapping": "text"}
    turns = int(days * DAY_US / gap_us)
    for turn in range(turns + 1):
        columns = dict(other) if turn % 2 == 0 and turn < turns else dict(steady)
        cast.world.act(first_us + turn * gap_us, partial(_state, table, columns))


def crawl(cast: Cast, day: float) -> None:
    """A catalog tells the schemas of all databases each night. An upgrade drops a column of all of them at once."""
    guarded = {namespace for guard in cast.world.declared.get("guarded", []) for namespace in guard["allowed"]}
    databases = (table for table in cast.company.tables.values() if table.engine is Engine.POSTGRES)
    tables = [table for table in databases if table.namespace not in guarded]
    for table in tables:
        table.columns = {**table.columns, "etl_id": "long"}
    label = Label("platform upgrade", _DRIFT, frozenset(table.node for table in tables), at(day), is_each=True)
    label.told_by("alert_storm", *(Node(Kind.NAMESPACE, table.namespace, "") for table in tables))
    _mark_upgrade(cast, [*_storms(tables, day), label], day)
    _crawl_nightly(cast, tables)

    def begin(_: int) -> None:
        for table in tables:
            table.columns = {name: there for name, there in table.columns.items() if name != "etl_id"}

    cast.world.act(at(day), begin)


def _storms(tables: list[Table], day: float) -> Iterator[Label]:
    """That all of it is told as one, if it is more than is told one by one."""
    if len(tables) > Policy().alert_storm.at_most:
        namespaces = {*(table.namespace for table in tables), "*"}
        subjects = frozenset(Node(Kind.NAMESPACE, namespace, "") for namespace in namespaces)
        yield Label("platform upgrade, counted", "alert_storm", subjects, at(day))


def _mark_upgrade(cast: Cast, labels: list[Label], day: float) -> None:
    for label in labels:
        label.visible_us = at(int(day) + 1, 3.1)
        label.may_end_us = at(day)
        cast.world.labels.append(label)


def _crawl_nightly(cast: Cast, tables: list[Table]) -> None:
    for night in range(1, cast.company.days):
        cast.world.push(at(night, 3), partial(_crawl, cast, tables))


def _crawl(cast: Cast, tables: list[Table], now_us: int) -> None:
    for number, table in enumerate(tables):
        then_us = now_us + number * 1_000_000
        cast.world.deliver(cast.world.emitter.schema_event(table, then_us), then_us)


def _drift(cast: Cast, how: str, suits: Callable[[Meaning], bool], day: float, days: float | None) -> Drift | None:
    def columns_of(table: Table) -> list[str]:
        return [n for n, there in table.columns.items() if n != "id" and isinstance(there, str) and suits(there)]

    job = cast.job(lambda job: any(columns_of(cast.company.tables[key]) for key in job.outputs))
    tables = [cast.company.tables[key] for key in job.outputs if columns_of(cast.company.tables[key])]
    table = cast.chance.choice(tables)
    drift = Drift(table, cast.chance.choice(columns_of(table)), job)
    _label(cast, drift, how, day, days)
    return drift


def _label(cast: Cast, drift: Drift, how: str, day: float, days: float | None) -> None:
    until_us = at(day + days) if days is not None else None
    label = Label(f"drift: {how}", _DRIFT, frozenset({drift.table.node}), at(day), until_us)
    label.severities = {"added": INFO, "widened": ANY}.get(how, GRAVE)
    label.may_end_us = at(day) if how in {"added", "widened"} else at(day) + _SETTLED_US
    label.linger_us = _LINGER_US
    cast.world.label(label, drift.job)
    if how == "dropped" and days is None:
        for reader in cast.company.readers(drift.table.key):
            label.beside("missing_column_lineage", *cast.around(reader))


def _play(cast: Cast, day: float, days: float | None, begin: Callable[[int], None], end: Callable[[int], None]) -> None:
    cast.world.act(at(day), begin)
    if days is not None:
        cast.world.act(at(day + days), end)


def _state(table: Table, columns: Columns, _: int) -> None:
    table.columns = columns


def _lose(cast: Cast, table: str, column: str) -> None:
    """Who reads the column fills it with nothing from now on."""
    gone = Source(table, column)
    for job in cast.company.jobs:
        for output, mapping in job.mappings.items():
            job.mappings[output] = {
                name: [source for source in sources if source != gone]
                for name, sources in mapping.items()
                if not (output == table and name == column)
            }
