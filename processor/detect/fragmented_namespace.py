"""`fragmented_namespace`: two datasets are very likely one under two names.

Rules kept here:
- one of them is only read, and the other is written: lineage is cut between the two. Two that are both written, or both
  only read, are never told: they may well be two;
- the same place in other words is evidence enough: `s3` and `s3a`, a default port or none, slashes;
- a likeness is not: a host with and without its domain, names that differ in case, a name with and without its
  database. It takes the same columns (`min_columns` at least), or, where nobody states columns, that nobody reads the
  other one;
- a mere address for a host name, or a last word alone, takes the same columns in any case;
- several that are alike are several: then nothing is said;
- patience: `grace_hours` since both are known, for a writer to show up under the very name;
- two that are joined already (symlink, rename) are one, and not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from processor.detect.policy import Policy
from processor.detect.stats import hours_us
from processor.detect.words import node_words, shown
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.identity import Node, hash_parts

_SCHEMES = {
    "s3a": "s3",
    "s3n": "s3",
    "gcs": "gs",
    "abfss": "abfs",
    "wasbs": "wasb",
    "postgresql": "postgres",
    "mssql": "sqlserver",
    "hive2": "hive",
}
_STORES = frozenset({"s3", "gs", "abfs", "wasb", "hdfs", "file", "dbfs"})
"""Schemes whose names are paths, case and all."""
_PORTS = {
    "postgres": "5432",
    "redshift": "5439",
    "mysql": "3306",
    "sqlserver": "1433",
    "oracle": "1521",
    "mongodb": "27017",
    "cassandra": "9042",
    "kafka": "9092",
    "hive": "10000",
    "hdfs": "8020",
}
_ADDRESS = re.compile(r"^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])$")
_URI = re.compile(r"^(?P<scheme>[^:/]+)://(?P<host>\[[^\]]*\]|[^:/]*)(?::(?P<port>\d+))?(?:/(?P<path>.*))?$", re.DOTALL)
_TWO_WORDS = 2


class Strength(IntEnum):
    """How much speaks for two names being one."""

    NONE = 0
    FAINT = 1
    ALIKE = 2
    SAME = 3


class Likeness(NamedTuple):
    """How alike two names are, and in what they differ, in words."""

    strength: Strength
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A dataset that may go by another name, too. `columns`: none where nobody states them."""

    node: Node
    columns: frozenset[str] = frozenset()
    first_seen_us: int = 0
    is_read: bool = False
    is_written: bool = False


class _Place(NamedTuple):
    scheme: str
    host: str
    port: str
    path: str


_NONE = Likeness(Strength.NONE, ())


def likeness(one: Node, other: Node) -> Likeness:
    """How alike the names of two datasets are."""
    if one == other:
        return _NONE
    first, second = _place(one.namespace), _place(other.namespace)
    if first is None or second is None:
        return _by_parts([_same_text(one.namespace, other.namespace)], one, other)
    if first.scheme != second.scheme:
        return _NONE
    if first.scheme in _STORES:
        return _of_paths(first, second, one, other)
    parts = [_hosts(first.host, second.host), _ports(first, second), _same_text(first.path, second.path)]
    return _by_parts(parts, one, other)


def detect(read: Named, others: Iterable[Named], policy: Policy, now_us: int) -> list[Finding]:
    """The finding of one dataset that is only read, if one of these is it under another name."""
    if read.is_written or not read.is_read:
        return []
    found = [(other, likeness(read.node, other.node)) for other in others if other.is_written]
    told = [(other, like) for other, like in found if _is_enough(read, other, like, policy)]
    best = max((like.strength for _, like in told), default=Strength.NONE)
    told = [pair for pair in told if pair[1].strength is best]
    if not told or (best is not Strength.SAME and len(told) > 1):
        return []
    other, like = min(told, key=lambda pair: pair[0].node)
    since_us = max(read.first_seen_us, other.first_seen_us) + hours_us(policy.fragmented_namespace.grace_hours)
    return [_finding(read, other, like, policy, since_us)] if now_us >= since_us else []


