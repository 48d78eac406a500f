"""Panels of the dashboards: one look for all of them, and each query against the data source of the dashboard."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DashboardLinkType, DataSourceRef, Panel

__all__ = ["Query", "Section", "board", "graph", "number"]

_SOURCE: Final = "datasource"
_REF: Final = DataSourceRef(type_val="prometheus", uid=f"${{{_SOURCE}}}")
_WIDTH: Final = 24


class Query(NamedTuple):
    """An expression, and how its series are called."""

    expression: str
    legend: str = ""


class Section(NamedTuple):
    """A row with its panels, in order."""

    title: str
    panels: tuple[Builder[Panel], ...]


def number(title: str, unit: str, expression: str, text: str, span: int = 4) -> Builder[Panel]:
    """One value as of now, with its course behind it."""
    panel = stat.Panel().title(title).description(text).unit(unit).datasource(_REF).span(span).height(4)
    return panel.graph_mode(BigValueGraphMode.AREA).with_target(_target(Query(expression), 0))


def graph(title: str, unit: str, text: str, *queries: Query, span: int = 8) -> Builder[Panel]:
    """Lines over time."""
    panel = timeseries.Panel().title(title).description(text).unit(unit).datasource(_REF).span(span).height(8).min(0)
    panel.fill_opacity(10).tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel.legend(legend.show_legend(show_legend=True))
    for position, query in enumerate(queries):
        panel.with_target(_target(query, position))
    return panel


def board(uid: str, title: str, text: str, sections: Iterable[Section]) -> dashboard.Dashboard:
    """A dashboard with a variable for its data source, and links to the others."""
    made = dashboard.Dashboard(title).uid(uid).description(text).tags(["lineage"]).editable()
    made.refresh("30s").time("now-6h", "now").timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR)
    made.with_variable(dashboard.DatasourceVariable(_SOURCE).label("Data source").type("prometheus"))
    made.link(
        dashboard.DashboardLink("Lineage")
        .type(DashboardLinkType.DASHBOARDS)
        .tags(["lineage"])
        .keep_time(keep_time=True)
    )
    for section in sections:
        made.with_row(dashboard.Row(section.title))
        for panel in section.panels:
            made.with_panel(panel)
    return made


def _target(query: Query, position: int) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expression).ref_id(chr(ord("A") + position))
    return target.legend_format(query.legend or "__auto")
