"""What the documents say is what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from processor.detect.policy import Policy, parse_policy
from processor.model.alert import AlertKind

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documented_policy_is_the_default_with_nothing_left_out() -> None:
    text = (DOCS / "policy.yaml").read_text(encoding="utf-8")
    assert parse_policy(text) == Policy()
    for name in (name for section in Policy.__struct_fields__ for name in _fields(section)):
        assert f"{name}:" in text


def _fields(section: str) -> tuple[str, ...]:
    value = getattr(Policy(), section)
    return (section, *getattr(value, "__struct_fields__", ()))


@pytest.mark.parametrize("kind", AlertKind)
def test_every_kind_of_alert_has_its_runbook(kind: AlertKind) -> None:
    text = (DOCS / "runbooks" / f"{kind.value}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# `{kind.value}`")
