"""Columns that lost their parents, through the index and both ways of the alerter."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from processor.detect.policy import Policy
from processor.detect.policy_text import parse_policy
from processor.model.alert import AlertKind, Status
from tests.support.events import Json, column_lineage, ds, event, facet, fill, jb, schema, table
from tests.support.world import DAY, World

FULL = ("id", "amount", "note")
POLICY = parse_policy("schema_drift: {enabled: false}\nbroken_lineage: {enabled: false}")


def build(
    day: int,
    mapped: Sequence[str] | None,
    columns: Sequence[str] = FULL,
    *,
    name: str = "mart.orders",
    job: str = "build",
) -> Json:
    """A run that writes a table with these columns, and says of the mapped ones what they derive from."""
    output = table(name, schema=schema(*columns))
    if mapped is not None:
        output["facets"]["columnLineage"] = column_lineage({c: [("raw.orders", c)] for c in mapped})
    return event(job, minutes=day * DAY, run=day, inputs=[table("raw.orders")], outputs=[output])


def week(mapped: Sequence[str] | None = FULL) -> list[Json]:
    return [build(day, mapped) for day in range(7)]


def test_a_column_that_the_mapping_leaves_out_is_told_at_once() -> None:
    world = World(*week())
    (alert,) = world.feel(7 * DAY + 1, build(7, ("id", "note")), policy=POLICY)
    assert (alert.finding.kind, alert.finding.subject) == (AlertKind.MISSING_COLUMN_LINEAGE, jb("build"))
    assert alert.finding.summary == (
        "Job shop.build no longer says what 1 column (mart.orders.amount) derives from; 7 earlier completed runs did."
    )
    assert not world.sweep(7 * DAY + 2, POLICY).transitions
    (over,) = world.feel(8 * DAY + 1, build(8, FULL), policy=POLICY)
    assert over.status is Status.RESOLVED


def test_it_stays_when_the_mapping_changes_again_without_it() -> None:
    world = World(*week(), build(7, ("id", "note")), build(8, ("id",)))
    (alert,) = world.sweep(8 * DAY + 1, POLICY).opened
    assert "2 columns (mart.orders.amount, mart.orders.note) derive from" in alert.finding.summary


def test_all_of_an_outputs_column_lineage_gone_is_told_with_its_columns() -> None:
    world = World(*week())
    (alert,) = world.feel(7 * DAY + 1, build(7, None), policy=POLICY)
    assert (
        "what 3 columns (mart.orders.amount, mart.orders.id, mart.orders.note) derive from; 7 " in alert.finding.summary
    )
    (over,) = world.feel(8 * DAY + 1, build(8, FULL), policy=POLICY)
    assert over.status is Status.RESOLVED


def test_a_column_that_is_named_without_parents_has_lost_them() -> None:
    """So does an extractor that no longer finds its way through a query: it lists the column, and nothing under it."""
    world = World(*week())
    bare = build(7, FULL)
    bare["outputs"][0]["facets"]["columnLineage"]["fields"]["amount"]["inputFields"] = []
    (alert,) = world.feel(7 * DAY + 1, bare, policy=POLICY)
    assert "what 1 column (mart.orders.amount) derives from; 7 " in alert.finding.summary
    (over,) = world.feel(8 * DAY + 1, build(8, FULL), policy=POLICY)
    assert over.status is Status.RESOLVED


def test_the_policy_does_not_take_a_column_that_is_named_without_parents_for_one_that_has_some() -> None:
    required = parse_policy('missing_column_lineage: {require: ["*:mart.*"]}')
    bare = build(0, FULL)
    bare["outputs"][0]["facets"]["columnLineage"]["fields"]["amount"]["inputFields"] = []
    (alert,) = World(bare).sweep(1, required).opened
    assert "1 column of mart.orders (amount) derives from" in alert.finding.summary


def test_a_facet_that_says_there_is_none_is_a_loss_too() -> None:
    world = World(*week(), build(7, ()))
    assert [a.finding.subject for a in world.sweep(7 * DAY + 1, POLICY).opened] == [jb("build")]


@pytest.mark.parametrize(
    "events",
    [
        [*week(), build(7, ("id", "note"), ("id", "note"))],
        [*week()[:2], build(7, ("id", "note"))],
        [*week(None), build(7, None)],
        [build(day, FULL if day % 3 else ("id",)) for day in range(16)],
        [build(day, FULL if day % 7 else None) for day in range(15)],
        [*week(("id.a", "id.b", "amount")), build(7, ("id", "amount"))],
        [*week(), event("build", "FAIL", 7 * DAY, run=7, outputs=[table("mart.orders", schema=schema(*FULL))])],
    ],
    ids=["column dropped", "few runs", "never had any", "take turns", "habit", "whole column", "failed"],
)
def test_what_is_no_loss(events: list[Json]) -> None:
    assert not World(*events).sweep(16 * DAY + 1, _only()).opened


def _only() -> Policy:
    return parse_policy(
        "{schema_drift: {enabled: false}, silent_job: {enabled: false}, broken_lineage: {enabled: false}}"
    )


def test_nothing_is_said_of_an_output_that_was_dropped() -> None:
    gone = table("mart.orders", lifecycleStateChange=facet(lifecycleStateChange="DROP"))
    world = World(*week(), build(7, ("id", "note")))
    fill(world.store, event("cleanup", minutes=7 * DAY + 1, run=99, outputs=[gone]))
    assert not world.sweep(7 * DAY + 2, POLICY).opened


def test_what_the_policy_requires_is_told_of_the_dataset() -> None:
    policy = parse_policy("{missing_column_lineage: {require: ['postgres://*:mart.*']}}")
    world = World(build(0, ("id", "note")))
    (alert,) = world.sweep(1, policy).opened
    assert alert.finding.subject == ds("mart.orders")
    assert alert.finding.summary == (
        "Nothing says what 1 column of mart.orders (amount) derives from, and the policy requires it."
    )
    assert not world.sweep(2, policy).transitions
    assert not world.feel(DAY, build(1, ("id", "note")), policy=policy)
    fill(world.store, build(2, FULL))
    assert [a.status for a in world.sweep(2 * DAY, policy).transitions] == [Status.RESOLVED]


def test_a_table_that_another_job_accounts_for_is_complete() -> None:
    policy = parse_policy("{missing_column_lineage: {require: ['postgres://*:mart.*']}}")
    world = World(build(0, ("id", "note")), build(0, ("amount",), job="enrich"))
    assert not world.sweep(1, policy).opened
