"""Changes and alerts survive the wire, and bytes that are neither are said to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.model.alert import (
    Affected,
    Alert,
    AlertKind,
    ColumnDrift,
    Finding,
    Impact,
    Member,
    Note,
    Retyping,
    Severity,
    Status,
)
from processor.model.change import Cause, Change, ChangeItem, EdgeChange, ItemKind, RunChange, SchemaChange
from processor.model.codec import (
    SchemaCodec,
    UnreadableRecordError,
    decode_alert,
    decode_change,
    encode_alert,
    encode_change,
)
from processor.model.history import Observer
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType, Evidence, Place, Role, RunState
from processor.model.tables import ColumnChange, ColumnChangeKind

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
maybe_text = st.none() | texts
times_us = st.integers(-(2**62), 2**62)
counts = st.integers(0, 2**31 - 1)
nodes = st.builds(Node, st.sampled_from(Kind), texts, texts, maybe_text)
places = st.builds(Place, texts, counts, st.integers(0, 2**62))
causes = st.builds(Cause, st.none() | nodes, maybe_text, maybe_text, st.none() | places)
columns = st.builds(ColumnChange, texts, st.sampled_from(ColumnChangeKind), maybe_text, maybe_text)
evidence = st.sampled_from(Evidence)  # of a flag, Hypothesis draws combinations too
edges = st.builds(EdgeChange, st.sampled_from(EdgeType), nodes, nodes, evidence)
schemas = st.builds(
    SchemaChange,
    st.builds(Observer, st.sampled_from(Role), texts, texts),
    maybe_text,
    maybe_text,
    st.lists(columns, max_size=3).map(tuple),
)
runs = st.builds(RunChange, texts, st.sampled_from(RunState), times_us, times_us, counts, counts)
items = st.builds(
    ChangeItem,
    texts,
    st.sampled_from(ItemKind),
    times_us,
    causes,
    st.none() | edges,
    st.none() | schemas,
    st.none() | runs,
    st.none() | nodes,
    maybe_text,
)
changes = st.builds(Change, texts, nodes, st.lists(items, max_size=3).map(tuple))
affected = st.lists(st.builds(Affected, nodes, counts, st.booleans(), st.booleans()), max_size=3).map(tuple)
owners = st.lists(texts, max_size=2).map(tuple)
impacts = st.builds(Impact, affected, affected, affected, owners, affected, st.booleans(), counts)
drifts = st.builds(
    ColumnDrift,
    *(texts, st.sampled_from(ColumnChangeKind), maybe_text, maybe_text),
    *(st.none() | st.sampled_from(Retyping), maybe_text, owners),
)
members = st.builds(Member, texts, st.sampled_from(AlertKind), st.sampled_from(Severity), nodes, texts, times_us)
notes = st.none() | st.builds(Note, texts, times_us, texts, st.none() | times_us, maybe_text)


@st.composite
def alerts(draw: st.DrawFn) -> Alert:
    started_us = draw(times_us)
    finding = Finding(
        draw(texts),
        draw(st.sampled_from(AlertKind)),
        draw(st.sampled_from(Severity)),
        draw(nodes),
        draw(texts),
        started_us,
        draw(causes),
        draw(st.lists(drifts, max_size=3).map(tuple)),
        draw(impacts),
        draw(st.lists(nodes, max_size=2).map(tuple)),
        draw(st.lists(members, max_size=2).map(tuple)),
        draw(counts),
    )
    status, ends_us = draw(st.sampled_from(Status)), draw(st.none() | times_us)
    return Alert(finding, status, started_us, ends_us, draw(texts), draw(counts), draw(notes), draw(notes))


@given(changes)
def test_a_change_survives_the_wire(change: Change) -> None:
    assert decode_change(encode_change(change)) == change


@given(alerts())
def test_an_alert_survives_the_wire(alert: Alert) -> None:
    assert decode_alert(encode_alert(alert)) == alert


@given(changes, st.data())
def test_a_cut_or_lengthened_record_is_refused(change: Change, data: st.DataObject) -> None:
    encoded = encode_change(change)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(UnreadableRecordError):
        decode_change(encoded[:cut])
    with pytest.raises(UnreadableRecordError):
        decode_change(encoded + b"\x00")


@given(st.binary(max_size=200))
def test_whatever_the_bytes_it_is_an_error_of_ours(data: bytes) -> None:
    header = encode_change(Change("id", Node(Kind.JOB, "n", "j"), ()))[:10]
    for value in (data, header + data):
        try:
            decode_change(value)
        except UnreadableRecordError:
            continue


def test_a_change_is_no_alert() -> None:
    with pytest.raises(UnreadableRecordError, match=r"lineage_alert\.avsc"):
        decode_alert(encode_change(Change("id", Node(Kind.JOB, "n", "j"), ())))


def _record(*fields: str) -> str:
    return f'{{"type": "record", "name": "lineage.R", "fields": [{", ".join(fields)}]}}'


_ID = '{"name": "id", "type": "string"}'
_KIND = '{{"name": "kind", "type": {{"type": "enum", "name": "K", "symbols": [{0}], "default": "UNKNOWN"}}}}'
_OLD = _record(
    _ID, _KIND.format('"UNKNOWN", "A", "B"'), '{"name": "gone", "type": ["null", "string"], "default": null}'
)
_NEW = _record(_ID, _KIND.format('"UNKNOWN", "A"'), '{"name": "fresh", "type": ["null", "long"], "default": null}')


def test_a_record_of_another_release_is_read_as_avro_resolves_it() -> None:
    data = SchemaCodec("r", _OLD).encode({"id": "1", "kind": "A", "gone": "x"})
    assert SchemaCodec("r", _NEW, (_OLD,)).decode(data) == {"id": "1", "kind": "A", "fresh": None}
    later = SchemaCodec("r", _OLD).encode({"id": "1", "kind": "B", "gone": None})
    assert SchemaCodec("r", _NEW, (_OLD,)).decode(later)["kind"] == "UNKNOWN"


def test_a_record_that_no_release_wrote_or_that_cannot_be_resolved_is_unreadable() -> None:
    data = SchemaCodec("r", _OLD).encode({"id": "1", "kind": "A", "gone": "x"})
    with pytest.raises(UnreadableRecordError, match="known version"):
        SchemaCodec("r", _NEW).decode(data)
    other = _record('{"name": "needed", "type": "string"}')
    with pytest.raises(UnreadableRecordError, match="broken Avro"):
        SchemaCodec("r", other, (_OLD,)).decode(data)
