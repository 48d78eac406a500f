"""JSON of one run, job or dataset → its typed form, its facets held to their records.

Rules kept here:
- a facet that is null is absent;
- a facet that breaks its record, or nests too deep, is dropped and reported, the rest stays;
- a facet that no schema describes is carried;
- `{"_deleted": true}` takes a facet of a job or dataset back, whatever else it lacks;
- a fragment seen before is not decoded again;
- what a run tells of itself beside its input or output (statistics, say) is another each time: a node is known by what
  it states without it, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from processor.decode.compile import ContainerPlan, Contract, FacetPlan, NodePlan
from processor.decode.explain import Breach, breaches, point
from processor.decode.facets import AvroType, FacetSet, Typed
from processor.decode.limits import Limits
from processor.model.errors import FacetProblem
from processor.model.memo import Memo
from processor.model.observation import CHECKS
from processor.model.text import quoted

DIGEST_BYTES = 16

canonical_json = msgspec.json.Encoder(order="sorted").encode
"""One spelling for equal values: members sorted, no spaces, members at their default left out."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_value = msgspec.json.Decoder().decode
_LASTING = {"run": frozenset[str](), "input": frozenset({CHECKS}), "output": frozenset[str]()}
"""By what they are on, of the facets that belong to a run: those that say something of a job or a dataset."""

_ALIKE = bytes.maketrans(b"[]", b"{}")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class ReadNode(NamedTuple):
    """A run, job or dataset. `value` has the members that the contract names, and two of our own.

    `stated` is a digest (16 bytes), equal for nodes that differ only in facets that nobody reads: see `_LASTING`.
    `is_lasting`: the node has none of these.

    Pointers of `problems` are relative to the node.
    """

    value: Typed
    problems: tuple[FacetProblem, ...]


class ReadFacet(NamedTuple):
    """`typed` is None where no schema describes the facet, `canonical` where the facet is taken back."""

    typed: Typed
    canonical: bytes | None


class NodeBreakError(Exception):
    """A node breaks the contract outside of its facets: the event cannot be read."""

    def __init__(self, breach: Breach) -> None:
        super().__init__(breach.detail)
        self.breach = breach


