"""Asking before something that cannot be taken back."""

from __future__ import annotations

import sys

import typer

from processor.cli.guard import NO, say
from processor.model.errors import UsageError


def confirmed(question: str, count: int, *, many: int, yes: bool, must: bool = False) -> bool:
    """Ask a person at a terminal about more than `many`; ends the command with exit 1 when the answer is no.

    Where nobody can be asked it is taken for agreed, unless it `must` be: then it is a `UsageError`.
    """
    if yes or count <= many:
        return True
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
        if must:
            raise UsageError("nobody is here to be asked; say --yes, or look first with --dry-run")
        return True
    if not typer.confirm(question, err=True):
        say("nothing was done")
        raise typer.Exit(NO)
    return True
