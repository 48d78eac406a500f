"""What stands in a dashboard's JSON."""

from __future__ import annotations

from typing import Any


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels, without the rows that hold them."""
    inside = [panel for row in board["panels"] for panel in row.get("panels") or ()]
    return [panel for panel in [*board["panels"], *inside] if panel["type"] != "row"]


def expressions(board: dict[str, Any]) -> list[str]:
    """What it asks Prometheus, with Grafana's own interval as at a scrape each 15 seconds."""
    targets = [target for panel in panels(board) for target in panel["targets"]]
    return [target["expr"].replace("$__rate_interval", "1m") for target in targets if "expr" in target]
