"""How a drift is judged by what became of the columns: retyped in which way, nested, renamed, and for how long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor.alerter.sweep.schemas import of_schemas
from processor.detect.policy import Policy
from processor.detect.schema_drift import detect
from processor.index.view import View
from processor.judging.scope import Scope
from processor.model.alert import Affected, Finding, Impact, Retyping, Severity
from processor.model.history import Lane, Observer, SchemaVersion
from processor.model.identity import dataset
from processor.model.observation import Role
from processor.model.tables import Column, Columns, encode_columns, fingerprint
from tests.support.asking import asking, knowing
from tests.support.events import Json, column_lineage, ds, event, memory, schema, table, us

ORDERS = dataset("mystery://shop", "orders")
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
T0_US = 1_770_000_000_000_000
READ = Impact(columns=(Affected(ds("mart").column("revenue"), 1),), datasets=(Affected(ds("mart"), 1),), total=2)
UNREAD = Impact()


def columns(*texts: str) -> Columns:
    parts = (text.partition(":") for text in texts)
    return tuple(Column(name, kind or None) for name, _, kind in parts)


def lane(*states: Columns) -> Lane:
    """A lane that went through these schemas, an hour apart."""
    marks = [fingerprint(encode_columns(state)) for state in states]
    times = [T0_US + n * HOUR_US for n in range(len(states))]
    found = {
        mark: SchemaVersion(mark, state, at, (at // HOUR_US,))
        for mark, state, at in reversed(list(zip(marks, states, times, strict=True)))
    }
    observer = Observer(Role.WRITER, "shop", "ingest")
    return Lane(ORDERS, observer, tuple(found.values()), marks[-1], times[-1])


def told(*states: Columns, impact: Impact = READ, days: float = 0, of: Lane | None = None) -> list[Finding]:
    now_us = T0_US + int(days * DAY_US) + len(states) * HOUR_US
    return detect(of or lane(*states), Policy(), now_us, knowing(impact))


def one(before: str, after: str, impact: Impact = READ) -> Finding:
    (finding,) = told(columns(f"a:{before}"), columns(f"a:{after}"), impact=impact)
    return finding


@pytest.mark.parametrize(
    ("before", "after", "how", "read", "unread"),
    [
        ("int", "bigint", Retyping.WIDENED, Severity.WARNING, Severity.INFO),
        ("bigint", "int", Retyping.NARROWED, Severity.CRITICAL, Severity.WARNING),
        ("int", "text", Retyping.INCOMPATIBLE, Severity.CRITICAL, Severity.WARNING),
        ("json", "variant", Retyping.UNKNOWN, Severity.WARNING, Severity.WARNING),
    ],
)
def test_how_grave_a_new_type_is_depends_on_what_it_is_to_the_former_one_and_on_who_reads(
    before: str, after: str, how: Retyping, read: Severity, unread: Severity
) -> None:
    assert one(before, after).changes[0].retyping is how
    assert (one(before, after).severity, one(before, after, UNREAD).severity) == (read, unread)


def test_a_narrowed_and_a_widened_column_are_called_so() -> None:
    (finding,) = told(columns("a:int", "b:bigint"), columns("a:bigint", "b:int"))
    assert finding.summary.startswith(
        "Column b (bigint → int) was narrowed and column a (int → bigint) was widened in orders by job shop.ingest; "
    )


def test_a_widening_that_is_read_does_not_make_critical_what_nobody_reads() -> None:
    def impact_of(paths: frozenset[str]) -> Impact:
        return READ if "wide" in paths else UNREAD

    drifted = lane(columns("wide:int", "gone:int"), columns("wide:bigint"))
    (finding,) = detect(drifted, Policy(), T0_US, asking(impact_of))
    assert (finding.severity, finding.impact) == (Severity.WARNING, READ)


def test_a_type_spelled_anew_is_no_step_and_its_return_no_return() -> None:
    plain, spelled = columns("a:int", "b:varchar(9)"), columns("a:INT4", "b:character varying(9)")
    assert told(plain, spelled) == told(plain, spelled, plain) == []
    (finding,) = told(plain, spelled, columns("a:int"))
    assert [change.path for change in finding.changes] == ["b"]


# For how long


@pytest.mark.parametrize(
    ("after", "impact", "days"),
    [("a:int,b:int", READ, 1), ("a:bigint", UNREAD, 1), ("a:bigint", READ, 14), ("a:text", UNREAD, 14)],
)
def test_what_breaks_nobody_for_certain_is_told_for_a_while(after: str, impact: Impact, days: float) -> None:
    states = columns("a:int"), columns(*after.split(","))
    assert told(*states, impact=impact, days=days - 0.1)
    assert not told(*states, impact=impact, days=days)


def test_what_breaks_somebody_is_told_until_it_is_taken_back() -> None:
    states = columns("a:int", "b:int"), columns("a:int")
    assert told(*states, days=360)
    assert not told(*states, impact=UNREAD, days=360)
    assert not told(*states, states[0], days=360)


# Nested columns


NESTED = columns("id:int", "addr:struct<street:string,zip:int>", "addr.street:string", "addr.zip:int")


def asked_of(*states: Columns) -> tuple[Finding, frozenset[str]]:
    asked: list[frozenset[str]] = []

    def impact_of(paths: frozenset[str]) -> Impact:
        asked.append(paths)
        return READ

    (finding,) = detect(lane(*states), Policy(), T0_US, asking(impact_of))
    return finding, asked[0]


def test_a_struct_that_is_gone_is_told_once_and_all_its_columns_are_looked_after() -> None:
    finding, asked = asked_of(NESTED, columns("id:int"))
    assert [change.path for change in finding.changes] == ["addr"]
    assert finding.summary.startswith("Column addr was dropped from orders")
    assert asked == {"addr", "addr.street", "addr.zip"}


def test_a_struct_that_is_new_is_told_once() -> None:
    (finding,) = told(columns("id:int"), NESTED)
    assert [change.path for change in finding.changes] == ["addr"]


def test_a_member_that_is_gone_is_told_by_its_path_and_meets_who_reads_the_struct() -> None:
    finding, asked = asked_of(NESTED, columns("id:int", "addr:struct<street:string>", "addr.street:string"))
    assert [(change.path, change.change) for change in finding.changes] == [("addr.zip", "REMOVED")]
    assert asked == {"addr", "addr.zip"}


def test_a_member_that_is_new_breaks_nobody() -> None:
    wider = columns(
        "id:int", "addr:struct<street:string,zip:int,x:int>", *("addr.street:string", "addr.zip:int", "addr.x:int")
    )
    (finding,) = told(NESTED, wider)
    assert ([change.path for change in finding.changes], finding.severity) == (["addr.x"], Severity.INFO)


def test_a_struct_that_becomes_a_text_is_told_once() -> None:
    finding, _ = asked_of(NESTED, columns("id:int", "addr:string"))
    assert [(change.path, change.retyping) for change in finding.changes] == [("addr", Retyping.INCOMPATIBLE)]


def test_a_struct_without_members_of_its_own_is_judged_by_its_type() -> None:
    assert one("struct<a:int>", "struct<a:int,b:int>").changes[0].retyping is Retyping.WIDENED
    assert one("struct<a:int,b:int>", "struct<b:int>").severity is Severity.CRITICAL


# Renames, with their evidence


def renamed(finding: Finding) -> dict[str, tuple[str | None, tuple[str, ...]]]:
    return {c.path: (c.renamed_to, c.evidence) for c in finding.changes if c.renamed_to}


def test_alike_names_of_one_type_are_a_suspected_rename_and_say_why() -> None:
    (finding,) = told(columns("id:int", "amount:decimal(9)"), columns("id:int", "amount_usd:NUMERIC(9,0)"))
    evidence = ("the names are alike (75%)", "the type is the same (NUMERIC(9,0))", "it stands in the same place")
    assert renamed(finding) == {"amount": ("amount_usd", evidence)}


def load(run: int, output: Json) -> Json:
    return event("load", minutes=run * 60, run=run, inputs=[table("raw")], outputs=[output])


def written(run: int, *texts: str, **sources: str) -> Json:
    """The dataset `orders` with these columns, each made of a column of `raw`."""
    mapping = column_lineage({name: [("raw", source)] for name, source in sources.items()})
    return load(run, table("orders", schema=schema(*texts), columnLineage=mapping))


def read_by(job: str, column: str, minutes: float, run: int) -> Json:
    mapping = column_lineage({"revenue": [("orders", column)]})
    return event(
        job, minutes=minutes, run=run, inputs=[table("orders")], outputs=[table(f"{job}_out", columnLineage=mapping)]
    )


def of_index(*events: Json) -> list[Finding]:
    scope = Scope(View(memory(*events)), Policy(), us(300), lambda: None, set())
    return list(of_schemas(scope, [ds("orders")]))


def test_a_column_made_from_the_same_source_is_a_suspected_rename_whatever_its_name() -> None:
    (finding,) = of_index(written(0, "id", "amt", id="k", amt="v"), written(1, "id", "total", id="k", total="v"))
    (renaming,) = renamed(finding).values()
    assert renaming[0] == "total"
    assert renaming[1][0] == "it is made from what amt was made from (raw.v)"


def test_a_column_made_from_another_source_or_from_that_of_many_is_none() -> None:
    (other,) = of_index(written(0, "id", "amt", id="k", amt="v"), written(1, "id", "total", id="k", total="w"))
    (many,) = of_index(written(0, "id", "amt", id="v", amt="v"), written(1, "id", "total", id="v", total="v"))
    assert renamed(other) == renamed(many) == {}


def test_readers_that_go_over_to_the_new_name_are_evidence_and_no_victims() -> None:
    before = [written(0, "id", "amt", id="k"), read_by("mart", "amt", 10, 7)]
    (broken,) = of_index(*before, written(1, "id", "total", id="k"))
    assert (renamed(broken), broken.severity) == ({}, Severity.CRITICAL)
    (moved,) = of_index(*before, written(1, "id", "total", id="k"), read_by("mart", "total", 200, 8))
    (renaming,) = renamed(moved).values()
    assert renaming[1][0] == "1 downstream column that came from amt now comes from it (mart_out.revenue)"
    assert moved.severity is Severity.WARNING


def test_types_at_odds_are_no_rename_even_where_the_lineage_says_so() -> None:
    (finding,) = of_index(
        written(0, "id", "amt:int", id="k", amt="v"), written(1, "id", "total:text", id="k", total="v")
    )
    assert renamed(finding) == {}


def test_a_table_all_of_whose_columns_are_renamed_is_told_by_place_and_case() -> None:
    before = columns(*(f"Column {n}:int" for n in range(2_000)))
    after = columns("id:int", *(f"COLUMN {n}:int" for n in range(1_999)), "COLUMN NEW:int")
    (finding,) = told(before, after)
    found = renamed(finding)
    assert len(found) == 1_999
    assert found["Column 7"][0] == "COLUMN 7"
    names = "Column 0 to COLUMN 0, Column 1 to COLUMN 1, Column 10 to COLUMN 10, …"
    assert finding.summary.startswith(f"1999 columns were renamed ({names}; suspected) and column ")


def test_no_mapping_is_read_where_nothing_may_be_renamed() -> None:
    def never(_: Observer) -> object:
        raise AssertionError("asked for lineage")

    asking = knowing(READ)._replace(lineages_of=never)  # type: ignore[arg-type]
    assert detect(lane(columns("a:int", "b:int"), columns("a:int")), Policy(), T0_US, asking)


def test_the_sentence_says_how_far_it_goes_and_whose_it_is() -> None:
    board = Affected(ds("revenue_board"), 3)
    impact = replace(READ, exposures=(board, Affected(ds("mart"), 1)), owners=("finance",))
    (finding,) = told(columns("a:int", "b:int"), columns("a:int"), impact=impact)
    assert finding.summary == (
        "Column b was dropped from orders by job shop.ingest; 1 downstream column in 1 dataset depends on it"
        " (mart.revenue), down to revenue_board, owned by finance."
    )
