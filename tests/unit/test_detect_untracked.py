"""What is declared and was never heard of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from processor.alerter.policy_file import PolicyFile, load_policy
from processor.detect.catalogue import CatalogueError, parse_catalogue
from processor.detect.policy import Policy
from processor.detect.policy_text import PolicyError, parse_policy
from processor.model.alert import AlertKind, Status
from processor.model.errors import UsageError
from processor.model.identity import dataset
from tests.support.events import event, facet, fill, jb, table
from tests.support.world import DAY, World
from tests.unit.test_alerter_parts import _write

MANIFEST = {
    "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": "duckdb"},
    "nodes": {
        "model.shop.orders": {
            "resource_type": "model", "name": "orders", "alias": "orders", "database": "jaffle", "schema": "main",
            "config": {"enabled": True, "materialized": "table"},
        },
        "snapshot.shop.snap": {
            "resource_type": "snapshot", "name": "s", "alias": "orders_snapshot", "database": None, "schema": "snaps",
            "config": {"materialized": "snapshot"},
        },
        "model.shop.tmp": {"resource_type": "model", "name": "tmp", "config": {"materialized": "ephemeral"}},
        "model.shop.off": {"resource_type": "model", "name": "off", "config": {"enabled": False}},
        "test.shop.unique": {"resource_type": "test", "name": "unique"},
        "seed.shop.raw": {"resource_type": "seed", "name": "raw", "database": "jaffle", "schema": "main"},
    },
    "exposures": {"exposure.shop.board": {"name": "board"}},
}  # fmt: skip


def expecting(*entries: str) -> Policy:
    return parse_policy(json.dumps({"expected": list(entries)}))


def untracked(world: World, days: float, policy: Policy) -> list[str]:
    opened = world.sweep(days * DAY, policy).opened
    return [str(a.finding.subject) for a in opened if a.finding.kind is AlertKind.UNTRACKED_PIPELINE]


def world() -> World:
    output = table("public.orders", "postgres://WH:5432")
    return World(event("load", minutes=0, outputs=[output]), event("load", minutes=2 * DAY, run=1, outputs=[output]))


def test_what_was_never_heard_of_is_told_until_it_is() -> None:
    there, policy = world(), expecting("job:shop:load", "job:shop:forgotten")
    assert not there.sweep(7.9 * DAY, policy).opened
    (alert,) = there.sweep(8 * DAY, policy).opened
    assert (alert.finding.kind, alert.finding.subject) == (AlertKind.UNTRACKED_PIPELINE, jb("forgotten"))
    assert alert.finding.summary == (
        "Job shop.forgotten is declared, but it was never heard of in the lineage that came in since 2026-03-01."
    )
    assert not there.sweep(8.1 * DAY, policy).transitions
    fill(there.store, event("forgotten", minutes=8.2 * DAY, run=9))
    assert [a.status for a in there.sweep(8.3 * DAY, policy).transitions] == [Status.RESOLVED]


@pytest.mark.parametrize(
    "entry",
    [
        "dataset:postgres://wh:5432:public.orders",
        "dataset:Postgres://WH:5432:public.orders",
        "dataset:*:public.orders",
        "dataset:postgres://*:public.ord*",
        "job:*:load",
        "job:shop:l[oa]*",
    ],
)
def test_what_the_index_knows_is_tracked(entry: str) -> None:
    assert not untracked(world(), 9, expecting(entry))


@pytest.mark.parametrize(
    ("entry", "subject"),
    [
        ("dataset:postgres://wh:5432:public.Orders", "dataset:postgres://wh:5432:public.Orders"),
        ("dataset:s3://lake/raw:orders/day", "dataset:s3://lake/raw:orders/day"),
        ("dataset:shop:load", "dataset:shop:load"),
        ("job:*:public.orders", "job:*:public.orders"),
        ("dataset:mysql://*:public.orders", "dataset:mysql://*:public.orders"),
        ("dataset:*:public[*]orders", "dataset:*:public*orders"),
    ],
)
def test_what_is_named_otherwise_is_not(entry: str, subject: str) -> None:
    assert untracked(world(), 9, expecting(entry)) == [subject]


def test_what_was_dropped_was_tracked_once() -> None:
    there = world()
    gone = table("public.orders", "postgres://WH:5432", lifecycleStateChange=facet(lifecycleStateChange="DROP"))
    fill(there.store, event("cleanup", minutes=2 * DAY, run=7, outputs=[gone]))
    assert not untracked(there, 9, expecting("dataset:postgres://wh:5432:public.orders"))


def test_of_an_empty_index_nothing_is_expected() -> None:
    assert not untracked(World(), 100, expecting("job:shop:load"))


def test_the_policy_can_silence_an_entry() -> None:
    policy = parse_policy("expected: ['job:shop:x']\nuntracked_pipeline: {ignore: ['shop:x']}")
    assert not untracked(world(), 9, policy)


def test_an_entry_that_is_none_is_refused_with_its_line() -> None:
    with pytest.raises(PolicyError, match="line 2"):
        parse_policy("expected:\n- orders\n")


def test_a_plain_list() -> None:
    text = "---\n# ours\njob:shop:load\n\n- 'dataset:postgres://wh:5432:a b'\n- \"job:x:y\"\njob:shop:load\n"
    assert parse_catalogue(text) == ("job:shop:load", "dataset:postgres://wh:5432:a b", "job:x:y")


def test_a_manifest_of_dbt() -> None:
    assert parse_catalogue(json.dumps(MANIFEST)) == ("dataset:*:jaffle.main.orders", "dataset:*:snaps.orders_snapshot")


@pytest.mark.parametrize(
    ("text", "line"),
    [("job:shop:load\norders\n", 2), ("- job:\n", 1), ("{\n 'nodes': 1}", 2), ("{}", 1), ("{" * 100_000, 1)],
)
def test_what_is_no_catalogue_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(CatalogueError) as refused:
        parse_catalogue(text)
    assert refused.value.line == line


def test_a_manifest_names_what_dbt_ol_sends() -> None:
    sent = event("orders", minutes=0, outputs=[table("jaffle.main.orders", "duckdb:///srv/jaffle.duckdb")])
    policy = expecting(*parse_catalogue(json.dumps(MANIFEST)))
    assert untracked(World(sent), 9, policy) == [str(dataset("*", "snaps.orders_snapshot"))]


class TestCatalogueFiles:
    def test_they_are_found_beside_the_policy(self, tmp_path: Path) -> None:
        (tmp_path / "more").mkdir()
        _write(tmp_path / "more" / "jobs.txt", "job:a:b\n")
        _write(tmp_path / "manifest.json", json.dumps(MANIFEST))
        text = "expected: ['job:c:d']\ncatalogues: [more/jobs.txt, manifest.json]"
        policy = load_policy(_write(tmp_path / "policy.yaml", text))
        assert policy.expected[:2] == ("job:c:d", "job:a:b")
        assert len(policy.expected) == 4

    def test_a_bad_one_is_refused_with_its_file_and_line(self, tmp_path: Path) -> None:
        file = _write(tmp_path / "policy.yaml", "catalogues: [jobs.txt]")
        with pytest.raises(UsageError, match=r"catalogue .*jobs\.txt cannot be read"):
            load_policy(file)
        _write(tmp_path / "jobs.txt", "job:a:b\nnone\n")
        with pytest.raises(UsageError, match=r"jobs\.txt:2: "):
            load_policy(file)

    def test_one_that_changes_is_read_again_and_a_bad_one_changes_nothing(self, tmp_path: Path) -> None:
        catalogue, file = tmp_path / "jobs.txt", tmp_path / "policy.yaml"
        _write(catalogue, "job:a:b\n")
        policy = PolicyFile(_write(file, "catalogues: [jobs.txt]"))
        assert policy.current().expected == ("job:a:b",)
        _write(catalogue, "job:a:bc\n")
        assert policy.current().expected == ("job:a:bc",)
        _write(catalogue, "nonsense that is long\n")
        assert policy.current().expected == ("job:a:bc",)
        _write(catalogue, "job:a:bcd\n")
        assert policy.current().expected == ("job:a:bcd",)

    def test_a_new_one_that_was_refused_is_read_once_it_is_mended(self, tmp_path: Path) -> None:
        file = tmp_path / "policy.yaml"
        policy = PolicyFile(_write(file, "sources: [a]"))
        _write(file, "sources: [b]\ncatalogues: [jobs.txt]")
        assert policy.current().sources == ("a",)
        _write(tmp_path / "jobs.txt", "job:a:b\n")
        assert (policy.current().sources, policy.current().expected) == (("b",), ("job:a:b",))