def _place(namespace: str) -> _Place | None:
    found = _URI.match(namespace)
    if found is None:
        return None
    scheme = found["scheme"].lower()
    return _Place(_SCHEMES.get(scheme, scheme), found["host"], found["port"] or "", (found["path"] or "").strip("/"))


def _of_paths(first: _Place, second: _Place, one: Node, other: Node) -> Likeness:
    """Of stores of files the whole path is the name, wherever it is cut."""
    if _path(first, one) != _path(second, other):
        return _NONE
    return Likeness(Strength.SAME, ("it is the same path",))


def _path(place: _Place, node: Node) -> list[str]:
    port = "" if place.port == _PORTS.get(place.scheme, "") else place.port
    return [part for part in (f"{place.host}:{port}", *place.path.split("/"), *node.name.split("/")) if part]


def _by_parts(parts: list[Likeness], one: Node, other: Node) -> Likeness:
    parts = [*parts, _names(one.name, other.name)]
    strength = min(part.strength for part in parts)
    return Likeness(strength, tuple(reason for part in parts for reason in part.reasons)) if strength else _NONE


def _same_text(one: str, other: str) -> Likeness:
    if one == other:
        return Likeness(Strength.SAME, ())
    if one.casefold() == other.casefold():
        return Likeness(Strength.ALIKE, ("they differ in case only",))
    return _NONE


def _hosts(one: str, other: str) -> Likeness:
    short, long = sorted((one, other), key=len)
    if one == other:
        return Likeness(Strength.SAME, ())
    if _ADDRESS.match(one) or _ADDRESS.match(other):
        is_both = _ADDRESS.match(one) and _ADDRESS.match(other)
        return _NONE if is_both else Likeness(Strength.FAINT, ("one names an address, the other a host",))
    if short and "." not in short and long.startswith(f"{short}."):
        return Likeness(Strength.ALIKE, ("one leaves out the domain of the host",))
    return _NONE


def _ports(one: _Place, other: _Place) -> Likeness:
    if one.port == other.port:
        return Likeness(Strength.SAME, ())
    default = _PORTS.get(one.scheme, "")
    is_default = (one.port or default) == (other.port or default) != ""
    return Likeness(Strength.SAME, ("one leaves out the default port",)) if is_default else _NONE


def _names(one: str, other: str) -> Likeness:
    same = _same_text(one.strip("/"), other.strip("/"))
    if same.strength:
        return same
    short, long = sorted((one.casefold(), other.casefold()), key=len)
    if not short or not long.endswith(f".{short}"):
        return _NONE
    is_faint = short.count(".") + 1 < _TWO_WORDS
    return Likeness(Strength.FAINT if is_faint else Strength.ALIKE, ("one leaves out the first part of the name",))


def _is_enough(read: Named, other: Named, like: Likeness, policy: Policy) -> bool:
    if like.strength in (Strength.NONE, Strength.SAME):
        return like.strength is Strength.SAME
    if read.columns and other.columns:
        return _have_same_columns(read, other, policy)
    return like.strength is Strength.ALIKE and not other.is_read


def _have_same_columns(read: Named, other: Named, policy: Policy) -> bool:
    return read.columns == other.columns and len(read.columns) >= policy.fragmented_namespace.min_columns


def _finding(read: Named, other: Named, like: Likeness, policy: Policy, since_us: int) -> Finding:
    same = (f"both have the same {len(read.columns)} columns",) if _have_same_columns(read, other, policy) else ()
    why = ", ".join((*dict.fromkeys(like.reasons), *same)) or "they name the same place"
    pair = sorted((read.node, other.node))
    return Finding(
        alert_id=hash_parts(AlertKind.FRAGMENTED_NAMESPACE.value, *(part for n in pair for part in n[1:3])).hex(),
        kind=AlertKind.FRAGMENTED_NAMESPACE,
        severity=Severity.WARNING,
        subject=read.node,
        summary=(
            f"Dataset {node_words(read.node)} of {shown(read.node.namespace)} is only read, and"
            f" {node_words(other.node)} of {shown(other.node.namespace)} is written: very likely one dataset under two"
            f" names ({why})."
        ),
        since_us=since_us,
        path=(read.node, other.node),
    )
