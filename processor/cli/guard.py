"""The one place where what goes wrong becomes an exit code and one line.

0 fine · 1 a check said no, or there is no such thing · 2 usage or configuration · 3 a dependency is unreachable ·
130 Ctrl-C · 141 nobody reads the output any more.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer
from typer.core import TyperGroup

from processor.model.errors import DependencyError, UsageError
from processor.model.text import visible

__all__ = ["NO", "UNREACHABLE", "Guarded", "NotFoundError", "lost_output", "say"]

NO: Final = 1
_USAGE: Final = 2
UNREACHABLE: Final = 3
_INTERRUPTED: Final = 130
_BROKEN_PIPE: Final = 141
_DOCTORED: Final = frozenset({"Kafka", "Redis"})
_NO_OUTPUT: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class NotFoundError(UsageError):
    """There is no such thing; asking was not wrong, so the exit code is 1."""


class Guarded(TyperGroup):
    """The command with all its subcommands."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  typer brings its own click, or the common one, by version
        """Run a subcommand."""
        _hush_librdkafka()
        with _guarded():
            return super().invoke(ctx)


def say(message: str) -> None:
    """One line to standard error, for people; what it quotes of others does nothing to their terminal."""
    typer.echo("\n".join(visible(line) for line in f"lineage: {message}".split("\n")), err=True)


def _hush_librdkafka() -> None:
    """Its complaints go to the processor's own log where there is one, else nowhere: a command says it in one line."""
    logging.getLogger("librdkafka").addHandler(logging.NullHandler())


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        with _flushed():
            yield
    except NotFoundError as error:
        _end(str(error), NO)
    except UsageError as error:
        _end(str(error), _USAGE)
    except DependencyError as error:
        _end(_advised(error), UNREACHABLE)
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    except BrokenPipeError:
        _drop_output()
        raise typer.Exit(_BROKEN_PIPE) from None
    except OSError as error:
        raise typer.Exit(lost_output(error)) from None


def lost_output(error: OSError) -> int:
    """Say in one line that standard output takes no more, and give the exit code; any other error is raised again."""
    if error.errno not in _NO_OUTPUT or error.filename is not None:
        raise error
    _drop_output()
    say(f"cannot write to standard output: {error.strerror}")
    return NO


@contextmanager
def _flushed() -> Iterator[None]:
    try:
        yield
    finally:
        # None where the caller closed it.
        if sys.stdout is not None:
            sys.stdout.flush()


def _drop_output() -> None:
    """Whatever is still buffered has nowhere to go; without this, Python complains about it at its end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _advised(error: DependencyError) -> str:
    """With what to do about a server that the doctor looks at; about anything else its own words have to do."""
    if error.dependency not in _DOCTORED:
        return str(error)
    return f"{str(error).removesuffix('.')}; what is wrong with it, and what to do: lineage doctor"


def _end(message: str, code: int) -> None:
    say(message)
    raise typer.Exit(code) from None
