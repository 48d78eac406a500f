"""Where settings come from, and how a wrong one is reported. Used by `settings` alone."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource
from pydantic_settings.exceptions import SettingsError

from processor.masking import masked_url
from processor.model.errors import UsageError

PREFIX: Final = "LINEAGE_"
CONFIG_VARIABLE: Final = "LINEAGE_CONFIG"
DEFAULT_FILE: Final = Path("lineage.toml")
_KAFKA: Final = "kafka"
# Kubernetes puts the address of every service of the namespace into the environment, so a service called
# "lineage-api" brings variables with our prefix that nobody set.
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP|SCTP)(_|$)")
_SERVICE_ADDRESS = re.compile(r"^(tcp|udp|sctp)://")


class EnvironmentSource(EnvSettingsSource):
    """`LINEAGE_*`. Kafka's settings are taken as text, with their underscores as dots."""

    def __call__(self) -> dict[str, Any]:
        """All values that the environment holds."""
        start = f"{PREFIX}{_KAFKA}__".lower()
        values = super().__call__()
        values.pop(_KAFKA, None)
        kafka = {
            name.lower().removeprefix(start).replace("_", "."): value
            for name, value in self.env_vars.items()
            if name.lower().startswith(start) and value
        }
        return {**values, _KAFKA: kafka} if kafka else values


class FileSource(PydanticBaseSettingsSource):
    """`lineage.toml` in the current folder, or the file that LINEAGE_CONFIG names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Not used: the file is read whole."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """All values that the file holds."""
        values = _read_file()
        kafka = values.get(_KAFKA)
        return {**values, _KAFKA: _flat(kafka)} if isinstance(kafka, dict) else values


def _read_file() -> dict[str, Any]:
    named = os.environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else DEFAULT_FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise UsageError(f"{CONFIG_VARIABLE}={named}: there is no such file") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def _flat(table: Mapping[str, Any], start: str = "") -> dict[str, str]:
    """`{bootstrap: {servers: x}}` and `{"bootstrap.servers": x}` alike become the latter."""
    flat: dict[str, str] = {}
    for name, value in table.items():
        key = f"{start}{name.replace('_', '.')}"
        flat |= _flat(value, f"{key}.") if isinstance(value, Mapping) else {key: _text(value)}
    return flat


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def environment_for_child(settings: Mapping[str, str]) -> dict[str, str]:
    """Give this process's environment with its settings replaced by these variables, and no file of settings."""
    others = {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}
    return {**others, **settings, CONFIG_VARIABLE: os.devnull}


def refuse_unknown_variables(environ: Mapping[str, str], settings: type[BaseSettings]) -> None:
    """Raise `UsageError` on a LINEAGE_ variable that is no setting, so that a misspelt one is not ignored."""
    for line in unknown_variables(environ, settings):
        raise UsageError(line)


def unknown_variables(environ: Mapping[str, str], settings: type[BaseSettings]) -> Iterator[str]:
    """A line for each LINEAGE_ variable that is no setting."""
    known = {f"{PREFIX}{name}".upper() for name in names(settings)} | {CONFIG_VARIABLE}
    for name, value in environ.items():
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known or upper.startswith(f"{PREFIX}KAFKA__"):
            continue
        if _SERVICE_LINK.search(upper) or _SERVICE_ADDRESS.match(value):
            continue
        yield f"unknown setting {name}{_meant(upper, known)}; unset it or correct its name"


def _meant(name: str, known: Iterable[str]) -> str:
    """What a misspelt variable may have meant; any setting of librdkafka stands behind two underscores."""
    start = f"{PREFIX}{_KAFKA}_".upper()
    if name.startswith(start) and len(name) > len(start):
        return f", did you mean {start}_{name.removeprefix(start)}?"
    return _nearest(name, known)


def names(model: type[BaseModel], start: str = "") -> Iterable[str]:
    """Every setting in the form of its variable, without the prefix: `redis_url`, `topics__events`."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        yield f"{start}{name}"
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from names(inner, f"{start}{name}__")


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f", did you mean {close[0]}?" if close else ""


def usage_error(error: ValueError, settings: type[BaseSettings]) -> UsageError:
    """One line for a person on the first thing that is wrong."""
    if isinstance(error, SettingsError):
        return UsageError(f"a setting cannot be read: {error}")
    if not isinstance(error, ValidationError):
        return UsageError(str(error))
    return UsageError(problem_line(error.errors()[0], settings))


def problem_line(problem: ErrorDetails, settings: type[BaseSettings]) -> str:
    """One line for a person on one thing that is wrong."""
    path = [str(part) for part in problem["loc"]]
    message = masked_url(problem["msg"].removeprefix("Value error, "))
    if not path:
        return message
    if problem["type"] == "extra_forbidden":
        known = [name.replace("__", ".") for name in names(settings)]
        return f"unknown setting {'.'.join(path)}{_nearest('.'.join(path), known)}; remove it or correct its name"
    # A variable stands for a whole list, whatever is wrong within.
    named = takewhile(lambda part: not part.isdigit(), path)
    variable = f"{PREFIX}{'__'.join(named)}".upper()
    return f"setting {'.'.join(path)} ({variable}): {message}"