class NodeReader:
    """Reads runs, jobs and datasets. Keeps a memo, so one reader serves one thread."""

    def __init__(self, contract: Contract, limits: Limits) -> None:
        self._names = contract.names
        self._depth = limits.depth
        self._nodes: Memo[ReadNode] = Memo(limits.memo_bytes // 8)
        self._facets: Memo[ReadFacet] = Memo(limits.memo_bytes // 8)
        self._empty = {plan.on: plan.view() for plan in contract.containers.values()}

    def read_known(self, kind: str, plan: NodePlan, raw: bytes) -> ReadNode:
        """As `read`, for nodes that come again and again: jobs and datasets, `kind` tells them apart."""
        found = self._nodes.get(kind, raw)
        if found is None:
            found = self.read(plan, raw)
            self._nodes.put(kind, raw, found)
        return found

    def read(self, plan: NodePlan, raw: bytes) -> ReadNode:
        """Read one node. Raises `NodeBreakError` where it breaks the contract outside of its facets."""
        try:
            carried = plan.decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise NodeBreakError(first_breach(raw, plan.schema, self._names, error)) from None
        problems: list[FacetProblem] = []
        plain = {name: getattr(carried, name) for name in plan.plain}
        sets = {
            name: self._facet_set(container, getattr(carried, name), f"/{name}", problems)
            for name, container in plan.containers.items()
        }
        lasting = {name: _lasting(plan.containers[name], found) for name, found in sets.items()}
        is_lasting = all(len(lasting[name]) == len(found.canonical) for name, found in sets.items())
        stated = blake2b(canonical_json((plain, lasting)), digest_size=DIGEST_BYTES).digest()
        return ReadNode(plan.view(**plain, **sets, stated=stated, is_lasting=is_lasting), tuple(problems))

    def _facet_set(
        self, plan: ContainerPlan, raws: dict[str, msgspec.Raw] | None, at: str, problems: list[FacetProblem]
    ) -> FacetSet:
        if not raws:
            return self._empty[plan.on]
        typed, rest, canonical = dict[str, Typed](), dict[str, bytes](), dict[str, bytes | None]()
        for name, raw in _present(raws):
            found = self._facet(plan, name, raw)
            if isinstance(found, Breach):
                problems.append(FacetProblem(point(at, name) + found.pointer, name, found.detail))
                continue
            canonical[name] = found.canonical
            if name in plan.facets:
                typed[name] = found.typed
            elif found.canonical is not None:
                rest[name] = found.canonical
        return plan.view(**typed, rest=rest, canonical=canonical)

    def _facet(self, plan: ContainerPlan, name: str, raw: bytes) -> ReadFacet | Breach:
        kind = f"{plan.on}/{name}"
        found = self._facets.get(kind, raw)
        if found is not None:
            return found
        fresh = self._fresh_facet(plan, name, raw)
        if isinstance(fresh, ReadFacet):
            self._facets.put(kind, raw, fresh)
        return fresh

    def _fresh_facet(self, plan: ContainerPlan, name: str, raw: bytes) -> ReadFacet | Breach:
        if is_deeper(raw, self._depth):
            return Breach("", f"nested deeper than {self._depth}")
        typed = plan.facets.get(name)
        if typed is not None:
            return self._typed_facet(typed, raw, is_deletable=plan.is_deletable)
        try:
            value = _value(raw)
        except msgspec.DecodeError as error:
            return Breach("", quoted(error))
        is_deleted = plan.is_deletable and isinstance(value, dict) and value.get("_deleted") is True
        return ReadFacet(None, None if is_deleted else canonical_json(value))

    def _typed_facet(self, plan: FacetPlan, raw: bytes, *, is_deletable: bool) -> ReadFacet | Breach:
        try:
            facet = plan.decoder.decode(raw)
            canonical = canonical_json(facet)
        except msgspec.ValidationError:
            odd = self._odd_facet(plan, raw)
            if isinstance(odd, Breach):
                return odd
            facet, canonical = odd
        if is_deletable and getattr(facet, "_deleted", None) is True:
            return ReadFacet(None, None)
        return ReadFacet(facet, canonical)

    def _odd_facet(self, plan: FacetPlan, raw: bytes) -> tuple[Typed, bytes] | Breach:
        """A facet with members that its record does not name, or one that breaks its record."""
        try:
            members = _members(raw)
            named = {name: value for name, value in members.items() if name in plan.members}
            facet = plan.decoder.decode(canonical_json(named))
            extra = {name: _value(raw_value) for name, raw_value in _present(members) if name not in named}
        except msgspec.ValidationError as error:
            return first_breach(raw, plan.schema, self._names, error)
        return facet, canonical_json({**extra, **_members(canonical_json(facet))})


def first_breach(raw: bytes, schema: AvroType, names: Mapping[str, AvroType], error: msgspec.ValidationError) -> Breach:
    """Where JSON that failed with `error` breaks its record."""
    try:
        value = _value(raw)
    except msgspec.DecodeError as unreadable:
        return Breach("", quoted(unreadable))
    return next(breaches(value, schema, names), Breach("", quoted(error)))


def is_deeper(raw: bytes, most: int) -> bool:
    """Whether the JSON nests deeper than that."""
    brackets = raw.count(b"{") + (raw.count(b"[") if b"[" in raw else 0)  # to look is sooner than to count
    return brackets > most and _is_deeper(raw, most)


def _is_deeper(raw: bytes, most: int) -> bool:
    """Take away the innermost brackets, level by level: each pass is one call, where a loop would meet each bracket."""
    text = raw.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in raw else raw
    brackets = b"".join(text.split(b'"')[::2]).translate(_ALIKE, _NO_BRACKETS)
    for _ in range(most):
        if not brackets:
            break
        brackets = brackets.replace(b"{}", b"")
    return bool(brackets)


def _present(raws: dict[str, msgspec.Raw]) -> Iterable[tuple[str, bytes]]:
    for name, wrapped in raws.items():
        raw = bytes(wrapped)
        if raw != b"null":
            yield name, raw


def _lasting(plan: ContainerPlan, found: FacetSet) -> dict[str, msgspec.Raw | None]:
    """Its facets that are not of one run only."""
    kept = _LASTING.get(plan.on, found.canonical)
    return {name: _as_raw(json) for name, json in found.canonical.items() if name in kept}


def _as_raw(json: bytes | None) -> msgspec.Raw | None:
    return None if json is None else msgspec.Raw(json)
