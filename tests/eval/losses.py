"""Lineage that is lost: inputs, outputs, one of several inputs, columns' parents; and writers."""

from __future__ import annotations

from collections import Counter

from processor.model.identity import Kind, Node, dataset
from processor.model.identity import job as job_node
from tests.eval.casting import REGULAR, Cast
from tests.eval.estate import Job, Source, Style, Table, Unit
from tests.eval.label import Label
from tests.eval.spelling import Engine
from tests.eval.timing import DAY_US, HOUR_US, Rhythm, Schedule, at

_LINGER_US = 6 * HOUR_US
_SIBLINGS = 6
_ORPHANED = "sibling without writer"
_FEW = 3
"""Fewer losses in a namespace are told one by one."""
_LOST_SHARE = 0.05
"""What the target (95 %) allows a namespace to be without."""
_ACCEPTED_DAYS = 14
"""After so long a loss that nobody took back may be taken for accepted."""


def lose_inputs(cast: Cast, day: float, days: float | None) -> None:
    """A job states no inputs any more, and so no parents of its columns."""
    job = cast.job(lambda job: bool(job.inputs))
    label = _label(cast, job, "missing_inputs", frozenset({job.node}), day, days)
    label.beside("missing_column_lineage", *cast.around(job))
    _switch(cast, job, "hides_inputs", day, days)


def lose_outputs(cast: Cast, day: float, days: float | None) -> None:
    """A job states no outputs any more."""
    job = cast.job(lambda job: bool(job.outputs) and bool(job.inputs))
    label = _label(cast, job, "missing_outputs", frozenset({job.node}), day, days)
    label.beside("silent_dataset", *cast.nodes(job.outputs))
    label.beside("orphan_dataset", *cast.nodes(job.outputs))
    _switch(cast, job, "hides_outputs", day, days)


def crowd(cast: Cast) -> None:
    """Where so many jobs of a namespace lack a side at once that it misses the target, that may be told as well."""
    lost = [label for label in cast.world.labels if label.kind in ("missing_inputs", "missing_outputs")]
    jobs = Counter(job.node.namespace for unit in cast.company.units for job in unit.jobs)
    for label in lost:
        (namespace,) = {node.namespace for node in label.subjects}
        there = [one for one in lost if namespace in {node.namespace for node in one.subjects} and _lasts(one, label)]
        if len(there) >= _FEW and len(there) >= _LOST_SHARE * jobs[namespace]:
            label.beside("low_coverage", Node(Kind.NAMESPACE, namespace, ""))


def _lasts(one: Label, label: Label) -> bool:
    """Whether one lasts when another begins."""
    return one.from_us <= label.from_us and (one.until_us is None or label.from_us < one.until_us)


def lose_columns(cast: Cast, day: float, days: float | None) -> None:
    """A job states no parents of its columns any more."""
    job = cast.job(lambda job: any(job.mappings.values()))
    _label(cast, job, "missing_column_lineage", cast.around(job), day, days)
    _switch(cast, job, "hides_mappings", day, days)


def break_edge(cast: Cast, day: float, days: float | None) -> None:
    """One of several inputs of a job is not stated any more."""
    job = cast.job(lambda job: len(job.inputs) > 1)
    gone = cast.chance.choice(job.inputs)
    label = _label(cast, job, "broken_lineage", cast.around(job) | set(cast.nodes([gone])), day, days)
    label.beside("missing_column_lineage", *cast.around(job))
    cast.world.act(at(day), lambda _: job.unseen.add(gone))
    if days is not None:
        cast.world.act(at(day + days), lambda _: job.unseen.discard(gone))


def lose_project(cast: Cast, day: float, days: float) -> None:
    """A dbt project states no inputs any more: its adapter was upgraded."""
    unit = cast.unit(lambda unit: unit.frame is not None and unit.frame.style is Style.DBT_RUN)
    models = [job for job in unit.tasks if job.inputs and job.outputs]
    namespace = Node(Kind.NAMESPACE, models[0].node.namespace, "")
    label = Label("project without inputs", "low_coverage", frozenset({namespace}), at(day), at(day + days))
    label.linger_us = 20 * DAY_US
    label.may_end_us = at(day)
    for kind in ("missing_inputs", "missing_column_lineage", "broken_lineage"):
        label.beside(kind, *(node for job in unit.jobs for node in cast.around(job)))
    label.beside("low_coverage", *(Node(Kind.NAMESPACE, table.namespace, "") for table in cast.company.tables.values()))
    cast.world.label(label, *models)
    for job in unit.tasks:
        _switch(cast, job, "hides_inputs", day, days)


def lose_writer(cast: Cast, day: float) -> None:
    """The job that writes a table writes another one from now on, while the table is read on."""
    job = cast.job(lambda job: len(job.outputs) == 1 and any(cast.is_regular(each) for each in cast.downstream(job)))
    old = cast.company.tables[job.outputs[0]]
    label = Label("lost writer", "orphan_dataset", frozenset({old.node}), at(day))
    label.beside("broken_lineage", job.node)
    label.told_by("silent_dataset", old.node)
    label.may_end_us = at(day)
    label.read = old.key
    cast.world.label(label, *(each for each in cast.downstream(job) if cast.is_regular(each)))

    def begin(_: int) -> None:
        new = type(old)(f"{old.key}_next", old.namespace, f"{old.name}_next", old.engine, dict(old.columns))
        cast.company.tables[new.key] = new
        job.outputs = [new.key]
        job.mappings = {new.key: job.mappings.get(old.key, {})}

    cast.world.act(at(day), begin)


