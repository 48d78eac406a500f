"""Graphs as DOT, Mermaid and trees: names never become syntax, and nothing is unfolded twice."""

import io
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from processor.index.graph import Graph, Reached
from processor.index.traverse import Direction
from processor.model.history import KnownEdge
from processor.model.identity import Node, dataset, job
from processor.model.observation import EdgeType, Evidence
from processor.render.graph import dot, mermaid
from processor.render.tree import lineage_tree

ORDERS, REVENUE, LOAD = dataset("db", "orders"), dataset("db", "revenue"), job("etl", "load")
AMOUNT, TOTAL, STATE = ORDERS.column("amount"), REVENUE.column("total"), ORDERS.column("state")
EVIL = [
    '"',
    "\\",
    '"]',
    "\\N",
    "-->",
    "end",
    "`",
    "<b>",
    "&lt;",
    "#quot;",
    "a\nb",
    "\x1b[31m",
    "\u202e",
    "%%{init}%%",
    "",
]


def edge(type_: EdgeType, src: Node, dst: Node, *, direct: bool | None = None) -> KnownEdge:
    return KnownEdge(type_, src, dst, Evidence.COLUMN, 0, 0, None, direct)


def tree_of(start: Node, *edges: KnownEdge, roots: tuple[Node, ...] = (), up: bool = False) -> list[str]:
    nodes = (start, *roots)
    graph = Graph(tuple(Reached(node, 0) for node in nodes), edges)
    out = io.StringIO()
    Console(file=out, width=300).print(lineage_tree(start, graph, Direction.UP if up else Direction.DOWN))
    return [line.rstrip() for line in out.getvalue().splitlines()]


PIPELINE = (edge(EdgeType.READS, ORDERS, LOAD), edge(EdgeType.WRITES, LOAD, REVENUE))


def test_dot_names_every_node_and_edge() -> None:
    assert dot([ORDERS, LOAD, REVENUE], PIPELINE) == (
        "digraph lineage {\n"
        "  rankdir=LR;\n"
        '  node [fontname="sans-serif"];\n'
        '  n0 [label="db:orders", shape=cylinder];\n'
        '  n1 [label="db:revenue", shape=cylinder];\n'
        '  n2 [label="etl:load", shape=box];\n'
        "  n0 -> n2;\n"
        "  n2 -> n1;\n"
        "}\n"
    )


def test_mermaid_names_every_node_and_edge() -> None:
    assert mermaid([ORDERS, LOAD, REVENUE], PIPELINE) == (
        'flowchart LR\n  n0[("db:orders")]\n  n1[("db:revenue")]\n  n2["etl:load"]\n  n0 --> n2\n  n2 --> n1\n'
    )


def test_columns_stand_together_with_their_dataset_and_indirect_ones_are_dashed() -> None:
    edges = [edge(EdgeType.DERIVES, AMOUNT, TOTAL, direct=True), edge(EdgeType.DERIVES, STATE, TOTAL, direct=False)]
    drawn = dot([], edges)
    assert re.findall(r"subgraph (\w+)", drawn) == ["cluster_0", "cluster_1"]
    assert "n1 -> n2 [style=dashed];" in drawn
    assert "n0 -> n2;" in drawn
    assert "n1 -.-> n2" in mermaid([], edges)


@pytest.mark.parametrize("name", EVIL)
def test_no_name_escapes_its_label(name: str) -> None:
    nodes = [dataset("db", name), dataset(name or "db", "x").column(name)]
    for drawn in (dot(nodes, []), mermaid(nodes, [])):
        assert drawn.isprintable() or set(drawn) - {"\n"} == {c for c in drawn if c.isprintable()}
        assert len(drawn.splitlines()) == len(drawn.split("\n")) - 1
    for line in dot(nodes, []).splitlines():
        assert len(re.findall(r'(?<!\\)(?:\\\\)*"', line)) in (0, 2)
    for line in mermaid(nodes, []).splitlines():
        assert line.count('"') in (0, 2)
        assert not re.search(r"[`<>\\]", line)


@given(st.text(), st.text())
def test_labels_hold_one_line_each_whatever_the_names(one: str, other: str) -> None:
    nodes = [dataset("db", one), dataset("db", other)]
    assert len(dot(nodes, []).splitlines()) == 4 + len(set(nodes))
    assert len(mermaid(nodes, []).splitlines()) == 1 + len(set(nodes))


def test_a_tree_unfolds_each_node_once_where_it_is_nearest() -> None:
    near, far = dataset("db", "a_near"), dataset("db", "z_far")
    edges = [
        edge(EdgeType.DERIVES, ORDERS, near),
        edge(EdgeType.DERIVES, ORDERS, far),
        edge(EdgeType.DERIVES, near, far),
        edge(EdgeType.DERIVES, far, REVENUE),
        edge(EdgeType.DERIVES, REVENUE, ORDERS),
    ]
    assert tree_of(ORDERS, *edges) == [
        "orders  dataset in db",
        "├── a_near  dataset in db",
        "│   └── z_far  dataset in db  …",
        "└── z_far  dataset in db",
        "    └── revenue  dataset in db",
        "        └── orders  dataset in db  …",
    ]


def test_a_tree_goes_up_as_well() -> None:
    assert tree_of(REVENUE, *PIPELINE, up=True) == [
        "revenue  dataset in db",
        "└── load  job in etl",
        "    └── orders  dataset in db",
    ]


def test_a_tree_shows_aliases_once() -> None:
    link = edge(EdgeType.SYMLINK, REVENUE, ORDERS)
    assert tree_of(ORDERS, link) == ["orders  dataset in db", "└── revenue  dataset in db  (same dataset)"]


def test_columns_are_the_branches_of_the_dataset_that_was_asked_for() -> None:
    step = edge(EdgeType.DERIVES, AMOUNT, TOTAL, direct=False)
    assert tree_of(ORDERS, step, roots=(AMOUNT,)) == [
        "orders  dataset in db",
        "└── orders.amount  column in db",
        "    └── revenue.total  column in db  (indirect)",
    ]


def test_a_long_chain_is_no_trouble() -> None:
    chain = [dataset("db", f"t{n}") for n in range(2000)]
    edges = [edge(EdgeType.DERIVES, one, other) for one, other in itertools.pairwise(chain)]
    graph = Graph((), tuple(edges))
    tree, depth = lineage_tree(chain[0], graph, Direction.DOWN), 0
    while tree.children:
        tree, depth = tree.children[0], depth + 1
    assert depth == len(chain) - 1


def test_markup_in_a_name_is_shown_and_not_obeyed() -> None:
    assert tree_of(dataset("db", "[red]a[/red]\x1b[2J")) == ["[red]a[/red]\\x1b[2J  dataset in db"]
