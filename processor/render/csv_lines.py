"""Records as CSV (RFC 4180), for spreadsheets and data frames: a header, then a line for each record.

Rules kept here:
- the columns of each sort of record are fixed, so that it streams, and every file of a sort has the same; members of
  members are named `from.name`;
- what is a list or an object is its JSON; what is not there is empty; what is not printable is spelled out, so that a
  record is one line;
- a text that a spreadsheet would take for a formula has an apostrophe before it, and so has one that begins with an
  apostrophe: whoever reads it takes the first away, and has what was there.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from processor.model.text import visible
from processor.render.records import Record

__all__ = ["ALERTS", "COVERAGE", "EDGES", "NODES", "RUNS", "SCHEMAS", "SEARCHED", "csv_lines"]

_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001  some tables take the wide ones as well
"""What a formula begins with. Source: OWASP, CSV Injection; ASVS 5.0, requirement 1.2.10."""
_SEEN: Final = ("first_seen", "last_seen")
SEARCHED: Final = ("kind", "namespace", "name")
NODES: Final = (*SEARCHED, *_SEEN, "last_write", "lifecycle", "dropped", "columns", "facets")
EDGES: Final = (
    *(
        "type",
        "from.kind",
        "from.namespace",
        "from.name",
        "from.field",
        "to.kind",
        "to.namespace",
        "to.name",
        "to.field",
    ),
    *("job.namespace", "job.name", "direct", "evidence", *_SEEN),
)
SCHEMAS: Final = (
    *("dataset.namespace", "dataset.name", "observer.role", "observer.namespace", "observer.name", "current"),
    *("fingerprint", *_SEEN, "run_id", "columns", "changes"),
)
RUNS: Final = ("job.namespace", "job.name", "state", "run_id", "started", "ended", "inputs", "outputs")
ALERTS: Final = (
    *("alert_id", "kind", "severity", "status", "subject.kind", "subject.namespace", "subject.name", "subject.field"),
    *("summary", "started_at", "ends_at", "runbook_url"),
)
_SHARE: Final = ("ratio", "having", "total", "missing")
COVERAGE: Final = (
    *("namespace", *(f"{measure}.{name}" for measure in ("datasets", "runs", "columns") for name in _SHARE)),
    *("depth.average", "depth.max"),
)


def csv_lines(records: Iterable[Record], columns: Sequence[str]) -> Iterator[str]:
    """The header, then each record as it comes; every line with its end."""
    paths = [column.split(".") for column in columns]
    yield _line(columns)
    for record in records:
        yield _line([_text(_at(record, path)) for path in paths])


def _at(record: Record, path: Sequence[str]) -> Any:  # noqa: ANN401  any JSON
    found: Any = record
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _text(value: Any) -> str:  # noqa: ANN401  as above
    if value is None:
        return ""
    if isinstance(value, str):
        return _no_formula(visible(value))
    return visible(msgspec.json.encode(value).decode())


def _no_formula(text: str) -> str:
    is_taken_for_one = text.startswith("'") or text.lstrip(" ").startswith(_FORMULA)
    return f"'{text}" if is_taken_for_one else text


def _line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
