"""What the documents say is what the code does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from processor.detect.policy import Policy
from processor.detect.policy_schema import policy_schema
from processor.detect.policy_text import parse_policy
from processor.model.alert import AlertKind
from processor.model.errors import Reason

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documented_policy_is_the_default_with_nothing_left_out() -> None:
    text = (DOCS / "policy.yaml").read_text(encoding="utf-8")
    assert parse_policy(text) == Policy()
    for name in (name for section in Policy.__struct_fields__ for name in _fields(section)):
        assert f"{name}:" in text


def test_the_schema_for_editors_is_that_of_the_policy() -> None:
    written = json.loads((DOCS / "policy.schema.json").read_text(encoding="utf-8"))
    assert written == policy_schema(), "print it anew: python -m processor policy schema > docs/policy.schema.json"


def _fields(section: str) -> tuple[str, ...]:
    value = getattr(Policy(), section)
    return (section, *getattr(value, "__struct_fields__", ()))


@pytest.mark.parametrize("kind", AlertKind)
def test_every_kind_of_alert_has_its_runbook(kind: AlertKind) -> None:
    text = (DOCS / "runbooks" / f"{kind.value}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# `{kind.value}`")


def test_the_runbook_of_dead_letters_knows_every_reason() -> None:
    text = (DOCS / "runbooks" / "dead-letters.md").read_text(encoding="utf-8")
    assert [reason.value for reason in Reason if f"`{reason.value}`" not in text] == []
