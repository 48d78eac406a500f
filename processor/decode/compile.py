"""The contract compiled: Avro records become the msgspec types that JSON is decoded into.

Rules kept here:
- the .avsc is the only place where the shape of an event is written down;
- JSON is held to it as strictly as Avro is: `int` is no `float`, `boolean` no `int`, ranges are Avro's;
- a record marked `"container"` holds facets: each of its fields is a typed facet, and the map marked
  `"rest"` holds, as JSON text, the facets that no schema describes;
- a field marked `"json"` carries any JSON: text in Avro, the value itself in JSON;
- a map marked `"rest"` in a facet carries the members that its record does not name;
- a record marked `"facet": {"name": …, "on": …}` in a file of its own describes a facet of the user's.

Every error in a schema is a `UsageError` that names the schema and the field.
"""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import GenericAlias
from typing import Annotated, Any, Literal

import msgspec
from fastavro.schema import SchemaParseException, UnknownType, parse_schema

from processor.decode.facets import AvroType, FacetSet, Json, TypeForm
from processor.model.errors import UsageError

__all__ = ["ContainerPlan", "Contract", "EventPlan", "FacetPlan", "NodePlan", "compile_contract"]

_INT = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_LONG = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_PRIMITIVES: dict[str, Any] = {
    "null": None,
    "boolean": bool,
    "int": _INT,
    "long": _LONG,
    "float": float,
    "double": float,
    "string": str,
}
_PLACES = ("run", "job", "dataset", "input", "output")
_RESERVED = frozenset({"rest", "canonical", "kept", "deleted"})
_FACETS_OF_NODE = dict[str, msgspec.Raw] | None


@dataclass(frozen=True, slots=True)
class FacetPlan:
    """How a facet is read: its record, the type it becomes, and the members that it names."""

    name: str
    schema: AvroType
    type: type[msgspec.Struct]
    decoder: msgspec.json.Decoder[Any]
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """How a set of facets is read. `view` is the type it becomes; `is_deletable`: `_deleted` applies."""

    on: str
    view: type[FacetSet]
    facets: dict[str, FacetPlan]

    @property
    def is_deletable(self) -> bool:
        """Facets of jobs and datasets can be taken back; those of runs, inputs, outputs belong to the run."""
        return self.on in {"job", "dataset"}


@dataclass(frozen=True, slots=True)
class NodePlan:
    """How a run, job or dataset is read: the type it is decoded into, and the type it becomes."""

    schema: AvroType
    decoder: msgspec.json.Decoder[Any]
    view: type[msgspec.Struct]
    plain: tuple[str, ...]
    containers: dict[str, ContainerPlan]


@dataclass(frozen=True, slots=True)
class EventPlan:
    """How an event is read. `single` and `many` are its nodes by field: one, or a list of them."""

    schema: AvroType
    decoder: msgspec.json.Decoder[Any]
    view: type[msgspec.Struct]
    plain: tuple[str, ...]
    single: dict[str, NodePlan]
    many: dict[str, NodePlan]


@dataclass(frozen=True, slots=True)
class Contract:
    """The compiled contract. `schema` is the parsed event schema, `names` every named type by full name."""

    schema: dict[str, Any]
    names: Mapping[str, AvroType]
    event: EventPlan
    containers: dict[str, ContainerPlan]


@lru_cache(maxsize=16)
def compile_contract(event: str, facets: tuple[str, ...] = ()) -> Contract:
    """Compile the text of lineage_event.avsc, and of schemas for facets of the user's own.

    The same texts give the same contract: two decoders' events compare equal.

    Raises `UsageError` for a schema that does not parse, or says something that JSON cannot say.
    """
    names: dict[str, AvroType] = {}
    schema = _parse(event, "lineage_event", names)
    own = [_parse(text, f"facet schema {number}", names) for number, text in enumerate(facets, 1)]
    types = _Types(names)
    containers = {
        record["name"]: _container(record, types, own) for record in list(names.values()) if "container" in record
    }
    _refuse_strays(own, containers.values())
    plan = _event(schema, types, containers)
    return Contract(schema, names, plan, {c.on: c for c in containers.values()})


def unwrap(schema: AvroType) -> AvroType:
    """The type X of a union of null and X; any other type as it is."""
    if not isinstance(schema, list):
        return schema
    others = [branch for branch in schema if branch != "null"]
    return others[0] if len(others) == 1 else schema


def is_nullable(schema: AvroType) -> bool:
    """Whether null is a value of this type."""
    return schema == "null" or (isinstance(schema, list) and "null" in schema)


