"""What the documents say is what the code does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from processor.cli.app import app
from processor.detect.policy import Policy
from processor.detect.policy_schema import policy_schema
from processor.detect.policy_text import parse_policy
from processor.model.alert import AlertKind
from processor.model.errors import Reason

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("deploy/*/README.md"), ROOT / "schemas" / "README.md")


def _commands(command: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401  typer's click, or another's
    """Each command with the end of its help text."""
    yield path, command.epilog or ""
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{path} {name}")


def test_every_help_has_examples() -> None:
    helps = dict(_commands(typer.main.get_command(app), "lineage"))
    assert len(helps) > 30
    assert [path for path, end in helps.items() if "Examples" not in end] == []


def test_every_example_is_of_a_command_that_is_there() -> None:
    helps = dict(_commands(typer.main.get_command(app), "lineage"))
    named = {match for end in helps.values() for match in re.findall(r"\blineage(?: [a-z-]+)+", end)}
    assert [one for one in named if " ".join(one.split()[:2]) not in helps] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in link]
    named = [name.rstrip(".") for name in re.findall(r"`((?:docs|deploy|schemas|tests)/[\w./-]+)`", text)]
    assert [link for link in links if not (page.parent / link).exists()] == []
    assert [name for name in named if not (ROOT / name).exists()] == []


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
