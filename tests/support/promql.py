"""What an expression of Prometheus names, held against the metrics of the processor."""

from __future__ import annotations

import re
from collections.abc import Iterator

from processor.telemetry.labels import label_of
from processor.telemetry.metrics import CATALOGUE, Described

_NAME = re.compile(r"[a-zA-Z_:]*lineage_processor_[a-zA-Z0-9_:]*")
_SELECTOR = re.compile(r"([a-zA-Z_:]*lineage_processor_[a-zA-Z0-9_:]*)\s*\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
OF_THE_SCRAPE = frozenset({"job", "instance", "alertname"})


def exposed() -> dict[str, Described]:
    """Every series that a process may expose, by name."""
    found: dict[str, Described] = {}
    for metric in CATALOGUE:
        parts = ("_bucket", "_sum", "_count") if metric.type == "histogram" else ("",)
        found |= {metric.name + part: metric for part in parts}
    return found


def wrong_in(expression: str, recorded: frozenset[str]) -> list[str]:
    """What an expression names that nobody exposes or records."""
    return [*_names(expression, recorded), *_matchers(expression), *_groupings(expression)]


def _names(expression: str, recorded: frozenset[str]) -> Iterator[str]:
    known = exposed().keys() | recorded
    yield from (f"no metric {name}" for name in _NAME.findall(expression) if name not in known)


def _matchers(expression: str) -> Iterator[str]:
    for name, matchers in _SELECTOR.findall(expression):
        metric = exposed().get(name)
        for label, operator, value in _MATCHER.findall(matchers):
            if metric is not None and label not in OF_THE_SCRAPE:
                yield from _matcher(metric, label, value.split("|") if "~" in operator else [value])


def _matcher(metric: Described, label: str, values: list[str]) -> Iterator[str]:
    if label == "le" and metric.type == "histogram":
        return
    if label not in metric.labels:
        yield f"{metric.name} has no label {label}"
        return
    known = label_of(metric.name, label).values
    yield from (f"{metric.name}: {label} is never {value}" for value in values if known and value not in known)


def _groupings(expression: str) -> Iterator[str]:
    known = {label for metric in CATALOGUE for label in metric.labels} | OF_THE_SCRAPE | {"le"}
    named = (label.strip() for labels in _GROUPING.findall(expression) for label in labels.split(","))
    yield from (f"no label {label}" for label in named if label and label not in known)
