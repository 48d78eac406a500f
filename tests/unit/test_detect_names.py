"""Two names of one dataset: how alike names are, and what is told of them, through the index."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.detect.fragmented_namespace import Strength, likeness
from processor.detect.policy_text import parse_policy
from processor.model.alert import AlertKind, Severity, Status
from processor.model.identity import dataset
from tests.support.events import Json, event, facet, fill, schema, table
from tests.support.world import World

Name = tuple[str, str]


@pytest.mark.parametrize(
    ("one", "other", "strength"),
    [
        (("s3://lake", "raw/orders"), ("s3a://lake", "raw/orders"), Strength.SAME),
        (("s3://lake", "raw/orders"), ("s3://lake/raw", "orders"), Strength.SAME),
        (("s3://lake", "raw/orders/"), ("s3://lake", "/raw/orders"), Strength.SAME),
        (("s3://lake", "raw/orders"), ("s3://lake", "raw/Orders"), Strength.NONE),
        (("s3://lake", "raw/orders"), ("s3://lake2", "raw/orders"), Strength.NONE),
        (("s3://lake", "raw/orders"), ("gs://lake", "raw/orders"), Strength.NONE),
        (("hdfs://nn:8020", "raw/orders"), ("hdfs://nn", "/raw/orders"), Strength.SAME),
        (("hdfs://nn:8020", "raw/orders"), ("hdfs://nn:9000", "raw/orders"), Strength.NONE),
        (("postgres://db:5432", "w.public.orders"), ("postgres://db", "w.public.orders"), Strength.SAME),
        (("postgres://db:5432", "w.public.orders"), ("postgresql://db", "w.public.orders"), Strength.SAME),
        (("postgres://db:5433", "w.public.orders"), ("postgres://db", "w.public.orders"), Strength.NONE),
        (("postgres://db:5432", "w.public.orders"), ("postgres://DB.internal", "w.public.orders"), Strength.ALIKE),
        (("postgres://db-a:5432", "w.public.orders"), ("postgres://db-b:5432", "w.public.orders"), Strength.NONE),
        (("postgres://db:5432", "w.public.orders"), ("postgres://db:5432", "public.orders"), Strength.ALIKE),
        (("postgres://db:5432", "w.public.orders"), ("postgres://db:5432", "W.PUBLIC.ORDERS"), Strength.ALIKE),
        (("postgres://db:5432", "public.orders"), ("postgres://db:5432", "orders"), Strength.FAINT),
        (("postgres://db:5432", "a.public.orders"), ("postgres://db:5432", "b.public.orders"), Strength.NONE),
        (("postgres://db:5432", "public.orders"), ("postgres://db:5432", "republic.orders"), Strength.NONE),
        (("postgres://10.0.0.7:5432", "w.orders"), ("postgres://db:5432", "w.orders"), Strength.FAINT),
        (("postgres://10.0.0.7:5432", "w.orders"), ("postgres://10.0.0.8:5432", "w.orders"), Strength.NONE),
        (("postgres://db:5432", "w.orders"), ("mysql://db:5432", "w.orders"), Strength.NONE),
        (("postgres://db:5432", "w.orders"), ("kafka://db", "w.orders"), Strength.NONE),
        (("bigquery", "p.d.orders"), ("bigquery", "d.orders"), Strength.ALIKE),
        (("bigquery", "p.d.orders"), ("bigquery", "P.D.Orders"), Strength.ALIKE),
        (("bigquery", "p.d.orders"), ("snowflake", "p.d.orders"), Strength.NONE),
    ],
)
def test_how_alike_two_names_are(one: Name, other: Name, strength: Strength) -> None:
    nodes = dataset(*one), dataset(*other)
    assert likeness(*nodes).strength is strength
    assert likeness(*reversed(nodes)) == likeness(*nodes)


texts = st.sampled_from(["s3://a", "s3a://a/b", "postgres://h:5432", "postgres://h.x", "h", "", "://", "x://[::1]:1/y"])
names = st.text(st.sampled_from("aB./é"), max_size=6)


@given(texts, names, texts, names)
def test_likeness_has_no_direction_and_nothing_is_like_itself(a: str, b: str, c: str, d: str) -> None:
    one, other = dataset(a, b), dataset(c, d)
    assert likeness(one, other) == likeness(other, one)
    assert likeness(one, one).strength is Strength.NONE


COLUMNS = ("id", "amount", "note")
WRITTEN = ("postgres://db:5432", "warehouse.public.orders")


def dataset_of(name: Name, columns: tuple[str, ...]) -> Json:
    return table(name[1], name[0], **({"schema": schema(*columns)} if columns else {}))


def write(name: Name = WRITTEN, columns: tuple[str, ...] = COLUMNS, run: int = 1) -> Json:
    return event("load", run=run, outputs=[dataset_of(name, columns)])


def read(name: Name, columns: tuple[str, ...] = COLUMNS, run: int = 2) -> Json:
    return event("report", run=run, inputs=[dataset_of(name, columns)])


def told(world: World, policy: str = "", minutes: float = 70) -> list[str]:
    opened = world.sweep(minutes, parse_policy(policy)).opened
    return [a.finding.summary for a in opened if a.finding.kind is AlertKind.FRAGMENTED_NAMESPACE]


def test_a_dataset_that_is_read_under_another_name_than_it_is_written_under() -> None:
    other = ("postgres://db.internal", "public.orders")
    world = World(write(), read(other))
    assert not world.sweep(30).opened
    (alert,) = world.sweep(70).opened
    assert (alert.finding.kind, alert.finding.severity) == (AlertKind.FRAGMENTED_NAMESPACE, Severity.WARNING)
    assert alert.finding.path == (dataset(*other), dataset(*WRITTEN))
    assert alert.finding.summary == (
        "Dataset public.orders of postgres://db.internal is only read, and warehouse.public.orders of postgres://db:5432"
        " is written: very likely one dataset under two names (one leaves out the domain of the host, one leaves out"
        " the default port, one leaves out the first part of the name, both have the same 3 columns)."
    )
    assert not world.sweep(71).transitions


def test_a_symlink_that_joins_them_resolves_it() -> None:
    name = ("postgres://db", WRITTEN[1])
    world = World(write(), read(name))
    assert told(world)
    links = facet(identifiers=[{"namespace": WRITTEN[0], "name": WRITTEN[1], "type": "TABLE"}])
    fill(world.store, event("report", minutes=71, run=3, inputs=[table(name[1], name[0], symlinks=links)]))
    assert [a.status for a in world.sweep(72).transitions] == [Status.RESOLVED]


def test_a_writer_under_the_very_name_resolves_it() -> None:
    name = ("postgres://db", WRITTEN[1])
    world = World(write(), read(name))
    assert told(world)
    fill(world.store, write(name, run=5))
    assert [a.status for a in world.sweep(72).transitions] == [Status.RESOLVED]


@pytest.mark.parametrize(
    ("events", "is_told"),
    [
        ([write(columns=()), read(("postgres://db", WRITTEN[1]), ())], True),
        ([write(columns=()), read((WRITTEN[0], "public.orders"), ())], True),
        ([write(columns=()), read(WRITTEN, run=7), read((WRITTEN[0], "public.orders"), ())], False),
        ([write(), read(WRITTEN, run=7), read((WRITTEN[0], "public.orders"))], True),
        ([write(), read((WRITTEN[0], "public.orders"), ("id", "amount"))], False),
        ([write(columns=("a", "b")), read((WRITTEN[0], "public.orders"), ("a", "b"))], False),
        ([write(), read((WRITTEN[0], "orders"))], True),
        ([write(columns=()), read((WRITTEN[0], "orders"), ())], False),
        ([write(), write((WRITTEN[0], "other.public.orders"), run=9), read((WRITTEN[0], "public.orders"))], False),
        ([write(), write(("postgres://db", WRITTEN[1]), run=9), read(("postgres://db", WRITTEN[1]))], False),
        ([read(WRITTEN, run=7), read(("postgres://db", WRITTEN[1]))], False),
        ([write(("postgres://staging:5432", WRITTEN[1])), read(("postgres://prod:5432", WRITTEN[1]))], False),
    ],
    ids=[
        "same place, no columns", "alike, nobody reads the other", "alike, the other is read", "alike, same columns",
        "alike, other columns", "alike, few columns", "last word, same columns", "last word, no columns",
        "several alike", "both written", "both only read", "another host",
    ],
)  # fmt: skip
def test_what_it_takes(events: list[Json], *, is_told: bool) -> None:
    assert bool(told(World(*events))) is is_told


def test_a_pair_is_dismissed_by_either_of_its_names() -> None:
    world = World(write(), read(("postgres://db", WRITTEN[1])))
    for name in (WRITTEN[0], "postgres://db"):
        assert not told(world, f"fragmented_namespace: {{ignore: ['{name}']}}")


def test_it_is_not_told_as_an_orphan_as_well() -> None:
    siblings = [event("fill", run=20 + n, outputs=[table(f"public.t{n}", "postgres://db")]) for n in range(9)]
    world = World(write(), read(("postgres://db", "public.orders")), *siblings)
    known = "orphan_dataset: {known_hours: 1, start_days: 0.01}\n"
    assert [a.finding.kind for a in world.sweep(70, parse_policy(known)).opened] == [AlertKind.FRAGMENTED_NAMESPACE]
    dismissed = world.sweep(71, parse_policy(f"{known}fragmented_namespace: {{enabled: false}}"))
    assert [a.finding.kind for a in dismissed.opened] == [AlertKind.ORPHAN_DATASET]
