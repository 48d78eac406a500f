"""The JSON Schema of the policy file, for editors: made from the types that the file is read into."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final

import msgspec

from processor.detect.policy import Policy

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_NAMED: Final = re.compile(r"(?P<names>`\w+`(?:, `\w+`)*): (?P<text>.+?)(?= `\w+`(?:, `\w+`)*: |$)")
"""`a`, `b`: what they mean. The way in which a section's docstring speaks of its knobs."""


def policy_schema() -> dict[str, Any]:
    """The schema, as a JSON document."""
    schema = msgspec.json.Decoder().decode(msgspec.json.encode(msgspec.json.schema(Policy)))
    for definition in schema["$defs"].values():
        _describe(definition)
    return {"$schema": _DIALECT, "title": "Policy of the lineage processor's alerts", **schema}


def _describe(definition: dict[str, Any]) -> None:
    """Give each knob what the section's docstring says of it."""
    text = " ".join(inspect.cleandoc(definition.get("description", "")).split())
    definition["description"] = text
    for found in _NAMED.finditer(text):
        for name in re.findall(r"\w+", found["names"]):
            if name in definition["properties"]:
                definition["properties"][name]["description"] = found["text"]
