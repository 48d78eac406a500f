"""Types that a JSON document states, as Avro does: `["null", "long"]`, `{"type": "record", "fields": […]}`.

Rules kept here:
- a union with null is what it holds besides null; any other union is no type that is known here;
- a logical type is what it says, whatever carries it;
- a name of a record that was stated before is known by that name alone.
"""

from __future__ import annotations

from typing import Any

import msgspec

from processor.detect.types.lattice import Family, Type
from processor.detect.types.names import COMMON, named

_json = msgspec.json.Decoder().decode
_LOGICAL = frozenset({"date", "uuid", "time-millis", "time-micros"})
_OWN = {"int": 32, "long": 64}


def normal_form(text: str) -> Type | None:
    """The type that a JSON document states; None when it states none."""
    try:
        return _read(_json(text))
    except (msgspec.DecodeError, LookupError, TypeError, ValueError):
        return None


def _read(stated: Any) -> Type:  # noqa: ANN401  any JSON
    if isinstance(stated, str):
        return _by_name(stated)
    if isinstance(stated, list):
        (only,) = [branch for branch in stated if branch != "null"]
        return _read(only)
    if not isinstance(stated, dict):
        raise TypeError(stated)
    logical = stated.get("logicalType")
    if logical == "decimal":
        return Type(Family.DECIMAL, int(stated["precision"]), int(stated.get("scale", 0)))
    if logical in _LOGICAL or (isinstance(logical, str) and "timestamp-" in logical):
        return named(logical, (), COMMON) or Type(Family.OTHER, name=logical)
    return _nested(stated)


def _by_name(name: str) -> Type:
    if name in _OWN:
        return Type(Family.INTEGER, _OWN[name])
    return named(name, (), COMMON) or Type(Family.OTHER, name=name.casefold())


def _nested(stated: dict[str, Any]) -> Type:
    match stated["type"]:
        case "record":
            members = {str(each["name"]): _read(each["type"]) for each in stated["fields"]}
            return Type(Family.STRUCT, members=tuple(sorted(members.items())))
        case "array":
            return Type(Family.ARRAY, members=(("", _read(stated["items"])),))
        case "map":
            return Type(Family.MAP, members=(("key", Type(Family.STRING)), ("value", _read(stated["values"]))))
        case "enum":
            return Type(
                Family.ENUM, members=tuple((str(each), Type(Family.NULL)) for each in sorted(stated["symbols"]))
            )
        case "fixed":
            return Type(Family.BINARY, int(stated["size"]))
        case other:
            return _read(other)
