"""JSON bytes → one typed event, held to the contract.

Steps, each of which may reject the event:
1. the envelope: types of its members, with run, job and lists of datasets still as JSON;
2. the structure: run and job, job, or dataset; never what `schemaURL` claims;
3. the time;
4. run, job and datasets, each with its facets; a dataset without a name is dropped and reported.

Everything read goes into the event's digest in canonical form, so that equal events have equal
digests whatever their spelling and transport.

What an event states of its job and datasets is looked up by the very bytes of the three: producers repeat
themselves, and what was read before is neither decoded, nor held to the contract, nor hashed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from processor.decode.compile import Contract
from processor.decode.explain import Breach
from processor.decode.facets import Typed
from processor.decode.limits import Limits
from processor.decode.node import NodeBreakError, NodeReader, ReadNode, canonical_json, first_breach
from processor.decode.rules import MAX_NAME_CHARS, is_name, is_run_id, time_us
from processor.model.errors import FacetProblem, Reason, Rejected, Stage
from processor.model.memo import Memo
from processor.model.text import quoted

Kind: TypeAlias = Literal["run", "job", "dataset"]

DIGEST_BYTES = 8

_ABSENT = b"null"

_is_json = msgspec.json.Decoder(msgspec.Raw).decode
_items = msgspec.json.Decoder(list[msgspec.Raw] | None).decode
_READ_FACTOR = 2
"""What is read of a statement takes about as much again as its JSON."""
_OWNS_BYTES = 1024 * 1024
"""Enough for the runs of a batch: a run is spoken of by few events, in close succession."""


class _Stated(NamedTuple):
    """What an event states of its job and datasets. `job`: None where it has none; `many`: its lists of datasets.

    `job_digest` and `digest`: what the two add to the digest of an event. `key`: the same where the same is stated.
    """

    job: Typed
    many: dict[str, tuple[Any, ...] | None]
    problems: tuple[FacetProblem, ...]
    job_digest: bytes
    digest: bytes
    key: bytes


class TypedEvent(NamedTuple):
    """One event, typed.

    `kind` follows from the structure. `body` has the attributes that the contract names, None where
    the event has none. `bad_facets`: what was dropped of it. `digest`: 8 bytes, equal for equal
    events. `event_time_us`: microseconds since 1970-01-01 UTC. `stated`: equal for events that state the same of
    the same job and datasets.
    """

    kind: Kind
    body: Typed
    bad_facets: tuple[FacetProblem, ...]
    digest: bytes
    event_time_us: int
    stated: bytes


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
        self._nodes = NodeReader(contract, limits)
        self._stated: Memo[_Stated] = Memo(limits.memo_bytes // 4 * 3)
        self._owns: Memo[ReadNode] = Memo(min(_OWNS_BYTES, limits.memo_bytes))
        self._fragments = attrgetter("job", *self._plan.many)

    def read(self, value: bytes) -> TypedEvent | Rejected:
        """Read one event from UTF-8 JSON."""
        try:
            return self._read(value)
        except _RejectError as found:
            return found.rejected
        except RecursionError:
            return Rejected(Reason.TOO_DEEP, Stage.DECODE, "", "nested too deep to be read")

    def _read(self, value: bytes) -> TypedEvent:
        envelope = self._envelope(value)
        fragments = tuple(map(bytes, self._fragments(envelope)))
        stated = self._stated.get("", fragments)
        lists = self._lists(value, fragments[1:]) if stated is None else {}
        kind = _structure(envelope, has_job=fragments[0] != _ABSENT)
        event_time_us = time_us(envelope.eventTime)
        if event_time_us is None:
            raise _RejectError(Reason.BAD_TIME, "/eventTime", "not an RFC 3339 time that exists")
        own = self._own(kind, envelope)
        if stated is None:
            stated = self._state(fragments, lists)
        plain = {name: getattr(envelope, name) for name in self._plan.plain}
        nodes = (
            {"job": stated.job, **stated.many} if own is None else {kind: own.value, "job": stated.job, **stated.many}
        )
        problems = stated.problems if own is None else (*own.problems, *stated.problems)
        digest = _digest(kind, plain, own, stated)
        return TypedEvent(kind, self._plan.view(**plain, **nodes), problems, digest, event_time_us, stated.key)

    def _own(self, kind: Kind, envelope: Typed) -> ReadNode | None:
        """What an event has besides a job and lists of datasets: its run, or its dataset."""
        if kind == "job":
            return None
        raw = bytes(getattr(envelope, kind))
        known = self._owns.get(kind, raw)
        if known is None:
            problems: list[FacetProblem] = []
            known = ReadNode(self._single(kind, raw, problems), tuple(problems))
            self._owns.put(kind, raw, known)
        return known

    def _lists(self, value: bytes, fragments: tuple[bytes, ...]) -> dict[str, list[msgspec.Raw] | None]:
        try:
            return {name: _items(raw) for name, raw in zip(self._plan.many, fragments, strict=True)}
        except msgspec.ValidationError as error:
            raise self._broken_envelope(value, error) from None

    def _state(self, fragments: tuple[bytes, ...], lists: dict[str, list[msgspec.Raw] | None]) -> _Stated:
        problems: list[FacetProblem] = []
        job = None if fragments[0] == _ABSENT else self._single("job", fragments[0], problems)
        many = {name: self._many(name, raws, problems) for name, raws in lists.items()}
        stated = _Stated(job, many, tuple(problems), *_digests(job, many))
        self._stated.put("", fragments, stated, _READ_FACTOR * sum(map(len, fragments)))
        return stated

    def _envelope(self, value: bytes) -> Typed:
        try:
            return self._plan.decoder.decode(value)
        except msgspec.ValidationError as error:
            raise self._broken_envelope(value, error) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _not_json(error) from None

    def _broken_envelope(self, value: bytes, error: msgspec.ValidationError) -> _RejectError:
        """Why the envelope cannot be read: it is no JSON further on, or it breaks the contract."""
        try:
            _is_json(value)
        except msgspec.DecodeError as malformed:
            return _not_json(malformed)
        found = first_breach(value, self._plan.schema, self._names, error)
        return _RejectError(Reason.CONTRACT, found.pointer, found.detail)

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


def _structure(envelope: Typed, *, has_job: bool) -> Kind:
    """What kind of event it is. Source: the `oneOf` of OpenLineage.json 2-0-2."""
    # Seen, not copied: a run may have megabytes of facets.
    has_run = memoryview(envelope.run) != _ABSENT
    if has_run and has_job:
        return "run"
    has_dataset = memoryview(envelope.dataset) != _ABSENT
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


def _digest(kind: Kind, plain: dict[str, Any], own: ReadNode | None, stated: _Stated) -> bytes:
    part = b"" if own is None else own.value.digest
    content = b"".join((canonical_json((kind, plain)), stated.job_digest, part, stated.digest))
    return blake2b(content, digest_size=DIGEST_BYTES).digest()


def _digests(job: Typed, many: dict[str, tuple[Any, ...] | None]) -> tuple[bytes, bytes, bytes]:
    """What job and lists add to a digest; and what is the same where they state the same."""
    parts: list[bytes] = []
    stated: list[bytes] = []
    for name in sorted(many):
        nodes = many[name]
        head = b"-" if nodes is None else b"%d:" % len(nodes)
        parts += (head, *(node.digest for node in nodes or ()))
        stated += (head, *(node.stated for node in nodes or ()))
    of_job = b"" if job is None else job.digest
    return of_job, b"".join(parts), b"".join((of_job, *stated))
