"""Write all of it: `python -m deploy.generate`."""

from __future__ import annotations

from pathlib import Path

from deploy.generate.dashboards import GRAFANA, dashboards
from deploy.generate.rules import RULES, operator_rule
from processor.telemetry.page import page


def _files() -> dict[Path, str]:
    root = Path(__file__).parents[2]
    return {
        root / "docs" / "metrics.md": page(),
        RULES / "operator" / "prometheus-rule.yaml": operator_rule(),
        **{GRAFANA / "dashboards" / name: text for name, text in dashboards().items()},
    }


for path, text in _files().items():
    path.write_text(text, encoding="utf-8")
