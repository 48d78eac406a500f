"""What an observer's schema was over time, compared with sense.

Rules kept here:
- an order of columns and a type spelled in another way are no difference: a version that differs from an older one in
  nothing else is that older one again;
- types are read as the engine of the dataset spells them (`types.names`).
"""

from __future__ import annotations

from dataclasses import replace

from processor.detect.types.names import scheme_of
from processor.detect.types.parse import normal_form, retyping
from processor.model.history import RECENT_HOURS, Lane, SchemaVersion
from processor.model.tables import ColumnChange, ColumnChangeKind, Columns, diff_columns


def known_versions(lane: Lane) -> list[SchemaVersion]:
    """The versions of a lane that differ, oldest first; each with the hours of all that are the same."""
    scheme, kept = scheme_of(lane.dataset.namespace), list[SchemaVersion]()
    for version in sorted(lane.versions, key=age):
        if not version.columns:
            continue
        place = next(
            (n for n, older in enumerate(kept) if not differences(older.columns, version.columns, scheme)), None
        )
        if place is None:
            kept.append(version)
        else:
            kept[place] = _together(kept[place], version)
    return kept


def differences(before: Columns, after: Columns, scheme: str) -> tuple[ColumnChange, ...]:
    """What `after` has that `before` had not, sorted by path, without types that are the same by sense."""
    return tuple(c for c in diff_columns(before, after) if not _is_spelling(c, scheme))


def sense(change: ColumnChange, scheme: str) -> object:
    """Equal for changes that are the same, however their types are spelled."""
    forms = (None if each is None else normal_form(each, scheme) for each in (change.from_type, change.to_type))
    return change.path, change.change, *forms


def age(version: SchemaVersion) -> tuple[int, bytes]:
    """By which versions are sorted, oldest first."""
    return version.first_seen_us, version.fingerprint


def _is_spelling(change: ColumnChange, scheme: str) -> bool:
    if change.change is not ColumnChangeKind.RETYPED:
        return False
    return retyping(change.from_type or "", change.to_type or "", scheme) is None


def _together(older: SchemaVersion, newer: SchemaVersion) -> SchemaVersion:
    hours = sorted({*older.hours, *newer.hours}, reverse=True)
    return replace(older, hours=tuple(hours[:RECENT_HOURS]))
