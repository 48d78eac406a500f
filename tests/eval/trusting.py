"""Models that are guarded, and what they draw on."""

from __future__ import annotations

from contextlib import suppress

from tests.eval.casting import Cast, NobodyLeftError
from tests.eval.estate import Job, Source, Style, Table
from tests.eval.label import Label
from tests.eval.losses import fresh_job
from tests.eval.spelling import Engine
from tests.eval.timing import DAY_US, HOUR_US, Rhythm, at

_SCRAPED = "s3://scraped-web"
_DATABASES = 3
"""Guarded models draw on so few databases that something may happen to the others without any word of a model."""
_REMEMBERED_US = 4 * DAY_US
"""An input counts for some runs after the last one that read it."""


def guard(cast: Cast) -> Job:
    """A model that may draw on the databases of two ingests only, and does."""
    loads = [_load(cast) for _ in range(2)]
    name = f"guarded_{cast.chance.randrange(10**6)}"
    model = fresh_job(cast, name, [load.outputs[0] for load in loads], 0.0)
    table = cast.company.tables[model.outputs[0]]
    sources = [cast.company.tables[key].namespace for load in loads for key in load.inputs]
    pattern = f"{table.namespace}:{table.name}"
    guarded = {"match": [pattern], "allowed": sorted(set(sources))}
    cast.world.declared.setdefault("guarded", []).append(guarded)
    return model


def mistrust(cast: Cast, day: float, *, days: float | None) -> None:
    """A guarded model draws on something from outside, for some days or for good."""
    model = guard(cast)
    number = cast.chance.randrange(10**6)
    foreign = Table(f"foreign:{number}", _SCRAPED, f"prices/shop_{number}", Engine.SPARK, {"price": "money"})
    cast.company.tables[foreign.key] = foreign
    subjects = frozenset({model.node, *cast.nodes(model.outputs)})
    until_us = None if days is None else at(day + days)
    label = Label("disallowed source", "untrusted_source", subjects, at(day), until_us)
    label.linger_us = _REMEMBERED_US + 6 * HOUR_US
    cast.world.label(label, model)

    def begin(_: int) -> None:
        model.inputs.append(foreign.key)
        model.mappings[model.outputs[0]]["result"].append(Source(foreign.key, "price"))

    def end(_: int) -> None:
        model.inputs.remove(foreign.key)
        model.mappings[model.outputs[0]]["result"].pop()

    cast.world.act(at(day), begin)
    if days is not None:
        cast.world.act(at(day + days), end)


def _load(cast: Cast) -> Job:
    """A free load of a database that a model draws on already; of another while those are few, or all taken."""
    known = {namespace for guard in cast.world.declared.get("guarded", ()) for namespace in guard["allowed"]}

    def suits(job: Job) -> bool:
        return job.style is Style.AIRFLOW_TASK and _is_daily(cast, job)

    def is_known(job: Job) -> bool:
        return suits(job) and all(cast.company.tables[key].namespace in known for key in job.inputs)

    if len(known) >= _DATABASES:
        with suppress(NobodyLeftError):
            return cast.job(is_known)
    return cast.job(suits)


def _is_daily(cast: Cast, job: Job) -> bool:
    return cast.unit_of(job).schedule.rhythm is Rhythm.DAILY
