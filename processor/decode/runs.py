"""What an event says of its run, beside the state: read once for the few events that speak of a run.

`RunReader` reads a run in one go. It knows fewer ways than `node.NodeReader`, which reads facet by facet: whatever it
does not know it leaves to that, and says nothing.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from processor.decode.compile import Contract
from processor.decode.facets import Typed
from processor.decode.limits import Limits
from processor.decode.names import run_problems
from processor.decode.node import is_deeper
from processor.decode.rules import is_run_id, time_us
from processor.model.errors import FacetProblem
from processor.model.identity import Node, job
from processor.model.memo import Memo

_ERROR_CHARS = 2_000
_RUNS_BYTES = 2 * 1024 * 1024
_KEPT_BYTES = 1_024
"""What is kept of a run takes so much, about, beside its JSON and its error."""
_MOST_FACETS = 64
"""A producer whose facets have ever other names is read facet by facet."""
_EVENT_DIGEST_BYTES = 8
_pack = msgspec.msgpack.Encoder().encode


class RunSaid(NamedTuple):
    """What an event says of its run. `packed`: all of it, equal where the same is said."""

    run_id: str
    parent: tuple[Node, str] | None
    nominal_us: tuple[int, int | None] | None
    error: str | None
    packed: bytes


def run_said(run_id: str, facets: Typed, problems: list[FacetProblem]) -> RunSaid:
    """What a run with these facets says; adds what is wrong with them to `problems`."""
    found = run_problems(facets, "/run/facets")
    problems += found
    run_id = run_id.lower()
    parent = None if found else _parent(facets.parent)
    nominal_us = _nominal(facets.nominalTime)
    error = facets.errorMessage.message[:_ERROR_CHARS] if facets.errorMessage else None
    return RunSaid(run_id, parent, nominal_us, error, _pack((run_id, parent, nominal_us, error)))


def _parent(facet: Typed) -> tuple[Node, str] | None:
    return (job(facet.job.namespace, facet.job.name), facet.run.runId.lower()) if facet else None


def _nominal(facet: Typed) -> tuple[int, int | None] | None:
    start = time_us(facet.nominalStartTime) if facet and facet.nominalStartTime else None
    if start is None:
        return None
    return start, time_us(facet.nominalEndTime) if facet.nominalEndTime else None


def event_digest(stated: blake2b, said: RunSaid | None, time_us: int, state: str | None, producer: str) -> bytes:
    """8 bytes, equal for events that say the same at the same time. `stated`: begun with what they state."""
    digest = stated.copy()
    digest.update(_pack((time_us, state, producer)))
    if said is not None:
        digest.update(said.packed)
    return digest.digest()


def begin_digest(stated: bytes) -> blake2b:
    """The beginning of the digests of all events that state this: see `event_digest`."""
    return blake2b(stated, digest_size=_EVENT_DIGEST_BYTES)


class RunReader:
    """Reads runs whose facets are as they should be. Keeps a memo, so one reader serves one thread."""

    def __init__(self, contract: Contract, limits: Limits) -> None:
        self._plan = contract.event.single["run"]
        self._depth = limits.depth
        self._known: Memo[RunSaid] = Memo(min(_RUNS_BYTES, limits.memo_bytes // 8))
        self._carried: tuple[str, ...] = ()
        self._compile()

    def read(self, raw: bytes) -> RunSaid | None:
        """What a run says; None where it is to be read facet by facet."""
        said = self._known.get("", raw)
        if said is None:
            said = self._read(raw)
            if said is not None:
                self._known.put("", raw, said, len(raw) + len(said.error or "") + _KEPT_BYTES)
        return said

    def learn(self, facets: Typed) -> None:
        """Know the names of these facets that no schema describes, too."""
        names = [name for name in facets.rest if name not in self._carried and _is_plain(name)]
        if names and len(self._carried) + len(names) <= _MOST_FACETS:
            self._carried = (*self._carried, *names)
            self._compile()

    def _read(self, raw: bytes) -> RunSaid | None:
        if is_deeper(raw, self._depth):
            return None
        try:
            run = self._decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        if not is_run_id(run.runId):
            return None
        problems: list[FacetProblem] = []
        said = run_said(run.runId, run.facets or self._none, problems)
        return None if problems else said

    def _compile(self) -> None:
        """The type of a run whose facets have these names: typed where a schema describes them, else of any kind."""
        (on,) = self._plan.containers
        typed = [(name, plan.type | None, None) for name, plan in self._plan.containers[on].facets.items()]
        carried = {f"carried_{number}": name for number, name in enumerate(self._carried)}
        facets = _struct("Facets", [*typed, *((name, Any, None) for name in carried)], carried)
        members = [(name, str) for name in self._plan.plain]
        self._decode = msgspec.json.Decoder(
            _struct("Run", [*members, (on, facets | None, None)], {}, strict=False)
        ).decode
        self._none = facets()


def _struct(name: str, fields: list[Any], rename: dict[str, str], *, strict: bool = True) -> Any:  # noqa: ANN401 - a type
    return msgspec.defstruct(
        name, fields, frozen=True, kw_only=True, forbid_unknown_fields=strict, rename=rename, module=__name__
    )


def _is_plain(name: str) -> bool:
    """Whether JSON spells it as it is: what a struct's member must be."""
    return name.isascii() and name.isprintable() and '"' not in name and "\\" not in name
