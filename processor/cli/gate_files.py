"""The files of a gate's question, read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from processor.judging.questions import ImpactQuestion, read_question
from processor.model.errors import UsageError
from processor.model.text import quoted

_YAML = frozenset({".yaml", ".yml"})
_MIB = 1024 * 1024
_MOST_BYTES = 512 * _MIB
_MOST_SCHEMA_BYTES = 16 * _MIB


def question_of(files: Mapping[str, Path], also: Mapping[str, Any]) -> ImpactQuestion:
    """The question about these files. Raises `UsageError` that names a file which cannot be used."""
    _check(files)
    raw = {name: msgspec.Raw(_bytes(path, _MOST_BYTES)) for name, path in files.items() if name != "schema"}
    schema = _document(files["schema"]) if "schema" in files else None
    return read_question({**raw, **also, "schema": schema})


def _check(files: Mapping[str, Path]) -> None:
    if ("manifest" in files) is ("schema" in files):
        raise UsageError("name what is proposed: either --dbt-manifest FILE or --schema FILE")
    if "manifest" not in files and files.keys() & {"catalog", "base"}:
        raise UsageError("--catalog and --base go with --dbt-manifest")


def _bytes(path: Path, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise UsageError(f"{path} has more than {most // _MIB} MiB")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _document(path: Path) -> object:
    """What a schema file holds: YAML by its name, JSON else."""
    data = _bytes(path, _MOST_SCHEMA_BYTES)
    if path.suffix.lower() == ".sql":
        raise UsageError(f"{path}: DDL is not read; state the columns as JSON or YAML, or as Avro or JSON Schema")
    try:
        return yaml.safe_load(data) if path.suffix.lower() in _YAML else json.loads(data)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise UsageError(f"{path} is neither JSON nor YAML: {quoted(error)}") from None
