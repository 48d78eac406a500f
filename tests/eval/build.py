"""Builds the company of a seed: databases that nobody writes, ingests, dbt projects, Spark, Flink, exports, models."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from tests.eval.estate import Company, Job, Mapping, Source, Style, Table, Unit
from tests.eval.spelling import PLAIN, Engine, Meaning
from tests.eval.timing import Rhythm, Schedule

AREAS = ("crm", "erp", "shop", "billing", "support", "logistics", "hr", "ads", "web", "app", "risk", "partner")
THINGS = (
    *("orders", "customers", "invoices", "payments", "tickets", "shipments", "products", "prices", "stock", "returns"),
    *("contracts", "visits", "clicks", "campaigns", "employees", "vendors", "accounts", "ledgers", "claims", "routes"),
)
WORDS = (
    *("amount", "status", "country", "email", "phone", "city", "discount", "quantity", "rating", "channel", "source"),
    *("currency", "due_on", "created_at", "updated_at", "closed_at", "owner", "segment", "weight", "volume", "note"),
    *("label", "balance", "margin", "score", "is_active", "is_test", "language", "device", "browser", "referrer"),
)
LAKE = "s3://acme-lake"
WAREHOUSE = "bigquery"
SNOWFLAKE = "snowflake://acme-eu1"
TOPICS = "kafka://broker-1.acme.example:9092"
MODELS = "s3://acme-models"
AIRFLOW = "acme-airflow"


class Builder:
    """Builds a company of about so many jobs. Every choice comes from `chance`."""

    def __init__(self, chance: random.Random, jobs: int, days: int) -> None:
        self._chance = chance
        self._jobs = jobs
        self._tables: dict[str, Table] = {}
        self._units: list[Unit] = []
        self._days = days
        self._made: dict[str, Job] = {}
        self._named = 0
        self._names = [(area, thing) for area in AREAS for thing in THINGS]
        chance.shuffle(self._names)

    def build(self) -> Company:
        """The whole company."""
        raw = self._ingests(max(2, round(self._jobs * 0.04)))
        marts = self._dbt(max(1, round(self._jobs * 0.01)), raw)
        lake = self._spark(round(self._jobs * 0.2), raw + marts)
        self._flink(max(1, round(self._jobs * 0.03)))
        self._ends(round(self._jobs * 0.07), marts + lake)
        self._bare(max(1, round(self._jobs * 0.015)))
        return Company(self._tables, self._units, self._holidays(), self._days)

    def _holidays(self) -> frozenset[int]:
        """One in each month, from the third week on: never two working days in a row."""
        months = range(14, self._days, 30)
        return frozenset(first + self._chance.randrange(12) for first in months if first + 12 <= self._days)

    # Ingests: Airflow, a database each

    def _ingests(self, count: int) -> list[str]:
        rhythms = (Rhythm.DAILY, Rhythm.HOURLY, Rhythm.DAILY, Rhythm.WEEKDAY, Rhythm.OFFICE, Rhythm.TWICE)
        found: list[str] = []
        for number in range(count):
            rhythm = rhythms[number] if number < len(rhythms) else self._chance.choice((Rhythm.DAILY, Rhythm.WEEKDAY))
            found += self._ingest(number, rhythm)
        return found

    def _ingest(self, number: int, rhythm: Rhythm) -> list[str]:
        area, dag = AREAS[number % len(AREAS)], f"ingest_{AREAS[number % len(AREAS)]}_{number}"
        loads = 2 if rhythm in {Rhythm.HOURLY, Rhythm.OFFICE} else 5
        check = Job(f"{dag}.check", AIRFLOW, f"{dag}.check", Style.AIRFLOW_BASH, minutes=0.5)
        tasks = [self._load(dag, area, number, each) for each in range(loads)]
        notify = Job(f"{dag}.notify", AIRFLOW, f"{dag}.notify", Style.AIRFLOW_BASH, minutes=0.3)
        frame = Job(dag, AIRFLOW, dag, Style.AIRFLOW_DAG)
        schedule = Schedule(rhythm, self._chance.randrange(5), self._chance.randrange(60), self._chance.random() < 0.2)
        self._units.append(Unit(schedule, [check, *tasks, notify], frame))
        return [output for task in tasks for output in task.outputs]

    def _load(self, dag: str, area: str, number: int, each: int) -> Job:
        pairs = [self._copied(area, number) for _ in range(self._chance.choice((1, 2, 2)))]
        outputs = [raw for _, raw in pairs]
        task = Job(f"{dag}.load_{each}", AIRFLOW, f"{dag}.load_{each}", Style.AIRFLOW_TASK, minutes=self._minutes())
        task.inputs, task.outputs = [source for source, _ in pairs], outputs
        task.mappings = {raw: self._same(source, self._tables[raw].columns) for source, raw in pairs}
        return task

    def _copied(self, area: str, number: int) -> tuple[str, str]:
        """A table of a database, and its copy in the warehouse, which bears the same name there."""
        thing = f"{self._name()[1]}_{len(self._tables)}"
        columns = self._columns()
        source = self._table(f"postgres://{area}-db-{number}:5432", f"{area}.public.{thing}", Engine.POSTGRES, columns)
        is_flake = number % 2 == 0
        place = (SNOWFLAKE, f"RAW.{area.upper()}_{number}.{thing.upper()}")
        place = place if is_flake else (WAREHOUSE, f"acme.raw_{area}_{number}.{thing}")
        engine = Engine.SNOWFLAKE if is_flake else Engine.BIGQUERY
        return source, self._table(*place, engine, {**columns, "_loaded_at": "moment"})

    # dbt

    def _dbt(self, count: int, raw: Sequence[str]) -> list[str]:
        found: list[str] = []
        for number in range(count):
            found += self._project(
                f"{self._chance.choice(AREAS)}_{number}", [raw[i] for i in range(number, len(raw), count)]
            )
        return found

    def _project(self, project: str, raw: Sequence[str]) -> list[str]:
        seeds = [self._model(project, "seeds", Style.DBT_SEED, [])]
        staged = [self._model(project, "staging", Style.DBT_MODEL, [each]) for each in raw[:13]]
        marts = [self._model(project, "marts", Style.DBT_MODEL, self._some(staged + seeds, 2)) for _ in range(7)]
        tops = [self._model(project, "reports", Style.DBT_MODEL, self._some(marts, 2)) for _ in range(7)]
        models = [*seeds, *staged, *marts, *tops]
        tests = [self._test(project, each) for each in self._some(staged + marts, 6)]
        frame = Job(f"dbt-{project}", f"dbt-{project}", f"dbt-run-{project}", Style.DBT_RUN)
        rhythm = self._chance.choice((Rhythm.DAILY, Rhythm.DAILY, Rhythm.WEEKDAY))
        schedule = Schedule(rhythm, 6 + self._chance.randrange(2), self._chance.randrange(60))
        tasks = [self._made[each] for each in models]
        self._units.append(Unit(schedule, [*tasks, *tests], frame))
        return [*marts, *tops]

    def _model(self, project: str, layer: str, style: Style, inputs: Sequence[str]) -> str:
        _, thing = self._name()
        columns, mapping = self._derived(inputs) if inputs else (self._columns(), {})
        prefix = {"staging": "stg_", "reports": "rpt_"}.get(layer, "")
        name = f"acme.{project}_{layer}.{prefix}{thing}_{len(self._tables)}"
        table = self._table(WAREHOUSE, name, Engine.BIGQUERY, columns)
        suffix = "seed" if style is Style.DBT_SEED else "run"
        model = Job(f"{name}.{suffix}", f"dbt-{project}", f"{name}.build.{suffix}", style, minutes=self._minutes() / 8)
        model.inputs, model.outputs, model.mappings = list(inputs), [table], {table: mapping} if mapping else {}
        self._made[table] = model
        return table

    def _test(self, project: str, table: str) -> Job:
        name = f"{self._tables[table].name}.build.test"
        return Job(name, f"dbt-{project}", name, Style.DBT_TEST, inputs=[table], minutes=0.2)

    # Spark

    def _spark(self, count: int, inputs: Sequence[str]) -> list[str]:
        rhythms = (
            *(Rhythm.DAILY,) * 6,
            *(Rhythm.WEEKDAY,) * 3,
            *(Rhythm.IRREGULAR,) * 2,
            *(Rhythm.WEEKLY, Rhythm.MONTHLY, Rhythm.TWICE),
        )
        found: list[str] = []
        for number in range(count):
            rhythm = Rhythm.HOURLY if number < max(1, count // 30) else rhythms[number % len(rhythms)]
            found.append(
                self._spark_job(number, rhythm, self._some([*inputs, *found], self._chance.choice((1, 2, 2, 3))))
            )
        return found

    def _spark_job(self, number: int, rhythm: Rhythm, inputs: Sequence[str]) -> str:
        area, thing = self._name()
        columns, mapping = self._derived(inputs)
        if self._chance.random() < 0.4:
            columns["address"] = {"street": "text", "zip": "text", "since": "day"}
        table = self._table(LAKE, f"curated/{area}/{thing}_{number}", Engine.SPARK, columns)
        name = f"lake_{area}.execute_insert_into_hadoop_fs_relation_command.{thing}_{number}"
        one = Job(f"spark.{number}", "acme-spark", name, Style.SPARK, list(inputs), [table], {table: mapping})
        long = rhythm in {Rhythm.DAILY, Rhythm.WEEKLY} and self._chance.random() < 0.2
        one.minutes = self._chance.uniform(90, 200) if long else self._minutes()
        if rhythm is Rhythm.HOURLY:
            one.minutes = min(one.minutes, 15)
        schedule = Schedule(
            rhythm, self._chance.randrange(3, 23), self._chance.randrange(60), self._chance.random() < 0.3
        )
        self._units.append(Unit(schedule, [one]))
        return table

    # Streams, ends, and what sends no lineage

    def _flink(self, count: int) -> None:
        for number in range(count):
            _, thing = self._name()
            columns = self._columns()
            source = self._table(TOPICS, f"{thing}.events.{number}", Engine.SPARK, columns)
            table = self._table(TOPICS, f"{thing}.clean.{number}", Engine.SPARK, columns)
            stream = Job(f"flink.{number}", "acme-flink", f"{thing}-stream-{number}", Style.FLINK, [source], [table])
            self._units.append(Unit(Schedule(Rhythm.STREAMING), [stream]))

    def _ends(self, count: int, inputs: Sequence[str]) -> None:
        """Dashboards and exports, which write nothing that is known, and models."""
        for number in range(count):
            read = self._some(inputs, self._chance.choice((1, 2, 3)))
            one = Job(
                f"end.{number}", "acme-bi", f"dashboard_{number}", Style.PYTHON, read, minutes=self._minutes() / 4
            )
            if number % 3 == 0:
                one.name = f"train_model_{number}"
                columns: dict[str, Meaning] = {"score": "real", "made_at": "moment"}
                one.outputs = [self._table(MODELS, f"model_{number}", Engine.SPARK, columns)]
                parts = [Source(each, self._plain(each)[0]) for each in read]
                one.mappings = {one.outputs[0]: {"score": parts}}
                one.minutes = self._chance.uniform(30, 120)
            rhythm = self._chance.choice((Rhythm.DAILY, Rhythm.WEEKDAY, Rhythm.IRREGULAR))
            self._units.append(Unit(Schedule(rhythm, self._chance.randrange(9, 23), self._chance.randrange(60)), [one]))

    def _bare(self, count: int) -> None:
        """DAGs of scripts, of which no data is known; and a notebook whose end is never told."""
        for number in range(count):
            dag = f"housekeeping_{number}"
            tasks = [
                Job(f"{dag}.{n}", AIRFLOW, f"{dag}.{n}", Style.AIRFLOW_BASH) for n in ("clean", "rotate", "report")
            ]
            frame = Job(dag, AIRFLOW, dag, Style.AIRFLOW_DAG)
            schedule = Schedule(Rhythm.DAILY, self._chance.randrange(24), self._chance.randrange(60))
            self._units.append(Unit(schedule, tasks, frame))

    # Tables

    def _table(self, namespace: str, name: str, engine: Engine, columns: dict[str, Meaning]) -> str:
        key = f"{namespace}:{name}"
        self._tables[key] = Table(
            key, namespace, name, engine, dict(columns), owner=f"team:{name.split('.', maxsplit=1)[0]}"
        )
        return key

    def _name(self) -> tuple[str, str]:
        again, place = divmod(self._named, len(self._names))
        self._named += 1
        area, thing = self._names[place]
        return area, thing if not again else f"{thing}_{'abcdefgh'[again % 8]}"

    def _columns(self) -> dict[str, Meaning]:
        names = self._chance.sample(WORDS, self._chance.randrange(4, 8))
        return {"id": "long", **{name: self._meaning(name) for name in names}}

    def _meaning(self, name: str) -> str:
        if name.endswith(("_at", "_on")):
            return "moment" if name.endswith("_at") else "day"
        return "flag" if name.startswith("is_") else self._chance.choice(PLAIN)

    def _derived(self, inputs: Sequence[str]) -> tuple[dict[str, Meaning], Mapping]:
        """Columns made from those of the inputs: some taken over, some renamed."""
        columns: dict[str, Meaning] = {}
        mapping: Mapping = {}
        for number, table in enumerate(inputs):
            for column in self._some(self._plain(table), 5):
                name = column if column not in columns else f"{column}_{number}"
                columns[name] = self._tables[table].columns[column]
                mapping.setdefault(name, []).append(Source(table, column))
        return columns, mapping

    def _same(self, source: str, columns: Iterable[str]) -> Mapping:
        return {column: [Source(source, column)] for column in columns if column in self._tables[source].columns}

    def _plain(self, table: str) -> list[str]:
        return [name for name, meaning in self._tables[table].columns.items() if isinstance(meaning, str)]

    def _some(self, among: Sequence[str], most: int) -> list[str]:
        return self._chance.sample(list(among), min(most, len(among)))

    def _minutes(self) -> float:
        return self._chance.uniform(2, 25)
