"""A graph as DOT (Graphviz) and as Mermaid.

Source: https://graphviz.org/doc/info/lang.html; https://mermaid.js.org/syntax/flowchart.html.
Nodes are numbered in a stable order, so a name never becomes part of the syntax; it stands in a quoted label only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from processor.model.history import KnownEdge
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType
from processor.model.text import visible

_DOT_SHAPES = {Kind.DATASET: "cylinder", Kind.JOB: "box", Kind.RUN: "note", Kind.COLUMN: "plaintext"}
_MERMAID_SHAPES = {
    Kind.DATASET: ('[("', '")]'),
    Kind.JOB: ('["', '"]'),
    Kind.RUN: ('[/"', '"/]'),
    Kind.COLUMN: ('(["', '"])'),
}
_MERMAID_ESCAPES = str.maketrans(
    {
        "#": "#35;",
        "&": "#amp;",
        '"': "#quot;",
        "<": "#lt;",
        ">": "#gt;",
        "`": "#96;",
        "\\": "#92;",
        "*": "#42;",
        "_": "#95;",
        "%": "#37;",
        "$": "#36;",
    }
)
"""Markup of a label, of its Markdown and its formulas; and `%%{…}%%`, a directive wherever it stands."""

_MERMAID_STATEMENTS = ("style", "classDef")
_ENTITY = re.compile(r"&(?=#?\w+;)")


def dot(nodes: Iterable[Node], edges: Iterable[KnownEdge]) -> str:
    """The graph in the language of Graphviz, left to right as the data flows."""
    ordered, links = _ordered(nodes, edges)
    ids = _ids(ordered)
    lines = ["digraph lineage {", "  rankdir=LR;", '  node [fontname="sans-serif"];']
    lines += [line for group in _by_owner(ordered) for line in _dot_group(*group, ids)]
    lines += [f"  {ids[e.src]} -> {ids[e.dst]}{_dot_style(e)};" for e in links]
    return "\n".join([*lines, "}", ""])


def mermaid(nodes: Iterable[Node], edges: Iterable[KnownEdge]) -> str:
    """The graph as a Mermaid flowchart, left to right as the data flows."""
    ordered, links = _ordered(nodes, edges)
    ids = _ids(ordered)
    lines = ["flowchart LR"]
    lines += [line for group in _by_owner(ordered) for line in _mermaid_group(*group, ids)]
    lines += [f"  {ids[e.src]} {_mermaid_arrow(e)} {ids[e.dst]}" for e in links]
    return "\n".join([*lines, ""])


def edge_order(edge: KnownEdge) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Where an edge stands in a listing: by type, source, target, job."""
    return (edge.type.value, node_order(edge.src), node_order(edge.dst), node_order(edge.job) if edge.job else ())


def node_order(node: Node) -> tuple[str, ...]:
    """Where a node stands in a listing: by kind, namespace, name, field."""
    return (node.kind.value, node.namespace, node.name, node.field or "")


def _ordered(nodes: Iterable[Node], edges: Iterable[KnownEdge]) -> tuple[list[Node], list[KnownEdge]]:
    links = sorted(edges, key=edge_order)
    known = set(nodes).union(*((e.src, e.dst) for e in links))
    return sorted(known, key=_columns_with_owner), links


def _columns_with_owner(node: Node) -> tuple[str, ...]:
    owner = node.dataset
    return (*node_order(owner), node.kind.value if node != owner else "", node.field or "")


def _ids(nodes: Sequence[Node]) -> dict[Node, str]:
    return {node: f"n{position}" for position, node in enumerate(nodes)}


def _by_owner(nodes: Sequence[Node]) -> Iterator[tuple[int, Node, list[Node]]]:
    groups = groupby(nodes, key=lambda node: node.dataset)
    return ((position, owner, list(members)) for position, (owner, members) in enumerate(groups))


def _dot_group(number: int, owner: Node, members: list[Node], ids: dict[Node, str]) -> list[str]:
    columns = [f"{ids[m]} [label={_dot_text(visible(m.field or ''))}, shape=plaintext];" for m in members if m != owner]
    itself = (
        [f"{ids[owner]} [label={_dot_text(_title(owner))}, shape={_DOT_SHAPES[owner.kind]}];"] if owner in ids else []
    )
    if not columns:
        return [f"  {line}" for line in itself]
    head = f"  subgraph cluster_{number} {{"
    return [head, f"    label={_dot_text(_title(owner))};", *(f"    {line}" for line in [*itself, *columns]), "  }"]


def _dot_style(edge: KnownEdge) -> str:
    if edge.type in (EdgeType.SYMLINK, EdgeType.PARENT) or edge.direct is False:
        return " [style=dashed]"
    return ""


def _dot_text(text: str) -> str:
    escaped = _ENTITY.sub("&amp;", text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _mermaid_group(number: int, owner: Node, members: list[Node], ids: dict[Node, str]) -> list[str]:
    lines = [f"{ids[m]}{_mermaid_node(m)}" for m in members]
    if members == [owner]:
        return [f"  {line}" for line in lines]
    return [f'  subgraph g{number}["{_mermaid_text(_title(owner))}"]', *(f"    {line}" for line in lines), "  end"]


def _mermaid_node(node: Node) -> str:
    before, after = _MERMAID_SHAPES[node.kind]
    return f"{before}{_mermaid_text(node.field or _title(node))}{after}"


def _mermaid_arrow(edge: KnownEdge) -> str:
    return "-.->" if _dot_style(edge) else "-->"


def _mermaid_text(text: str) -> str:
    """The label's text. Mermaid looks for `style …:…#…;` also within labels, and would take the last `;` away."""
    escaped = visible(text).translate(_MERMAID_ESCAPES)
    return escaped.replace(":", "#58;") if any(word in text for word in _MERMAID_STATEMENTS) else escaped


def _title(node: Node) -> str:
    return visible(f"{node.namespace}:{node.name}")
