"""The rules as a resource of the Prometheus operator, from the plain rule files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

__all__ = ["RULES", "groups", "operator_rule"]

RULES: Final = Path(__file__).parents[1] / "prometheus"
_FILES: Final = ("recording.rules.yaml", "processor.rules.yaml", "lineage.rules.yaml")
_HEAD: Final = "# Written by `make docs` from the rule files in deploy/prometheus: change those.\n"


def groups() -> list[dict[str, Any]]:
    """Every group of rules, the recording ones first."""
    return [group for name in _FILES for group in yaml.safe_load((RULES / name).read_text("utf-8"))["groups"]]


def operator_rule() -> str:
    """The PrometheusRule, as YAML."""
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "lineage-processor", "labels": {"app.kubernetes.io/name": "lineage-processor"}},
        "spec": {"groups": groups()},
    }
    return _HEAD + yaml.safe_dump(resource, sort_keys=False, width=120, allow_unicode=True)
