"""Names that mean harm to whoever shows them: every output stays what it is said to be, whatever a name holds."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from rich.console import Console, RenderableType

from processor import export
from processor.cli.guard import say
from processor.cli.letters import letter_table, letter_text, redrive_table
from processor.deadletters.letter import DeadLetter
from processor.decode import read_schemas
from processor.decode.observe import build_observer
from processor.index.connect import connect
from processor.index.digest import digest
from processor.index.memory import MemoryStore
from processor.index.redis import RedisStore
from processor.index.traverse import Direction, lineage
from processor.index.view import View
from processor.indexer.records import Partition, Record, sort
from processor.indexer.report import Report, contract_facets
from processor.model.alert import Affected, Alert, AlertKind, Finding, Impact, Severity, Status
from processor.model.errors import Reason
from processor.model.history import KnownEdge
from processor.model.identity import Node, dataset, job
from processor.model.observation import EdgeType, Evidence
from processor.model.text import visible
from processor.render.alerts import alert_block, alert_lines, alert_record, alert_table
from processor.render.console import write_json, write_ndjson
from processor.render.describe import describe
from processor.render.description import description
from processor.render.graph import dot, mermaid
from processor.render.tree import lineage_tree
from processor.resources import schemas_dir
from processor.settings import LogFormat
from processor.telemetry import logs
from processor.telemetry.health import Health
from processor.telemetry.http import HealthServer
from processor.telemetry.metrics import REGISTRY
from tests.support.events import Json, column_lineage, event, facet, fill, memory, schema, table

MARK = "Xharm"
"""Stands in every hostile name, so that it is found where it must not be."""

HOSTILE = tuple(
    MARK + text
    for text in (
        *map(chr, range(0x20)),
        *map(chr, range(0x7F, 0xA0)),
        "\x1b[2J\x1b]0;owned\x07",
        "\x9b31m",
        "\u202eatad\u2066x\u2069",
        "\u2028second\u2029third\u0085fourth\r\nfifth",
        "\U000e0041\ufeff\u200b\ufff9",
        '"];n0->n1;"',
        "\\",
        '\\"',
        "\\N\\G&quot;&#10;",
        "<b>x</b>",
        '"] click n0 "javascript:alert(1)"',
        "%%{init: {'theme':'dark'}}%%",
        "$$\\frac{1}{0}$$",
        "`**md**`",
        "style n0:#fff;x",
        "classDef x:#quot;",
        "end\nsubgraph",
        "[red]markup[/red][link=file:///etc]",
        '","level":"error","event":"forged',
        "\n2026-01-01T00:00:00Z [error] forged",
        "{b1}}:g9:n:*[?]",
        "x\r\nFLUSHALL\r\n*1\r\n$8\r\nFLUSHALL\r\n",
        "redis.call('FLUSHALL')\")--[[",
        '"} 1\nforged_metric{a="b"} 2',
        "%s %(x)s {0} {x.__class__} ${jndi:ldap://x}",
        "a" * 4_000,
    )
)
NAMES = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=20))
each_name = pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))


def world(name: str) -> list[Json]:
    """Events in which everything that has a name has this one."""
    columns = schema("a")
    columns["fields"] = [{"name": name, "type": name, "fields": [{"name": name, "type": name}]}]
    made = table(
        name,
        f"ns{name}",
        schema=columns,
        columnLineage=column_lineage({name: [(f"in{name}", name)]}, f"ns{name}"),
        ownership=facet(owners=[{"name": name, "type": name}]),
        symlinks=facet(identifiers=[{"namespace": name, "name": f"link{name}", "type": name}]),
        **{name: facet(**{name: name})},
    )
    value = event(name, inputs=[table(f"in{name}", f"ns{name}")], outputs=[made])
    value["producer"] = f"https://example.com/{MARK}"
    value["job"]["namespace"] = name
    return [value]


def graph_of(one: str, other: str) -> tuple[list[Node], list[KnownEdge]]:
    """Two datasets with a column each and a job, and edges of every kind of arrow."""
    source, target, step = dataset(one, other), dataset(other, one), job(one, one)
    columns = source.column(one), target.column(other)
    pairs = ((source, step, None), (step, target, None), (*columns, False))
    edges = [KnownEdge(EdgeType.DERIVES, src, dst, Evidence.COLUMN, 0, 0, None, direct) for src, dst, direct in pairs]
    return [source, target, step, *columns], edges


# DOT, as https://graphviz.org/doc/info/lang.html has it

DOT_TOKEN = re.compile(r'\s*(?:(->|[{}\[\]=;,])|([A-Za-z_][A-Za-z_0-9]*)|"((?:[^"\\\n]|\\["\\])*)")')


def dot_tokens(text: str) -> Iterator[tuple[str, str]]:
    """("sign" | "word" | "label", text) until the end; fails on whatever is neither."""
    at = 0
    while text[at:].strip():
        found = DOT_TOKEN.match(text, at)
        assert found, text[at : at + 80]
        sign, word, label = found.groups()
        yield ("sign", sign) if sign else ("word", word) if word else ("label", label)
        at = found.end()


def dot_labels(text: str) -> list[str]:
    """The labels of a graph's nodes, once every statement of it is one that the renderer makes."""
    shape = "".join(word if kind != "label" else '"' for kind, word in dot_tokens(text))
    node, link = r'n\d+\[label=",shape=[a-z]+\];', r"n\d+->n\d+(\[style=dashed\])?;"
    group = rf'subgraphcluster_\d+\{{label=";({node})*\}}'
    assert re.fullmatch(rf'digraphlineage\{{rankdir=LR;node\[fontname="\];({node}|{group})*({link})*\}}', shape), shape
    return [word for kind, word in dot_tokens(text) if kind == "label"]


