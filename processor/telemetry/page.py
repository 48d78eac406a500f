"""`docs/metrics.md`, written from the metrics themselves. `make docs` prints it anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from processor.telemetry.labels import label_of
from processor.telemetry.metrics import CATALOGUE, Described

__all__ = ["page"]

_HEAD: Final = """\
# Metrics

Every process serves these on `/metrics` (`LINEAGE_HTTP__…` says where). This page is written from the code
(`make docs`), and a test holds it to that. Beside these there are those that the Python client has for its process
(`process_…`, `python_…`).

No label has values without bounds: never a dataset, a job or a run; a namespace only of the largest few. A series
that has never been set does not exist, so `increase()` does not see the first increase of a counter with labels;
`lineage_processor_events_total` is there from the start. A histogram has `_bucket`, `_sum` and `_count`.

Rules for Prometheus that are made of them are in `deploy/prometheus/`, dashboards in `deploy/grafana/`.
"""
_SECTIONS: Final = {
    "lineage_processor_build_info": "Every process",
    "lineage_processor_events_total": "Indexer",
    "lineage_processor_alerts_firing": "Alerter",
    "lineage_processor_http_requests_total": "API",
}
"""The first metric of each section."""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([_HEAD, *_tables()]) + "\n"


def _tables() -> Iterator[str]:
    for metric in CATALOGUE:
        if metric.name in _SECTIONS:
            yield f"## {_SECTIONS[metric.name]}\n\n| metric | type | what it tells | labels |\n|---|---|---|---|"
        yield _row(metric)
        if _is_last(metric):
            yield ""


def _is_last(metric: Described) -> bool:
    following = CATALOGUE[CATALOGUE.index(metric) + 1 :]
    return bool(following) and following[0].name in _SECTIONS


def _row(metric: Described) -> str:
    labels = "; ".join(_told(metric.name, name) for name in metric.labels)
    return f"| `{metric.name}` | {metric.type} | {metric.text} | {labels} |"


def _told(metric: str, name: str) -> str:
    label = label_of(metric, name)
    values = ", ".join(f"`{value}`" for value in sorted(label.values))
    return f"`{name}`: {label.text}{f' ({values})' if values else ''}"
