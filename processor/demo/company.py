"""The sample company at work: its lineage events over simulated days, with what goes wrong on the way.

Pure and seeded: the same arguments give the same beats, in the order of their times; each event is the JSON object
that an OpenLineage producer sends.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from processor.demo import facets
from processor.demo.estate import TABLES, TASKS, Table, Task

Event = dict[str, Any]
"""One OpenLineage event as a JSON object."""

HOUR: Final = timedelta(hours=1)
_RUN_EVENT: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_INTEGRATIONS: Final = {"acme-airflow": "AIRFLOW", "acme-dbt": "DBT", "acme-ml": "MLFLOW", "acme-bi": "SUPERSET"}


@dataclass(frozen=True, slots=True)
class Beat:
    """Something that happens at a simulated time: an event, or a note that tells the story."""

    time: datetime
    event: Event | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """How long the story is and what goes wrong in it, in hours since its start; None leaves a thing out."""

    hours: int = 110
    column_added_h: int | None = 26
    retyped_h: int | None = 40
    retype_undone_h: int | None = 50
    column_dropped_h: int | None = 70
    orphan_read_h: int | None = 82
    job_silent_h: int | None = 92
    training_stuck_h: int | None = 96


def beats(end: datetime, *, seed: int = 1, script: Script = Script()) -> Iterator[Beat]:
    """The whole story, ending at most at `end`, in the order of its times."""
    start = end.replace(minute=0, second=0, microsecond=0) - script.hours * HOUR
    company = _Company(start, script, random.Random(seed))  # noqa: S311  a story, no secret
    yield from (beat for beat in company.play() if beat.time <= end)


@dataclass(slots=True)
class _Company:
    start: datetime
    script: Script
    chance: random.Random

    def play(self) -> Iterator[Beat]:
        """Hour by hour; what an hour leaves running is told when its time has come."""
        running: list[Beat] = []
        for hour in range(self.script.hours + 1):
            begin = self.start + hour * HOUR
            running += [*self._notes(hour, begin), *self._hour(hour, begin)]
            running.sort(key=attrgetter("time"))
            over = [beat for beat in running if beat.time < begin + HOUR]
            yield from over
            running = running[len(over) :]
        yield from running

    def _notes(self, hour: int, begin: datetime) -> Iterator[Beat]:
        return (Beat(begin, note=note) for note in _notes(self.script, hour))

    def _hour(self, hour: int, begin: datetime) -> Iterator[Beat]:
        due = [task for task in TASKS if hour % task.every_h == 0]
        for parent in sorted({(task.namespace, task.parent) for task in due if task.parent}):
            children = [task for task in due if (task.namespace, task.parent) == parent]
            yield from self._family(parent, children, hour, begin)
        for task in (task for task in due if not task.parent):
            if not self._is_silent(task, hour):
                yield from self._run(task, hour, begin, facets_of_run={})

    def _family(self, parent: tuple[str, str], children: list[Task], hour: int, begin: datetime) -> Iterator[Beat]:
        run_id, job = self._run_id(), _job(*parent, "DAG")
        inner = {"parent": facets.parent_run(*parent, run_id)}
        runs = [self._run(task, hour, begin, facets_of_run=inner) for task in children]
        told = [beat for run in runs for beat in run]
        first, last = min(beat.time for beat in told), max(beat.time for beat in told)
        run = {"runId": run_id, "facets": {"nominalTime": facets.nominal_time(begin.isoformat())}}
        yield _beat("START", first - timedelta(seconds=20), run, job)
        yield from told
        yield _beat("COMPLETE", last + timedelta(seconds=15), run, job)

    def _run(self, task: Task, hour: int, begin: datetime, facets_of_run: Event) -> list[Beat]:
        started = begin + timedelta(minutes=task.minute, seconds=self.chance.randrange(40))
        ended = started + timedelta(minutes=task.minutes) * self.chance.uniform(0.8, 1.2)
        run, job = {"runId": self._run_id(), "facets": facets_of_run}, _job(task.namespace, task.name, task.kind)
        inputs, outputs = self._inputs(task, hour), self._outputs(task, hour)
        start = _beat("START", started, run, job, inputs, [_bare(output) for output in outputs])
        end = _beat("COMPLETE", ended, run, job, inputs, outputs)
        return [start] if self._is_stuck(task, hour) else [start, end]

    def _inputs(self, task: Task, hour: int) -> list[Event]:
        names = list(task.inputs)
        if task.output == "fct_orders" and _on(hour, self.script.orphan_read_h):
            names.append("raw_fx_rates")
        return [self._dataset(name, hour) for name in names]

    def _outputs(self, task: Task, hour: int) -> list[Event]:
        if task.output is None:
            return []
        output = self._dataset(task.output, hour)
        known = self._table(task.output, hour).columns
        derives = {name: self._columns(words, hour) for name, words in task.derives.items() if name in known}
        output["facets"]["columnLineage"] = facets.column_lineage(derives, self._columns(task.filters, hour))
        return [output]

    def _columns(self, words: str, hour: int) -> list[facets.InputColumn]:
        found = []
        for word in words.split():
            name, column = word.split(".")
            table = self._table(name, hour)
            found.append((table.namespace, table.name, column))
        return found

    def _dataset(self, name: str, hour: int) -> Event:
        table = self._table(name, hour)
        given = {"schema": facets.schema(table.columns)}
        if table.owner:
            given["ownership"] = facets.ownership(table.owner)
        return {"namespace": table.namespace, "name": table.name, "facets": given}

    def _table(self, name: str, hour: int) -> Table:
        table, script = TABLES[name], self.script
        if name in {"shop_orders", "raw_orders"} and _on(hour, script.column_dropped_h):
            return _changed(table, drop="discount")
        if name in {"shop_customers", "raw_customers"} and _on(hour, script.column_added_h):
            return _changed(table, add={"loyalty_tier": "varchar"})
        if name in {"shop_payments", "raw_payments"} and _on(hour, script.retyped_h, script.retype_undone_h):
            return _changed(table, add={"paid": "varchar"})
        return table

    def _is_silent(self, task: Task, hour: int) -> bool:
        return task.name == "marketing_sync" and _on(hour, self.script.job_silent_h)

    def _is_stuck(self, task: Task, hour: int) -> bool:
        return task.name == "train_churn_model" and _on(hour, self.script.training_stuck_h)

    def _run_id(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))


def _notes(script: Script, hour: int) -> Iterable[str]:
    story = (
        (0, "Five ordinary days begin: hourly ingest, dbt every two hours, features every six, a training a day."),
        (script.column_added_h, "The shop adds customers.loyalty_tier. Nobody minds a new column."),
        (script.retyped_h, "A release of the shop turns payments.paid from a number into text."),
        (script.retype_undone_h, "The release is rolled back: payments.paid is a number again."),
        (script.column_dropped_h, "Somebody drops orders.discount from the shop's database."),
        (script.orphan_read_h, "fct_orders now reads acme.raw.fx_rates, which nobody is known to write."),
        (script.job_silent_h, "marketing_sync stops running, without a word."),
        (script.training_stuck_h, "The daily churn training starts, and never ends."),
    )
    return (note for at, note in story if at == hour)


def _on(hour: int, start_h: int | None, end_h: int | None = None) -> bool:
    return start_h is not None and start_h <= hour and (end_h is None or hour < end_h)


def _changed(table: Table, *, drop: str = "", add: dict[str, str] | None = None) -> Table:
    return replace(
        table, columns={name: type_ for name, type_ in (table.columns | (add or {})).items() if name != drop}
    )


def _job(namespace: str, name: str, kind: str) -> Event:
    return {
        "namespace": namespace,
        "name": name,
        "facets": {"jobType": facets.job_type(_INTEGRATIONS[namespace], kind)},
    }


def _bare(output: Event) -> Event:
    """An output as it is known when the run starts: no columns' lineage yet."""
    return {**output, "facets": {name: facet for name, facet in output["facets"].items() if name != "columnLineage"}}


def _beat(
    type_: str, time: datetime, run: Event, job: Event, inputs: Iterable[Event] = (), outputs: Iterable[Event] = ()
) -> Beat:
    event = {
        "eventType": type_,
        "eventTime": time.isoformat(timespec="milliseconds"),
        "producer": facets.PRODUCER,
        "schemaURL": _RUN_EVENT,
        "run": run,
        "job": job,
        "inputs": list(inputs),
        "outputs": list(outputs),
    }
    return Beat(time, event)
