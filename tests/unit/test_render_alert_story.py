"""What a person is shown of one alert."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from processor.model.alert import Alert, AlertKind, ColumnDrift, Finding, Severity, Status
from processor.model.identity import dataset
from processor.model.tables import ColumnChangeKind
from processor.render.alert_story import alert_story


def test_a_name_without_end_does_not_make_every_line_as_long() -> None:
    changes = tuple(
        ColumnDrift(name, ColumnChangeKind.REMOVED, "struct<" + "a" * 9_000, None) for name in ("id", "x" * 5_000)
    )
    finding = Finding(
        "5f0c", AlertKind.SCHEMA_DRIFT, Severity.WARNING, dataset("shop", "orders"), "Gone.", 0, changes=changes
    )
    console = Console(width=100_000, file=StringIO(), record=True)
    console.print(alert_story(Alert(finding, Status.FIRING, 0, None, "docs/runbooks/schema_drift.md")))
    assert max(map(len, (line.rstrip() for line in console.export_text().splitlines()))) < 400
