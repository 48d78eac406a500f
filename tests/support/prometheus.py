"""A real Prometheus on this machine, from the distribution's package, that scrapes, judges and tells Alertmanager."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from processor.local.ports import accepts, free_ports
from tests.waiting import eventually

SCALE = 60
"""So many times faster than they are written do the rules judge: `for: 5m` is five seconds, `[1h]` a minute."""

_LEAST_S = 5
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_RANGE = re.compile(r"\[(\d+)([smhdw])\]")
_OFFSET = re.compile(r"offset (\d+)([smhdw])")


def faster(groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same rules, `SCALE` times faster: windows, offsets and `for`; no threshold is another."""
    return {"groups": [{**group, "rules": [_faster(rule) for rule in group["rules"]]} for group in groups]}


def _faster(rule: Mapping[str, Any]) -> dict[str, Any]:
    expression = _RANGE.sub(lambda m: f"[{_scaled(m[1], m[2], _LEAST_S)}]", rule["expr"])
    expression = _OFFSET.sub(lambda m: f"offset {_scaled(m[1], m[2], 1)}", expression)
    held = re.fullmatch(r"(\d+)([smhdw])", str(rule.get("for", "")))
    return {**rule, "expr": expression, **({"for": _scaled(held[1], held[2], 1)} if held else {})}


def _scaled(number: str, unit: str, least_s: int) -> str:
    return f"{max(least_s, int(number) * _UNITS[unit] // SCALE)}s"


class Prometheus:
    """It looks at its targets each two seconds, and judges each second."""

    def __init__(self, folder: Path, targets: Sequence[str], alertmanager: str, rules: Mapping[str, Any]) -> None:
        self._folder = folder
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
        config = {
            "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": "lineage", "static_configs": [{"targets": list(targets)}]}],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}]},
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    @contextmanager
    def running(self) -> Iterator[None]:
        """It runs until the block ends, and is killed then."""
        command = [
            "prometheus",
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        with (self._folder / "prometheus.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                assert eventually(lambda: accepts(self.port)), self.log()
                yield
            finally:
                process.kill()
                process.wait()

    def log(self) -> str:
        """What it has said."""
        return (self._folder / "prometheus.log").read_text()

    def query(self, expression: str) -> list[Any]:
        """What an expression yields now."""
        with urlopen(f"{self.url}/api/v1/query?{urlencode({'query': expression})}", timeout=30) as answer:  # noqa: S310
            found: list[Any] = json.load(answer)["data"]["result"]
        return found
