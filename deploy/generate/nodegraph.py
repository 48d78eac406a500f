"""The panel that draws lineage, from the API's own endpoints: see docs/api.md."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard, nodegraph
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

__all__ = ["drawn"]

_PLUGIN: Final = "hamedkarbasi93-nodegraphapi-datasource"
_SOURCE: Final = "graph"


class _Question(variants.Dataquery):
    """A query of that data source: the query string of a request for data."""

    def to_json(self) -> dict[str, object]:
        text = "node=${node:percentencode}&direction=${direction}&depth=${depth}"
        return {"refId": "A", "queryText": text}


class _Asked(Builder[variants.Dataquery]):
    def build(self) -> variants.Dataquery:
        return _Question()


def drawn(board: dashboard.Dashboard) -> dashboard.Dashboard:
    """Add what is up and down of one node to a dashboard."""
    board.with_variable(dashboard.DatasourceVariable(_SOURCE).label("Graph").type(_PLUGIN))
    board.with_variable(dashboard.TextBoxVariable("node").label("Node").default_value(""))
    board.with_variable(dashboard.CustomVariable("direction").label("Direction").values("both,up,down"))
    board.with_variable(dashboard.CustomVariable("depth").label("Depth").values("2,1,3,5,10"))
    panel = nodegraph.Panel().title("Lineage of ${node}").span(24).height(16)
    panel.description("What is up and down of the dataset, job or column that is named above")
    panel.nodes(nodegraph.NodeOptions())
    panel.datasource(DataSourceRef(type_val=_PLUGIN, uid=f"${{{_SOURCE}}}")).with_target(_Asked())
    return board.with_row(dashboard.Row("Graph")).with_panel(panel)