def _parse(text: str, label: str, names: dict[str, AvroType]) -> dict[str, Any]:
    try:
        parsed = parse_schema(json.loads(text), names)
    except (ValueError, KeyError, TypeError, SchemaParseException, UnknownType) as error:
        raise UsageError(f"{label}: not an Avro schema: {error}") from error
    if not isinstance(parsed, dict) or parsed.get("type") != "record":
        raise UsageError(f"{label}: must be an Avro record")
    return parsed


class _Types:
    """Avro type → type that msgspec decodes. Records are made once; recursion goes through a name."""

    def __init__(self, names: Mapping[str, AvroType]) -> None:
        self.names = names
        self._made: dict[str, type[msgspec.Struct]] = {}
        self._open: set[str] = set()
        self._recursive: set[str] = set()
        self._all: list[type[msgspec.Struct]] = []

    def resolve(self, schema: AvroType) -> AvroType:
        """Follow a name to its definition."""
        return self.names[schema] if isinstance(schema, str) and schema in self.names else schema

    def of(self, schema: AvroType, where: str) -> TypeForm:
        """The type of an Avro type; `where` names the field in an error."""
        if isinstance(schema, list):
            return self._union(schema, where)
        found = self.resolve(schema)
        kind = found["type"] if isinstance(found, dict) else found
        if kind in _PRIMITIVES:
            return _PRIMITIVES[kind]
        make = {"record": self._record, "enum": self._enum, "array": self._array, "map": self._map}.get(kind)
        if make is None:
            raise UsageError(f"{where}: {kind!r} has no JSON form; use a string")
        return make(found, where)

    def _union(self, schema: list[AvroType], where: str) -> TypeForm:
        inner = unwrap(schema)
        if isinstance(inner, list) or not is_nullable(schema):
            raise UsageError(f"{where}: the only union that JSON can tell apart is null and one type")
        made = self.of(inner, where)
        return f"{made} | None" if isinstance(made, str) else made | None

    def _record(self, schema: dict[str, Any], _where: str) -> TypeForm:
        name: str = schema["name"]
        if name in self._made:
            return self._made[name]
        if name in self._open:
            self._recursive.add(name)
            return _reference(name)
        self._open.add(name)
        made = self._made[name] = self.struct(schema)
        self._open.discard(name)
        if name in self._recursive:
            self._close(name, made)
        return made

    def _close(self, name: str, made: type[msgspec.Struct]) -> None:
        """Give the types that refer to `name` the type itself: msgspec looks names up among a class's own."""
        for struct in self._all:
            setattr(struct, _reference(name), made)

    def struct(self, schema: dict[str, Any], *, only_named: bool = False) -> type[msgspec.Struct]:
        """The frozen type of a record. `only_named` refuses members that the record does not name."""
        name: str = schema["name"]
        made = msgspec.defstruct(
            name.rpartition(".")[2],
            [self.field(name, field) for field in schema["fields"] if not field.get("rest")],
            frozen=True,
            kw_only=True,
            omit_defaults=True,
            forbid_unknown_fields=only_named,
            rename=_rename,
            module=__name__,
        )
        self._all.append(made)
        return made

    def field(self, record: str, field: dict[str, Any]) -> tuple[Any, ...]:
        """One member of a struct as `defstruct` wants it: name, type[, default]."""
        name, where = field["name"], f"{record}.{field['name']}"
        made = _json_type(field) if field.get("json") else self.of(field["type"], where)
        if isinstance(made, str) and made in map(_reference, self._open):
            raise UsageError(f"{where}: a record cannot hold itself without end")
        if "default" not in field:
            return (_attribute(name), made)
        return (_attribute(name), made, _default(field["default"]))

    def _enum(self, schema: dict[str, Any], _where: str) -> TypeForm:
        return Literal[tuple(schema["symbols"])]

    def _array(self, schema: dict[str, Any], where: str) -> TypeForm:
        items = self.of(schema["items"], where)
        return f"tuple[{items}, ...]" if isinstance(items, str) else GenericAlias(tuple, (items, ...))

    def _map(self, schema: dict[str, Any], where: str) -> TypeForm:
        values = self.of(schema["values"], where)
        return f"dict[str, {values}]" if isinstance(values, str) else GenericAlias(dict, (str, values))


def _json_type(field: dict[str, Any]) -> TypeForm:
    inner = unwrap(field["type"])
    if isinstance(inner, dict) and inner.get("type") == "map":
        return dict[str, Any] | None if is_nullable(field["type"]) else dict[str, Any]
    return Any


def _reference(name: str) -> str:
    return "_ref_" + name.replace(".", "_")


def _attribute(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) else name


def _rename(attribute: str) -> str:
    stem = attribute.removesuffix("_")
    return stem if keyword.iskeyword(stem) else attribute


def _default(value: Json) -> Json:
    if isinstance(value, list):
        return tuple(value)
    return msgspec.field(default_factory=value.copy) if isinstance(value, dict) else value


