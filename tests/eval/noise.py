"""What is normal, however it looks: nobody wants to be told of it."""

from __future__ import annotations

from functools import partial

from tests.eval.casting import Cast
from tests.eval.estate import Job, Style, Unit
from tests.eval.losses import fresh_job
from tests.eval.spelling import Engine
from tests.eval.timing import HOUR_US, MINUTE_US, Rhythm, at

_LAST_RUN_US = 8 * HOUR_US
"""After so long no run of a job is under way that was stopped: what is written after it was dropped is there again."""


def upgrade(cast: Cast, day: float, engine: Engine) -> None:
    """An engine spells its types otherwise from now on."""
    cast.world.act(at(day), lambda _: cast.company.versions.update({engine: 1}))


def reorder(cast: Cast, day: float) -> None:
    """The columns of a table stand in another order."""
    job = cast.job(lambda job: bool(job.outputs))
    table = cast.company.tables[job.outputs[0]]
    cast.world.note(at(day), "columns reordered", table.node)

    def begin(_: int) -> None:
        names = list(table.columns)
        cast.chance.shuffle(names)
        table.columns = {name: table.columns[name] for name in names}

    cast.world.act(at(day), begin)


def backfill(cast: Cast, day: float) -> None:
    """A unit is started for each of some days that are long gone, one start shortly after the other."""
    unit = cast.chance.choice([unit for unit in cast.company.units if unit.schedule.rhythm is Rhythm.DAILY])
    cast.world.note(at(day), "backfill", *(job.node for job in unit.jobs))
    for number in range(cast.chance.randrange(3, 9)):
        time_us, nominal_us = at(day, 14) + number * 40 * MINUTE_US, at(day - 10 + number)
        cast.world.push(time_us, partial(cast.world.start, unit, nominal_us=nominal_us))


def outage(cast: Cast, day: float) -> None:
    """No event arrives for forty minutes; then all do."""
    cast.world.outage = (at(day), at(day) + 40 * MINUTE_US)


def move(cast: Cast, day: float) -> None:
    """A daily job is started some hours later from now on."""
    unit = cast.unit(lambda unit: unit.schedule.rhythm is Rhythm.DAILY and unit.frame is None)
    cast.world.note(at(day), "started later in the day", unit.tasks[0].node)
    shift_us = cast.chance.randrange(2, 6) * HOUR_US
    cast.company.units.remove(unit)
    before = Unit(unit.schedule, unit.tasks, first_day=unit.first_day)
    cast.adopt(before)
    cast.world.push(at(day), lambda _: setattr(before, "is_dead", True))
    hour = unit.schedule.hour + shift_us // HOUR_US
    cast.adopt(Unit(unit.schedule._replace(hour=hour), unit.tasks, first_day=day))


def begin_job(cast: Cast, day: float) -> None:
    """A new job with a new table."""
    source = cast.job(lambda job: job.style in {Style.SPARK, Style.DBT_MODEL})
    rhythm = cast.chance.choice((Rhythm.DAILY, Rhythm.WEEKDAY, Rhythm.IRREGULAR))
    fresh_job(cast, f"new_{cast.chance.randrange(100_000)}", list(source.outputs), day, rhythm=rhythm)


def retire(cast: Cast, day: float) -> None:
    """A job is no longer needed: it stops, and what it wrote is dropped, which a catalog tells."""
    unit = cast.unit(lambda unit: _stands_alone(unit) and not cast.downstream(unit.tasks[0]))
    job = unit.tasks[0]
    cast.world.note(at(day), "retired, its tables dropped", *cast.around(job))

    def begin(now_us: int) -> None:
        unit.is_dead = True
        for key in job.outputs:
            table = cast.company.tables[key]
            dropped = {"lifecycleStateChange": "DROP"}
            later_us = now_us + _LAST_RUN_US
            cast.world.deliver(cast.world.emitter.table_event(table, later_us, lifecycleStateChange=dropped), later_us)

    cast.world.act(at(day), begin)


def replace(cast: Cast, day: float) -> None:
    """A job goes by a new name: the old one stops, the new one writes the same."""
    unit = cast.unit(_stands_alone)
    old = unit.tasks[0]
    cast.world.note(at(day), "goes by another name", *cast.around(old))
    new = Job(f"{old.key}.v2", old.namespace, f"{old.name}_v2", old.style, old.inputs, old.outputs, old.mappings)
    new.minutes = old.minutes
    cast.take(new)
    cast.adopt(Unit(unit.schedule, [new], first_day=day))
    cast.world.act(at(day), lambda _: setattr(unit, "is_dead", True))


def rename_table(cast: Cast, day: float, *, by_symlink: bool) -> None:
    """A table is renamed, and all who write and read it follow."""
    job = cast.job(lambda job: len(job.outputs) == 1)
    table = cast.company.tables[job.outputs[0]]
    cast.world.note(at(day), f"renamed by {'symlink' if by_symlink else 'RENAME'}", job.node, table.node)

    def begin(now_us: int) -> None:
        old = (table.namespace, table.name)
        table.name = f"{table.name}_renamed"
        previous = {"namespace": old[0], "name": old[1]}
        if by_symlink:
            table.symlink = old
            names = {"identifiers": [{**previous, "type": "TABLE"}]}
            cast.world.deliver(cast.world.emitter.table_event(table, now_us, symlinks=names), now_us)
            return
        change = {"lifecycleStateChange": "RENAME", "previousIdentifier": previous}
        cast.world.deliver(cast.world.emitter.table_event(table, now_us, lifecycleStateChange=change), now_us)

    cast.world.act(at(day), begin)


def notebook(cast: Cast, number: int) -> None:
    """A job whose integration never tells that a run has ended."""
    source = cast.job(lambda job: job.style is Style.SPARK)
    job = fresh_job(cast, f"notebook_{number}", list(source.outputs), 0.0)
    job.style = Style.DATABRICKS
    cast.world.note(at(0), "a notebook whose ends are never told", job.node)


def _stands_alone(unit: Unit) -> bool:
    is_regular = unit.schedule.rhythm in {Rhythm.DAILY, Rhythm.WEEKDAY, Rhythm.TWICE}
    return unit.frame is None and is_regular and bool(unit.tasks[0].outputs) and not unit.first_day
