"""JSON bytes → one typed event, held to the contract.

Steps, each of which may reject the event:
1. the envelope: types of its members, with run, job and lists of datasets still as JSON;
2. the structure: run and job, job, or dataset; never what `schemaURL` claims;
3. the time;
4. run, job and datasets, each with its facets; a dataset without a name is dropped and reported.

What an event states goes into `stated` in canonical form, so that equal statements are equal bytes whatever their
spelling and transport.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from processor.decode.compile import Contract
from processor.decode.explain import Breach
from processor.decode.facets import Typed
from processor.decode.limits import Limits
from processor.decode.node import NodeBreakError, NodeReader, ReadNode, first_breach, is_deeper
from processor.decode.rules import MAX_NAME_CHARS, is_name, is_run_id, time_us
from processor.model.errors import FacetProblem, Reason, Rejected, Stage
from processor.model.text import quoted

Kind: TypeAlias = Literal["run", "job", "dataset"]

_ABSENT = b"null"
_SINGLES: dict[Kind, tuple[str, ...]] = {"run": ("run", "job"), "job": ("job",), "dataset": ("dataset",)}
"""What an event of each kind has besides lists of datasets."""

_is_json = msgspec.json.Decoder(msgspec.Raw).decode
_items = msgspec.json.Decoder(list[msgspec.Raw] | None).decode


class TypedEvent(NamedTuple):
    """One event, typed.

    `kind` follows from the structure. `body` has the attributes that the contract names, None where
    the event has none. `bad_facets`: what was dropped of it. `event_time_us`: microseconds since 1970-01-01 UTC.
    `stated`: equal for events that state the same of the same job and datasets. `is_lasting`: it is all that the event
    tells of them; nothing of it is of one run only.
    """

    kind: Kind
    body: Typed
    bad_facets: tuple[FacetProblem, ...]
    event_time_us: int
    stated: bytes
    is_lasting: bool


class _RejectError(Exception):
    """Carries a rejection out of the depth of an event."""

    def __init__(self, reason: Reason, pointer: str, detail: str, stage: Stage = Stage.VALIDATE) -> None:
        super().__init__(detail)
        self.rejected = Rejected(reason, stage, pointer, detail)


class EventReader:
    """Reads OpenLineage events from JSON. Keeps a memo, so one reader serves one thread."""

    def __init__(self, contract: Contract, limits: Limits) -> None:
        self._plan = contract.event
        self._names = contract.names
        self._depth = limits.event_depth
        self._nodes = NodeReader(contract, limits)

    def read(self, value: bytes) -> TypedEvent | Rejected:
        """Read one event from UTF-8 JSON."""
        try:
            return self._read(value)
        except _RejectError as found:
            return found.rejected
        except RecursionError:
            return self._too_deep().rejected

    def _read(self, value: bytes) -> TypedEvent:
        envelope = self._envelope(value)
        lists = {name: self._items(value, getattr(envelope, name)) for name in self._plan.many}
        kind = _structure(envelope)
        event_time_us = time_us(envelope.eventTime)
        if event_time_us is None:
            raise _RejectError(Reason.BAD_TIME, "/eventTime", "not an RFC 3339 time that exists")
        problems: list[FacetProblem] = []
        single = {name: self._single(name, bytes(getattr(envelope, name)), problems) for name in _SINGLES[kind]}
        many = {name: self._many(name, raws, problems) for name, raws in lists.items()}
        plain = {name: getattr(envelope, name) for name in self._plan.plain}
        return TypedEvent(
            kind,
            self._plan.view(**plain, **single, **many),
            tuple(problems),
            event_time_us,
            _stated(single, many),
            all(node.is_lasting for nodes in many.values() for node in nodes or ()),
        )

    def _items(self, value: bytes, fragment: msgspec.Raw) -> list[msgspec.Raw] | None:
        try:
            found: list[msgspec.Raw] | None = _items(fragment)
        except msgspec.ValidationError as error:
            raise self._broken_envelope(value, error) from None
        return found

    def _envelope(self, value: bytes) -> Typed:
        try:
            envelope = self._plan.decoder.decode(value)
        except msgspec.ValidationError as error:
            raise self._broken_envelope(value, error) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _not_json(error) from None
        if is_deeper(value, self._depth):
            raise self._too_deep()
        return envelope

    def _broken_envelope(self, value: bytes, error: msgspec.ValidationError) -> _RejectError:
        """Why the envelope cannot be read: it is no JSON further on, or it breaks the contract."""
        try:
            _is_json(value)
        except msgspec.DecodeError as malformed:
            return _not_json(malformed)
        if is_deeper(value, self._depth):
            return self._too_deep()
        found = first_breach(value, self._plan.schema, self._names, error)
        return _RejectError(Reason.CONTRACT, found.pointer, found.detail)

    def _too_deep(self) -> _RejectError:
        return _RejectError(Reason.TOO_DEEP, "", f"nested deeper than {self._depth}", Stage.DECODE)

    def _single(self, name: str, raw: bytes, problems: list[FacetProblem]) -> Typed:
        at = f"/{name}"
        found = self._node(name, raw, at)
        broken = next(_blanks(found.value), None)
        if broken is not None:
            reason = Reason.BAD_RUN_ID if name == "run" else Reason.BAD_NAME
            raise _RejectError(reason, at + broken.pointer, broken.detail)
        problems += _placed(found.problems, at)
        return found.value

    def _many(self, name: str, raws: list[msgspec.Raw] | None, problems: list[FacetProblem]) -> tuple[Any, ...] | None:
        if raws is None:
            return None
        kept = []
        for index, raw in enumerate(raws):
            at = f"/{name}/{index}"
            found = self._node(name, bytes(raw), at)
            blank = [FacetProblem(at + where.pointer, "", where.detail) for where in _blanks(found.value)]
            problems += blank or _placed(found.problems, at)
            if not blank:
                kept.append(found.value)
        return tuple(kept)

    def _node(self, name: str, raw: bytes, at: str) -> ReadNode:
        try:
            if name == "run":
                return self._nodes.read(self._plan.single[name], raw)
            plan = self._plan.single.get(name) or self._plan.many[name]
            return self._nodes.read_known(name, plan, raw)
        except NodeBreakError as error:
            raise _RejectError(Reason.CONTRACT, at + error.breach.pointer, error.breach.detail) from None


def _not_json(error: Exception) -> _RejectError:
    is_trailing = "trailing characters" in str(error)
    return _RejectError(Reason.TRAILING_BYTES if is_trailing else Reason.NOT_JSON, "", quoted(error), Stage.DECODE)


def _structure(envelope: Typed) -> Kind:
    """What kind of event it is. Source: the `oneOf` of OpenLineage.json 2-0-2."""
    # Seen, not copied: a run may have megabytes of facets.
    has_run, has_job, has_dataset = (
        memoryview(each) != _ABSENT for each in (envelope.run, envelope.job, envelope.dataset)
    )
    if has_run and has_job:
        return "run"
    if has_job and not has_dataset:
        return "job"
    if has_dataset and not has_job:
        return "dataset"
    if has_run:
        raise _RejectError(Reason.CONTRACT, "/job", "missing: a run belongs to a job")
    detail = "both a job and a dataset" if has_job else "neither a run, a job nor a dataset"
    raise _RejectError(Reason.CONTRACT, "", f"the event has {detail}")


def _blanks(node: Typed) -> Iterator[Breach]:
    """What identifies a node and does not: a run id that is no UUID, a name that is none."""
    run_id = getattr(node, "runId", None)
    if run_id is not None and not is_run_id(run_id):
        yield Breach("/runId", "not a UUID")
    for member in ("namespace", "name"):
        if not is_name(getattr(node, member, "-")):
            yield Breach(f"/{member}", f"empty, or longer than {MAX_NAME_CHARS} characters")


def _placed(problems: tuple[FacetProblem, ...], at: str) -> list[FacetProblem]:
    return [replace(problem, pointer=at + problem.pointer) for problem in problems]


def _stated(single: dict[str, Typed], many: dict[str, tuple[Any, ...] | None]) -> bytes:
    """What is the same where the same is stated; the run states nothing of job and datasets.

    A job and a dataset of one name, with facets alike, are not the same.
    """
    parts = [name.encode() + single[name].stated for name in ("job", "dataset") if name in single]
    for name in sorted(many):
        nodes = many[name]
        parts += (b"-" if nodes is None else b"%d:" % len(nodes), *(node.stated for node in nodes or ()))
    return b"".join(parts)