def orphan(cast: Cast, day: float) -> None:
    """A new job reads a table that nobody writes, where all others have a writer."""
    folders = Counter(_folder(table) for table in cast.company.tables.values())
    model = _model(cast, folders)
    while _has_orphan(cast, cast.company.tables[model.outputs[0]]):
        model = _model(cast, folders)
    sibling = cast.company.tables[model.outputs[0]]
    name = f"{_folder(sibling)}by_hand_{cast.chance.randrange(1000)}"
    lost = type(sibling)(f"orphan:{name}", sibling.namespace, name, sibling.engine, {"id": "long", "note": "text"})
    cast.company.tables[lost.key] = lost
    reader = fresh_job(cast, f"reads_by_hand_{cast.chance.randrange(10_000)}", [lost.key, model.outputs[0]], day)
    cast.world.label(Label(_ORPHANED, "orphan_dataset", frozenset({lost.node}), at(day)), reader)


def _model(cast: Cast, folders: Counter[str]) -> Job:
    """A job that writes to a folder with many tables."""
    return cast.job(lambda job: folders[_folder(cast.company.tables[job.outputs[0]])] >= _SIBLINGS)


def _has_orphan(cast: Cast, sibling: Table) -> bool:
    """Whether beside it there is one already: each would make the other look less strange."""
    orphans = (node for label in cast.world.labels if label.name == _ORPHANED for node in label.subjects)
    return any(each.namespace == sibling.node.namespace and each.name.startswith(_folder(sibling)) for each in orphans)


def declare(cast: Cast, day: float, *, is_late: bool) -> None:
    """A catalogue declares jobs of which all but one are there; that one begins late, or never."""
    there = [job for unit in cast.company.units if _runs_from_the_start(unit) for job in unit.jobs]
    known = [f"job:{job.namespace}:{job.name}" for job in cast.chance.sample(there, 5)]
    name = f"legacy_{cast.chance.randrange(10**6)}"
    node = job_node("acme-spark", name)
    cast.world.declared.setdefault("expected", []).extend([*known, str(node)])
    label = Label(
        "declared and not there", "untracked_pipeline", frozenset({node}), at(0), at(day) if is_late else None
    )
    label.visible_us, label.linger_us = at(8), DAY_US
    if not is_late:
        cast.world.label(label)
        return
    source = cast.job(lambda job: cast.unit_of(job).schedule.rhythm is Rhythm.DAILY)
    cast.world.label(label, fresh_job(cast, name, list(source.outputs), day))


def _runs_from_the_start(unit: Unit) -> bool:
    """Whether it is heard of while a catalogue is patient: within a week."""
    return unit.first_day == 0 and unit.schedule.rhythm in REGULAR | {Rhythm.WEEKLY}


def fork(cast: Cast, day: float) -> None:
    """A new job reads a table under another name than the one that it is written under."""
    writer = cast.job(lambda job: job.style is Style.SPARK)
    table = cast.company.tables[writer.outputs[0]]
    reader = fresh_job(cast, f"reads_fork_{cast.chance.randrange(10_000)}", [table.key], day)
    name = cast.chance.choice((("s3a://acme-lake", table.name), ("s3://acme-lake", f"/{table.name}")))
    reader.called[table.key] = name
    other = dataset(*name)
    subjects = frozenset({table.node, other, *_namespaces(table.node, other)})
    label = Label("forked name", "fragmented_namespace", subjects, at(day))
    label.beside("orphan_dataset", other)
    cast.world.label(label, reader)


def fresh_job(cast: Cast, name: str, inputs: list[str], day: float, *, rhythm: Rhythm = Rhythm.DAILY) -> Job:
    """A job that begins on a day: it reads these and writes a table of its own."""
    columns = {"id": "long", "result": "text"}
    first = cast.company.tables[inputs[0]]
    made = type(first)(f"made:{name}", "s3://acme-lake", f"sandbox/{name}/out", Engine.SPARK, dict(columns))
    cast.company.tables[made.key] = made
    plain = [column for column, there in first.columns.items() if isinstance(there, str)]
    mapping = {column: [Source(first.key, plain[0])] for column in columns}
    one = Job(f"fresh.{name}", "acme-spark", name, Style.SPARK, inputs, [made.key], {made.key: mapping}, 8.0)
    schedule = Schedule(rhythm, cast.chance.randrange(24), cast.chance.randrange(60))
    cast.adopt(Unit(schedule, [one], first_day=day))
    cast.take(one)
    return one


def _folder(table: Table) -> str:
    separator = "/" if "/" in table.name else "."
    return f"{table.name.rpartition(separator)[0]}{separator}"


def _namespaces(*nodes: Node) -> set[Node]:
    return {Node(Kind.NAMESPACE, node.namespace, "") for node in nodes}


def _label(cast: Cast, job: Job, kind: str, subjects: frozenset[Node], day: float, days: float | None) -> Label:
    until_us = None if days is None else at(day) + int(days * DAY_US)
    label = Label(kind, kind, subjects, at(day), until_us, linger_us=_LINGER_US)
    label.may_end_us = at(day + _ACCEPTED_DAYS)
    return cast.world.label(label, job)


def _switch(cast: Cast, job: Job, flag: str, day: float, days: float | None) -> None:
    cast.world.act(at(day), lambda _: setattr(job, flag, True))
    if days is not None:
        cast.world.act(at(day + days), lambda _: setattr(job, flag, False))
