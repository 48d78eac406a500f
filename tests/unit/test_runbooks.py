"""A page for every alert and no page without one; what the pages tell to type is understood."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from deploy.generate.rules import groups
from processor.cli.app import app
from processor.model.alert import AlertKind

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
PAGES = sorted(RUNBOOKS.glob("*.md"))
RULES = [rule["alert"] for group in groups() for rule in group["rules"] if "alert" in rule]
OTHERS = {"README", "dead-letters"}
COMMAND = typer.main.get_command(app)


def commands_of(page: str) -> list[str]:
    """The lines to type in its blocks of code, of those in full."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", page, re.DOTALL)
    lines = (line.removeprefix("$ ").strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line]


def understood(arguments: list[str], command: Any = COMMAND, parent: Any = None) -> None:  # noqa: ANN401  typer's own
    """Parse as the command line would, and run nothing. Raises what says why not."""
    context = command.make_context("lineage", list(arguments), parent=parent)
    left = [*getattr(context, "_protected_args", ()), *context.args]
    if hasattr(command, "resolve_command") and left:
        _, inner, rest = command.resolve_command(context, left)
        understood(rest, inner, context)


def lineage_commands() -> Iterator[tuple[str, str]]:
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        spans = [
            span for span in re.findall(r"`(lineage [a-z][^`]*)`", text) if "…" not in span and len(span.split()) > 2
        ]
        lines = [line for line in commands_of(text) if line.startswith("lineage ") and "…" not in line]
        yield from ((path.stem, " ".join(line.partition(" | ")[0].split())) for line in (*lines, *spans))


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert {path.stem for path in PAGES} == {*RULES, *AlertKind, *OTHERS}


@pytest.mark.parametrize("name", RULES)
def test_a_page_says_what_it_means_what_to_type_and_how_to_end_it(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# `{name}`\n")
    parts = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert parts == ["What it means", "First three commands", "Likely causes", "How to end it"]
    commands = commands_of(text)
    assert len(commands) == 3
    assert any(command.startswith("lineage ") for command in commands)
    assert all(shlex.split(command, comments=True) for command in commands)


@pytest.mark.parametrize(("page", "line"), list(lineage_commands()))
def test_what_a_page_tells_to_type_is_understood(page: str, line: str) -> None:
    del page
    understood(shlex.split(line, comments=True)[1:])


@pytest.mark.parametrize("line", ["bogus", "coverage --what", "alerts --kind nothing", "dead-letters"])
def test_the_check_sees_what_is_not_understood(line: str) -> None:
    with pytest.raises((Exception, SystemExit)):
        understood(line.split())
