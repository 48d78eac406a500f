"""Structured logs on standard error: JSON where a machine reads them, lines for a person at a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from structlog.typing import Processor

from processor.masking import MASK, is_secret_name, masked_url
from processor.model.text import visible
from processor.settings import LogFormat

__all__ = ["configure"]

_TRACEBACK: Final = "exception"
_MAX_CHARS: Final = 4_096
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str, log_format: LogFormat, **bound: object) -> None:
    """Set up logging for this process; `bound` goes on every line (the role, the worker).

    Lines of other libraries' loggers take the same form.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _binder(bound),
        cut_long,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_secrets,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(log_format)],
    )
    _to_standard_error(formatter, _LEVELS[level])
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _binder(bound: dict[str, object]) -> Processor:
    """Not by context variables: threads that a library starts do not inherit them."""

    def bind(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**bound, **event}

    return bind


def cut_long(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Cut texts that are too long to be read: the name of a facet may have megabytes."""
    for name, value in event.items():
        if isinstance(value, str) and len(value) > _MAX_CHARS:
            event[name] = f"{value[:_MAX_CHARS]}…"
    return event


def mask_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the values of secrets, and passwords within URLs."""
    for name, value in event.items():
        if is_secret_name(name):
            event[name] = MASK
        elif isinstance(value, str) and "://" in value:
            event[name] = masked_url(value)
    return event


def _renderers(log_format: LogFormat) -> list[Processor]:
    for_person = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    if for_person:
        return [structlog.processors.format_exc_info, make_visible, _console()]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def make_visible(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Let nothing that a line quotes end the line or reach the terminal as a command; JSON escapes by itself.

    A traceback keeps its lines, each marked so that none can pass for a line of the log.
    """
    for name, value in event.items():
        if name == _TRACEBACK:
            event[name] = "\n".join(f"  | {visible(line)}" for line in str(value).split("\n"))
        else:
            event[name] = _shown(value)
    return event


def _shown(value: object) -> object:
    text = value if isinstance(value, str) else repr(value)
    return value if text.isprintable() else visible(text)


def _console() -> structlog.dev.ConsoleRenderer:
    """Tracebacks are plain: the fancy ones of structlog show the values of variables, secrets too."""
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _to_standard_error(formatter: logging.Formatter, level: int) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