def _container(record: dict[str, Any], types: _Types, own: list[dict[str, Any]]) -> ContainerPlan:
    on = record["container"]
    typed = {field["name"]: types.resolve(unwrap(field["type"])) for field in record["fields"] if not field.get("rest")}
    for schema in own:
        if _place(schema) == on and typed.setdefault(schema["facet"]["name"], schema) is not schema:
            raise UsageError(f"{schema['name']}: the facet {schema['facet']['name']!r} on {on!r} has a schema already")
    facets = {name: _facet(name, schema, types) for name, schema in typed.items()}
    view: Any = msgspec.defstruct(
        record["name"].rpartition(".")[2],
        [(name, Any, None) for name in facets],
        bases=(FacetSet,),
        frozen=True,
        kw_only=True,
        module=__name__,
    )
    return ContainerPlan(on, view, facets)


def _facet(name: str, schema: dict[str, Any], types: _Types) -> FacetPlan:
    made = types.struct(schema, only_named=True)
    members = frozenset(field["name"] for field in schema["fields"] if not field.get("rest"))
    return FacetPlan(name, schema, made, msgspec.json.Decoder(made), members)


def _place(schema: dict[str, Any]) -> str:
    facet = schema.get("facet")
    if not isinstance(facet, dict) or not isinstance(facet.get("name"), str) or facet.get("on") not in _PLACES:
        raise UsageError(
            f'{schema["name"]}: say which facet it describes: "facet": {{"name": …, "on": one of {", ".join(_PLACES)}}}'
        )
    name: str = facet["name"]
    if not name.isidentifier() or keyword.iskeyword(name) or name in _RESERVED:
        raise UsageError(f"{schema['name']}: {name!r} cannot be the name of a facet")
    return str(facet["on"])


def _refuse_strays(own: list[dict[str, Any]], containers: Iterable[ContainerPlan]) -> None:
    known = {plan.on for plan in containers}
    for schema in own:
        if _place(schema) not in known:
            raise UsageError(f"{schema['name']}: the event schema has no facets on {_place(schema)!r}")


def _event(schema: dict[str, Any], types: _Types, containers: dict[str, ContainerPlan]) -> EventPlan:
    single: dict[str, NodePlan] = {}
    many: dict[str, NodePlan] = {}
    plain: list[dict[str, Any]] = []
    for field in schema["fields"]:
        inner = unwrap(field["type"])
        items = inner["items"] if isinstance(inner, dict) and inner.get("type") == "array" else None
        if items is not None and _is_node(types.resolve(items), types):
            many[field["name"]] = _node(types.resolve(items), types, containers)
        elif _is_node(types.resolve(inner), types):
            single[field["name"]] = _node(types.resolve(inner), types, containers)
        else:
            plain.append(field)
    absent = msgspec.Raw(b"null")
    carried: list[Any] = [types.field(schema["name"], field) for field in plain]
    carried += [(name, msgspec.Raw, absent) for name in (*single, *many)]
    names = tuple(field["name"] for field in plain)
    shown: list[Any] = [(name, Any) for name in names] + [(name, Any, None) for name in (*single, *many)]
    decoder = msgspec.json.Decoder(_struct(schema, carried))
    return EventPlan(schema, decoder, _struct(schema, shown), names, single, many)


def _is_node(schema: AvroType, types: _Types) -> bool:
    """A node is a record that holds facets itself."""
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return False
    return any(_is_container(field, types) for field in schema["fields"])


def _is_container(field: dict[str, Any], types: _Types) -> bool:
    inner = types.resolve(unwrap(field["type"]))
    return isinstance(inner, dict) and "container" in inner


def _node(schema: dict[str, Any], types: _Types, containers: dict[str, ContainerPlan]) -> NodePlan:
    held = {
        field["name"]: containers[types.resolve(unwrap(field["type"]))["name"]]
        for field in schema["fields"]
        if _is_container(field, types)
    }
    plain = [field for field in schema["fields"] if field["name"] not in held]
    names = tuple(field["name"] for field in plain)
    carried: list[Any] = [types.field(schema["name"], field) for field in plain]
    carried += [(name, _FACETS_OF_NODE, None) for name in held]
    shown: list[Any] = [(name, Any) for name in (*names, *held)] + [("stated", bytes), ("is_lasting", bool)]
    decoder = msgspec.json.Decoder(_struct(schema, carried))
    return NodePlan(schema, decoder, _struct(schema, shown), names, held)


def _struct(schema: dict[str, Any], fields: list[Any]) -> type[msgspec.Struct]:
    return msgspec.defstruct(
        schema["name"].rpartition(".")[2], fields, frozen=True, kw_only=True, rename=_rename, module=__name__
    )
