"""Of a column those sources count that it is made from, as far as that is known to the end."""

from __future__ import annotations

from processor.detect.policy import Policy
from processor.index.resolve import resolve
from processor.index.view import View
from processor.judging.provenance import Demand, may_be_fed
from processor.judging.verdicts import ProvenanceVerdict
from tests.support.events import NAMESPACE, Json, column_lineage, event, memory, schema, table, us

MADE = event(
    "make",
    run=1,
    inputs=[table("mid"), table("other")],
    outputs=[
        table("made", columnLineage=column_lineage({"c": [("mid", "x"), ("other", "y")], "d": [("other", "y")]})),
    ],
)


def asked(node: str, *said: Json) -> ProvenanceVerdict:
    view = View(memory(MADE, *said))
    demand = Demand(allow=(f"{NAMESPACE}:other",))
    return may_be_fed(view, resolve(view, node), demand, Policy(), us(10))


def of(mid: Json) -> Json:
    return event("stage", inputs=[table("raw")], outputs=[mid])


def test_where_one_way_up_is_lost_all_sources_of_the_dataset_count() -> None:
    verdict = asked("made.c", of(table("mid")))
    assert (verdict.ok, [source.source.name for source in verdict.sources]) == (False, ["raw", "other"])
    assert len(verdict.notes) == 1


def test_where_all_are_known_others_do_not_count() -> None:
    verdict = asked("made.d", of(table("mid")))
    assert (verdict.ok, [source.source.name for source in verdict.sources], verdict.notes) == (True, ["other"], [])
    known = asked("made.c", of(table("mid", columnLineage=column_lineage({"x": [("raw", "x")]}))))
    assert (known.ok, {source.source.name for source in known.sources}, known.notes) == (False, {"raw", "other"}, [])


def test_a_column_without_lineage_has_the_sources_of_its_dataset() -> None:
    verdict = asked(
        "made.unknown", event("name", outputs=[table("made", schema=schema("c", "d", "unknown"))]), of(table("mid"))
    )
    assert (verdict.ok, len(verdict.notes)) == (False, 1)
