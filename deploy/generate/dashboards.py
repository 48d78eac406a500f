"""The dashboards: is lineage flowing, is it complete, what fires; what a worker does; how good the lineage is.

Rules kept here: a uid never changes; whatever may not have happened yet is shown as 0 rather than as no data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.generate.nodegraph import drawn
from deploy.generate.panels import Query, Section, board, graph, number

__all__ = ["GRAFANA", "dashboards"]

GRAFANA: Final = Path(__file__).parents[1] / "grafana"
_P: Final = "lineage_processor_"
_WINDOW: Final = "$__rate_interval"


def dashboards() -> dict[str, str]:
    """Each dashboard as JSON, by the name of its file."""
    made = {"overview": _overview(), "worker": _worker(), "lineage-quality": _quality()}
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {f"{name}.json": encoder.encode(each.build()) + "\n" for name, each in made.items()}


def _rate(metric: str, *by: str) -> str:
    return f"{_sum(by)}(rate({_P}{metric}[{_WINDOW}]))"


def _sum(by: tuple[str, ...]) -> str:
    return f"sum by ({', '.join(by)}) " if by else "sum"


def _or_none(expression: str) -> str:
    return f"{expression} or vector(0)"


def _quantile(share: float, metric: str, *by: str, matching: str = "") -> str:
    return f"histogram_quantile({share}, {_sum(('le', *by))}(rate({_P}{metric}_bucket{matching}[{_WINDOW}])))"


def _overview() -> Dashboard:
    flowing = Section(
        "Is lineage flowing?",
        (
            number("Events", "eps", _rate('events_total{outcome="indexed"}'), "Indexed each second"),
            number("Lag", "s", f"max({_P}lag_seconds)", "Of the partition that is furthest behind"),
            number(
                "Freshness",
                "s",
                _quantile(0.95, "freshness_seconds", matching='{clock="record"}'),
                "From Kafka to the index, 95 of 100 batches",
            ),
            number("Rejected", "percentunit", _rejected_share(), "Share of the records that became dead letters"),
            number("Ready", "percentunit", f"avg({_P}ready)", "Share of the processes that do their work"),
            number(
                "Last sweep", "s", f"time() - max({_P}last_sweep_timestamp_seconds > 0)", "Since alerts were derived"
            ),
        ),
    )
    complete = Section(
        "Is it complete?",
        (
            number("Runs", "percentunit", _coverage("runs"), "Completed runs with the lineage expected of them"),
            number("Columns", "percentunit", _coverage("columns"), "Columns with known parents"),
            number("Datasets", "percentunit", _coverage("datasets"), "Datasets with a known writer"),
            number(
                "Silent namespaces",
                "short",
                _or_none(f"count(max by (namespace) ({_P}namespace_silence_ratio) > 1)"),
                "Namespaces all of whose jobs are late",
            ),
            number("Datasets known", "short", f'max({_P}index_nodes{{kind="dataset"}})', "Datasets in the index"),
            number("Jobs known", "short", f'max({_P}index_nodes{{kind="job"}})', "Jobs in the index"),
        ),
    )
    firing = Section(
        "What fires?",
        (
            graph(
                "Alerts on the lineage",
                "short",
                "What the alerter tells, by kind and severity",
                Query(_or_none(f"sum by (kind, severity) ({_P}alerts_firing)"), "{{kind}} {{severity}}"),
                span=12,
            ),
            graph(
                "Alerts on the processor",
                "short",
                "What the rules in deploy/prometheus tell",
                Query(
                    _or_none('sum by (alertname, severity) (ALERTS{alertname=~"Lineage.+", alertstate="firing"})'),
                    "{{alertname}} {{severity}}",
                ),
                span=12,
            ),
            graph("Events", "eps", "By what became of them", Query(_rate("events_total", "outcome"), "{{outcome}}")),
            graph("Lag", "s", "By topic", Query(f"max by (topic) ({_P}lag_seconds)", "{{topic}}")),
            graph(
                "Versions",
                "short",
                "Processes by role and version",
                Query(
                    f"count by (role, version) ({_P}build_info * on (job, instance) group_left (role) {_P}role_info)",
                    "{{role}} {{version}}",
                ),
            ),
        ),
    )
    text = "Is lineage flowing, is it complete, what fires?"
    return board("lineage-overview", "Lineage / Overview", text, (flowing, complete, firing))


def _coverage(measure: str) -> str:
    return f'max({_P}coverage_ratio{{namespace="",measure="{measure}"}})'


def _rejected_share() -> str:
    rejected = _rate('events_total{outcome="rejected"}')
    return _or_none(f"{rejected} / ({_rate('events_total')} > 0)")


def _worker() -> Dashboard:
    stages = Section(
        "Stages",
        (
            graph(
                "Time by stage", "s", "95 of 100 batches", Query(_quantile(0.95, "stage_seconds", "stage"), "{{stage}}")
            ),
            graph(
                "Where time goes",
                "percentunit",
                "Share of a worker's time in each stage",
                Query(
                    f"{_rate('stage_seconds_sum', 'stage')} / scalar(count({_P}assigned_partitions > 0))",
                    "{{stage}}",
                ),
            ),
            graph(
                "Batch",
                "short",
                "Records in one batch",
                Query(f"{_rate('batch_records_sum')} / {_rate('batch_records_count')}", "mean"),
                Query(_quantile(0.95, "batch_records"), "95 of 100"),
            ),
        ),
    )
    lag = Section(
        "Lag",
        (
            graph(
                "Records that wait",
                "short",
                "By partition",
                Query(f"max by (topic, partition) ({_P}lag_messages)", "{{topic}}:{{partition}}"),
            ),
            graph(
                "Age of the last indexed record",
                "s",
                "While behind, by partition",
                Query(f"max by (topic, partition) ({_P}lag_seconds)", "{{topic}}:{{partition}}"),
            ),
            graph(
                "Time left in retention",
                "s",
                "Until Kafka deletes what was not read",
                Query(
                    f"max by (topic) ({_P}retention_seconds) - on (topic) max by (topic) ({_P}lag_seconds)", "{{topic}}"
                ),
            ),
        ),
    )
    redis = Section(
        "Redis",
        (
            graph(
                "Time of operations",
                "s",
                "99 of 100, by operation",
                Query(_quantile(0.99, "redis_operation_seconds", "operation"), "{{operation}}"),
            ),
            graph(
                "Memory",
                "percentunit",
                "Of maxmemory, the fullest master",
                Query(f"max({_P}redis_memory_ratio)", "used"),
            ),
            graph(
                "Errors and waits",
                "short",
                "Each second; a wait is a step that was held back for a dependency",
                Query(_or_none(_rate("redis_errors_total", "error")), "{{error}}"),
                Query(_or_none(_rate("retries_total", "dependency")), "wait for {{dependency}}"),
            ),
        ),
    )
    return board("lineage-worker", "Lineage / Worker", "What a worker does", (stages, lag, redis, _group(), _letters()))


def _group() -> Section:
    return Section(
        "Group",
        (
            graph(
                "Rebalances",
                "short",
                "Changes of the assignment, each minute",
                Query(_or_none(f"60 * {_rate('rebalances_total', 'event')}"), "{{event}}"),
            ),
            graph(
                "Partitions",
                "short",
                "Input partitions by process",
                Query(f"max by (instance) ({_P}assigned_partitions)", "{{instance}}"),
            ),
            graph(
                "Memory of processes",
                "bytes",
                "Resident, by process and role",
                Query(
                    "max by (instance, role) (process_resident_memory_bytes"
                    f" * on (job, instance) group_left (role) {_P}role_info)",
                    "{{role}} {{instance}}",
                ),
            ),
        ),
    )


def _letters() -> Section:
    return Section(
        "Dead letters and conditions",
        (
            graph(
                "Dead letters",
                "short",
                "Each second, by reason and stage",
                Query(_or_none(_rate("dead_letters_total", "reason", "stage")), "{{reason}} {{stage}}"),
            ),
            graph(
                "Conditions of readiness",
                "short",
                "The least of all processes: 0 where one lacks it",
                Query(f"min by (condition) ({_P}condition)", "{{condition}}"),
            ),
            graph(
                "Read again and lost",
                "short",
                "Records each second",
                Query(_rate("replayed_records_total"), "had before"),
                Query(_or_none(_rate("records_reread_total", "cause")), "read again: {{cause}}"),
                Query(_or_none(_rate("records_lost_total")), "lost"),
            ),
        ),
    )


def _quality() -> Dashboard:
    coverage = Section(
        "Coverage",
        tuple(
            graph(
                f"{measure.capitalize()}",
                "percentunit",
                f"Coverage of {measure} by namespace, the 50 largest",
                Query(f'max by (namespace) ({_P}coverage_ratio{{measure="{measure}"}})', "{{namespace}}"),
            )
            for measure in ("runs", "columns", "datasets")
        ),
    )
    alerts = Section(
        "Alerts",
        (
            graph("Drifts", "short", "By kind and severity", _firing("schema_drift|schema_flapping")),
            graph(
                "Missing lineage",
                "short",
                "By kind and severity",
                _firing("missing_inputs|missing_outputs|missing_column_lineage|broken_lineage|orphan_dataset"),
            ),
            graph(
                "Missing runs",
                "short",
                "By kind and severity",
                _firing("silent_job|silent_dataset|stuck_run|untracked_pipeline"),
            ),
        ),
    )
    course = Section(
        "Course",
        (
            graph(
                "Freshness",
                "s",
                "Half, and 95 of 100 batches: from Kafka, and from the event's own time",
                Query(_quantile(0.5, "freshness_seconds", "clock"), "half: {{clock}}"),
                Query(_quantile(0.95, "freshness_seconds", "clock"), "95 of 100: {{clock}}"),
            ),
            graph("Depth", "short", "Datasets passed through", Query(f"max by (stat) ({_P}lineage_depth)", "{{stat}}")),
            graph(
                "Silence",
                "short",
                "Above 1 every job of the namespace is late",
                Query(f"max by (namespace) ({_P}namespace_silence_ratio)", "{{namespace}}"),
            ),
            graph(
                "Opened and resolved",
                "short",
                "Alerts each hour",
                Query(_or_none(f"3600 * {_rate('alert_transitions_total', 'status')}"), "{{status}}"),
            ),
            graph(
                "Facets left out",
                "short",
                "Each second, for breaking their schema",
                Query(_or_none(_rate("facets_dropped_total", "facet")), "{{facet}}"),
            ),
            graph("Graph", "short", "Edges by type", Query(f"max by (type) ({_P}index_edges)", "{{type}}")),
        ),
    )
    made = board("lineage-quality", "Lineage / Quality", "How good the lineage is", (coverage, alerts, course))
    return drawn(made)


def _firing(kinds: str) -> Query:
    return Query(_or_none(f'sum by (kind, severity) ({_P}alerts_firing{{kind=~"{kinds}"}})'), "{{kind}} {{severity}}")
