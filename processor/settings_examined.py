"""All that is wrong with the settings at once, and what is left of them: for who has to mend it, not for who works."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings.exceptions import SettingsError

from processor.model.errors import UsageError
from processor.settings import OWN_KAFKA_KEYS, Settings
from processor.settings_sources import (
    PREFIX,
    EnvironmentSource,
    FileSource,
    problem_line,
    unknown_variables,
    usage_error,
)

__all__ = ["examine"]


def examine() -> tuple[Settings | None, list[str]]:
    """Read all settings, leave out each that is wrong, and tell all of those, a line each.

    The settings are None where they contradict each other, so that nobody knows which of them to leave out.
    """
    problems = list(unknown_variables(os.environ, Settings))
    values = _merged(*(_read(source(Settings), problems) for source in (FileSource, EnvironmentSource)))
    while True:
        try:
            return _validated(values), problems
        except ValidationError as error:
            found = error.errors()
            problems += (problem_line(each, Settings) for each in found if not _is_named(each))
            if not _leave_out(values, found):
                return None, problems


def _is_named(problem: ErrorDetails) -> bool:
    """Whether it is an unknown variable, which is named as such already."""
    variable = f"{PREFIX}{'__'.join(map(str, problem['loc']))}".upper()
    return problem["type"] == "extra_forbidden" and variable in map(str.upper, os.environ)


def _read(source: Callable[[], dict[str, Any]], problems: list[str]) -> dict[str, Any]:
    try:
        return source()
    except (UsageError, SettingsError) as error:
        problems.append(str(usage_error(error, Settings) if isinstance(error, SettingsError) else error))
        return {}


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {name for name in base.keys() & over.keys() if isinstance(base[name], dict) and isinstance(over[name], dict)}
    return {**base, **over, **{name: _merged(base[name], over[name]) for name in both}}


def _validated(values: dict[str, Any]) -> Settings:
    """Make settings of just these values: the constructor would read the environment again."""
    settings = Settings.__new__(Settings)
    BaseModel.__init__(settings, **values)
    return settings


def _leave_out(values: dict[str, Any], problems: Iterable[ErrorDetails]) -> bool:
    """Whether everything that is wrong has a place, and is now gone from it."""
    gone = [_is_left_out(values, problem["loc"]) for problem in problems]
    return all(gone)


def _is_left_out(values: dict[str, Any], place: tuple[int | str, ...]) -> bool:
    if place == ("kafka",):  # the rest of it may be right
        values["kafka"] = {key: value for key, value in values["kafka"].items() if key not in OWN_KAFKA_KEYS}
        return True
    inner: Any = values
    for part in place[:-1]:
        if not isinstance(inner.get(part), dict):
            place = (part,)
            break
        inner = inner[part]
    return bool(place) and inner.pop(place[-1], None) is not None
