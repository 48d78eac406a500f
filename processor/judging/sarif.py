"""What a change would break, as SARIF 2.1.0: the form in which code hosts take findings."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from processor import __version__
from processor.judging.verdicts import DatasetChange, Grade, ImpactVerdict
from processor.model.identity import hash_parts
from processor.model.text import visible

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final = {Grade.BREAKING: "error", Grade.POSSIBLE: "warning", Grade.HARMLESS: "note"}
_RULES: Final = {
    Grade.BREAKING: "A change of a schema breaks who reads it downstream",
    Grade.POSSIBLE: "A change of a schema may break who reads it downstream",
    Grade.HARMLESS: "A change of a schema breaks nobody who is known",
}


def sarif(verdict: ImpactVerdict) -> dict[str, Any]:
    """One run with a result for each dataset that would change."""
    driver = {
        "name": "lineage",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(grade) for grade in Grade],
    }
    notes = [{"level": "note", "message": {"text": visible(note)}} for note in verdict.notes]
    invocation = {"executionSuccessful": True, "toolExecutionNotifications": notes}
    run = {"tool": {"driver": driver}, "invocations": [invocation], "results": list(map(_result, verdict.changes))}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(grade: Grade) -> dict[str, Any]:
    return {
        "id": f"lineage/{grade.value}",
        "shortDescription": {"text": _RULES[grade]},
        "defaultConfiguration": {"level": _LEVELS[grade]},
    }


def _result(change: DatasetChange) -> dict[str, Any]:
    subject = str(change.dataset.node)
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": visible(subject), "kind": "dataset"}]}
    if change.file:
        location["physicalLocation"] = {"artifactLocation": {"uri": _uri(change.file)}, "region": {"startLine": 1}}
    names = [f"{each.change.value} {each.path}" for each in change.changes]
    return {
        "ruleId": f"lineage/{change.grade.value}",
        "ruleIndex": list(Grade).index(change.grade),
        "level": _LEVELS[change.grade],
        "message": {"text": visible(change.summary)},
        "locations": [location],
        "partialFingerprints": {"change/v1": hash_parts(subject, *names).hex()},
    }


def _uri(path: str) -> str:
    return quote(path.replace("\\", "/"))