def check_dot(one: str, other: str) -> None:
    nodes, edges = graph_of(one, other)
    text = dot(nodes, edges)
    labels = [label.replace('\\"', '"').replace("\\\\", "\\").replace("&amp;", "&") for label in dot_labels(text)]
    shown = {visible(f"{node.namespace}:{node.name}") if node.field is None else visible(node.field) for node in nodes}
    assert {label.replace("&amp;", "&") for label in shown} <= set(labels)
    assert text.replace("\n", "").isprintable()


@each_name
def test_dot_is_read_as_what_was_meant(name: str) -> None:
    check_dot(name, "b")
    check_dot("b", name)


@given(NAMES, NAMES)
@settings(max_examples=60)
def test_dot_is_read_as_what_was_meant_whatever_the_names(one: str, other: str) -> None:
    check_dot(one, other)


# Mermaid

TEXT = r"(?:[^\"`<>\\*_&%$#;\n]|;|#\d+;|#(?:quot|amp|lt|gt);)+"
MERMAID = re.compile(
    rf'flowchart LR|  n\d+ -(?:-|\.-)> n\d+|  subgraph g\d+\["{TEXT}"\]|  end'
    rf'|(?:  |    )n\d+(?:\[\("{TEXT}"\)\]|\["{TEXT}"\]|\[/"{TEXT}"/\]|\(\["{TEXT}"\]\))'
)


def check_mermaid(one: str, other: str) -> None:
    text = mermaid(*graph_of(one, other))
    lines = text.split("\n")
    assert lines.pop() == ""
    assert [line for line in lines if not MERMAID.fullmatch(line)] == []
    assert all(line.isprintable() for line in lines)
    # What Mermaid's own preparation looks for in a whole line, labels or not.
    assert not any(re.search(r"%%|(style|classDef).*:\S*#.*;", line) for line in lines)


@each_name
def test_every_line_of_mermaid_is_one_of_its_own(name: str) -> None:
    check_mermaid(name, "b")
    check_mermaid("b", name)


@given(NAMES, NAMES)
@settings(max_examples=60)
def test_every_line_of_mermaid_is_one_of_its_own_whatever_the_names(one: str, other: str) -> None:
    check_mermaid(one, other)


# Terminals


def shown(*what: RenderableType) -> str:
    """What a terminal gets, but for the renderer's own colors."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", width=200, highlight=False)
    for each in what:
        console.print(each)
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


def alert_of(name: str) -> Alert:
    subject = dataset(name, name)
    impact = Impact(columns=(Affected(subject.column(name), 1),), datasets=(Affected(subject, 1),))
    finding = Finding("1", AlertKind.SCHEMA_DRIFT, Severity.WARNING, subject, f"{name} lost {name}", 0, impact=impact)
    return Alert(finding, Status.FIRING, 0, None, "runbook")


def letter_of(name: str) -> DeadLetter:
    text = name.encode("utf-8", "surrogatepass")
    return DeadLetter("0:1", 0, name, name, name, name, name, text, text, ((name, text),))


def everything(name: str) -> Iterator[RenderableType]:
    """Every table, tree and text that a command shows."""
    view = View(memory(*world(name)))
    yield from (export.node_table(view), export.edge_table(view))
    for kind in {record.node for record in map(view.node, all_nodes(view)) if record is not None}:
        yield description(describe(view, kind))
        for direction in Direction:
            yield lineage_tree(kind, lineage(view, kind, direction), direction)
    alert, letter = alert_of(name), letter_of(name)
    yield from (alert_table([alert]), alert_block(alert), alert_lines(alert))
    yield from (letter_table([letter]), redrive_table([(letter, name)]), letter_text(letter))


def all_nodes(view: View) -> list[Node]:
    return [dataset_or_job(record) for record in export.node_records(view)]


def dataset_or_job(record: Json) -> Node:
    make = dataset if record["kind"] == "dataset" else job
    return make(record["namespace"], record["name"])


@each_name
def test_nothing_but_text_reaches_a_terminal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(*everything(name))
    assert MARK in text
    assert [line for line in text.split("\n") if not line.isprintable()] == []
    say(name)
    assert capsys.readouterr().err.replace("\n", "").isprintable()


# JSON


def check_json(out: Callable[[], bytes], documents: list[Json]) -> None:
    write_ndjson(documents)
    lines = out().decode()
    assert [json.loads(line) for line in lines.splitlines()] == documents
    assert lines.replace("\n", "").isprintable()
    write_json(documents)
    whole = out().decode()
    assert json.loads(whole) == documents
    assert whole.replace("\n", "").isprintable()


@each_name
def test_a_record_is_one_line_of_json_and_comes_back_as_it_was(
    name: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    view = View(memory(*world(name)))
    records = [*export.node_records(view), *export.edge_records(view)]
    assert any(name in record.get("facets", {}) for record in records)
    alert = msgspec.to_builtins(alert_record(alert_of(name)))
    letter = letter_of(name).record(whole=True)
    check_json(lambda: capsysbinary.readouterr().out, [*records, alert, msgspec.to_builtins(letter)])


# Logs


@pytest.fixture
def log_lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[LogFormat, str], str]]:
    """Logs three events that quote a name, and gives what was written."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level

    def written(form: LogFormat, name: str) -> str:
        logs.configure("info", form, role="test")
        log = structlog.get_logger("test")
        log.warning("quoted", text=name, many=[name], node=dataset(name, name), error=ValueError(name))
        logging.getLogger("library").warning("quoted %s", name)
        log.error("failed", exc_info=ValueError(name))
        return capsys.readouterr().err

    yield written
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


