"""What stops or hangs: jobs, whole DAGs, datasets of many writers, runs."""

from __future__ import annotations

from tests.eval.casting import REGULAR, Cast
from tests.eval.estate import Job, Style, Table, Unit
from tests.eval.label import Label
from tests.eval.spelling import Engine
from tests.eval.timing import DAY_US, HOUR_US, Rhythm, Schedule, at
from tests.eval.world import World

_LINGER_US = 6 * HOUR_US
_LONG_DAYS = {Rhythm.HOURLY: 2.0, Rhythm.OFFICE: 5.0, Rhythm.TWICE: 3.0, Rhythm.DAILY: 5.0, Rhythm.WEEKDAY: 7.0}
"""After so many days without a start anybody would have wanted to know."""


def kill_job(cast: Cast, day: float) -> None:
    """A job that stands alone is not started for some days."""
    unit = cast.unit(lambda unit: unit.frame is None and _is_missed(unit))
    _death(cast, unit, "dead job", day)


def kill_dag(cast: Cast, day: float) -> None:
    """A DAG or a dbt run is not started for some days, and so none of its tasks is."""
    unit = cast.unit(lambda unit: unit.frame is not None and _is_missed(unit))
    _death(cast, unit, "dead dag", day).is_each = True


def kill_dataset(cast: Cast, day: float, days: float, number: int) -> None:
    """A dataset that another job writes every day, each once, is written no more."""
    columns = {"id": "long", "value": "text"}
    table = Table(f"many:{number}", "s3://acme-lake", f"exchange/partner_{number}", Engine.SPARK, dict(columns))
    cast.company.tables[table.key] = table
    label = Label("dead dataset", "silent_dataset", frozenset({table.node}), at(day), at(day + days))
    label.linger_us = _LINGER_US
    label.visible_us = at(day + 1)
    label.over_us = at(day + days + 1)
    cast.world.label(label)
    for each in range(cast.company.days):
        if not day <= each < day + days:
            _write_once(cast.world, table, each, number)


def hang(cast: Cast, day: float, hours: float | None) -> None:
    """A run hangs: for some hours, or for ever."""
    job = cast.job(lambda job: cast.unit_of(job).tasks[-1] is job and job.minutes < 60)
    unit = cast.unit_of(job)
    label = Label("hanging run", "stuck_run", frozenset({job.node}), at(day), linger_us=_LINGER_US)
    label.may_end_us = at(day) + 5 * DAY_US if hours is None else None
    if unit.frame:
        label.beside("stuck_run", unit.frame.node)
    cast.world.labels.append(label)
    lasts_us = None if hours is None else int(hours * HOUR_US)
    cast.world.push(at(day), lambda _: cast.world.hangs.update({job.key: (lasts_us, label)}))


def _is_missed(unit: Unit) -> bool:
    return unit.schedule.rhythm in REGULAR and not unit.first_day and unit.tasks[0].style is not Style.DATABRICKS


def _death(cast: Cast, unit: Unit, name: str, day: float) -> Label:
    days = _LONG_DAYS[unit.schedule.rhythm]
    subjects = frozenset(job.node for job in unit.jobs)
    label = Label(name, "silent_job", subjects, at(day), at(day + days), linger_us=_LINGER_US)
    for job in unit.jobs:
        label.beside("silent_dataset", *cast.nodes(job.outputs))
    cast.world.labels.append(label)
    cast.world.missed[id(unit)] = label
    cast.world.push(at(day), lambda _: setattr(unit, "is_dead", True))
    cast.world.push(at(day + days), lambda _: setattr(unit, "is_dead", False))
    return label


def _write_once(world: World, table: Table, day: int, number: int) -> None:
    name = f"export_{number}_2026_{day:03}"
    one = Job(f"once.{name}", "acme-adhoc", name, Style.PYTHON, [], [table.key], {}, 10.0)
    unit = Unit(Schedule(Rhythm.IRREGULAR), [one])
    start_us = at(day, 9 + world.chance.random())
    world.push(start_us, lambda now_us: world.start(unit, now_us, now_us))