@each_name
def test_an_event_is_one_line_of_the_log(name: str, log_lines: Callable[[LogFormat, str], str]) -> None:
    lines = log_lines("json", name).splitlines()
    told = [json.loads(line) for line in lines]
    assert [each["level"] for each in told] == ["warning", "warning", "error"]
    assert told[0]["text"] == name
    assert all(line.isprintable() for line in lines)


@each_name
def test_an_event_is_one_line_of_the_console_and_a_traceback_is_marked(
    name: str, log_lines: Callable[[LogFormat, str], str]
) -> None:
    text = log_lines("console", name)
    lines = text.split("\n")
    assert [line for line in lines if not line.isprintable()] == []
    assert len([line for line in lines if line and not line.startswith("  | ")]) == 3


def test_a_name_of_a_megabyte_is_cut(log_lines: Callable[[LogFormat, str], str]) -> None:
    told = json.loads(log_lines("json", "://a:" * 200_000).splitlines()[0])
    assert len(told["text"]) < 5_000


# Metrics and health


def test_no_name_becomes_a_label_of_a_metric() -> None:
    values = [msgspec.json.encode(value) for name in HOSTILE for value in world(name)]
    bad = [value.replace(b'"eventTime":"2', b'"eventTime":"x') for value in values]
    broken = [value.replace(b'"owners":[{', b'"owners":[1,{') for value in values]
    log = Partition("events", 0)
    records = [
        Record(log, at, 0, MARK.encode(), value, [(MARK, MARK.encode())])
        for at, value in enumerate(values + bad + broken)
    ]
    observe = build_observer("auto", read_schemas(schemas_dir()))
    result = sort(records, {"events": observe})
    assert len(result.rejected) >= len(HOSTILE)
    assert any(said.problems for said, _ in result.sourced)
    Report(lambda: 0, contract_facets()).batch(records, result)
    assert MARK not in generate_latest(REGISTRY).decode()


def test_what_a_condition_waits_for_is_one_json_document() -> None:
    health = Health(("index",), livez_timeout_s=60)
    with HealthServer("127.0.0.1", 0, health) as server:
        for name in HOSTILE:
            health.fails("index", name)
            with pytest.raises(HTTPError) as answer:
                urlopen(f"http://127.0.0.1:{server.port}/readyz")
            body = answer.value.read().decode()
            assert json.loads(body) == {"ready": False, "missing": {"index": name}}
            assert body.rstrip("\n").isprintable()


# Times


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01"])
def test_a_time_that_cannot_be_written_down_again_is_none(time: str) -> None:
    observe = build_observer("auto", read_schemas(schemas_dir()))
    (rejected,) = observe(msgspec.json.encode(event() | {"eventTime": time}), ()).rejected
    assert (rejected.reason, rejected.pointer) == (Reason.BAD_TIME, "/eventTime")


@pytest.mark.parametrize("time_us", [-(2**63), 2**63, 2**63 * 1000])
def test_a_time_that_a_record_of_kafka_claims_can_be_shown(time_us: int) -> None:
    letter = replace(letter_of("x"), time_us=time_us)
    assert letter.record(whole=True)["time"] in ("0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z")
    assert MARK not in shown(letter_table([letter]), letter_text(letter))


# Redis


def test_no_name_stands_in_a_key_and_redis_holds_what_memory_holds(redis_url: str) -> None:
    values = [value for name in HOSTILE for value in world(name)]
    twin = MemoryStore()
    store = RedisStore(connect(redis_url))
    for each in (store, twin):
        fill(each, *values)
    keys = [key.decode() for key in store.client.scan_iter(count=10_000)]
    assert digest(store) == digest(twin)
    store.close()
    assert [key for key in keys if not re.fullmatch(r"lineage:\{(b\d+|meta)\}:[\w:.]+", key)] == []
