"""What each kind of input is given to, and what must hold of the answer, whatever the input."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from processor.decode import Limits, RegisteredSchema, read_schemas
from processor.decode.keys import message_key
from processor.decode.limits import MIB
from processor.decode.observe import Observe, Observed, build_observer
from processor.decode.sniff import SCHEMA_ID_HEADER, Headers
from processor.detect.policy_text import PolicyError, parse_policy
from processor.index.digest import digest
from processor.index.memory import MemoryStore
from processor.index.reduce import reduce
from processor.load import read
from processor.model.codec import UnreadableRecordError, decode_alert, decode_change, encode_alert, encode_change
from processor.model.errors import Reason, Rejected, UsageError
from processor.resources import schemas_dir
from tests.fuzz.cases import Case

LIMITS: Final = Limits(memo_bytes=2 * MIB, schema_memo_bytes=16 * MIB)
"""Five decoders stand in one process here, and memos that are full show more than ones that never are."""

MAX_DETAIL: Final = 1_000
MAX_OPS: Final = 1_000
MAX_WRITTEN: Final = 64 * 1024
_AGAIN_EACH: Final = 16
_INDEXED_EACH: Final = 2
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a file an input, and no disk need turn for it

Face = Callable[[tuple[bytes, ...]], str]


class BrokenPromiseError(AssertionError):
    """An answer that no input may bring about."""


class HostileRegistry:
    """Knows one schema under every id: the last one that came with an input."""

    def __init__(self) -> None:
        self.schema: RegisteredSchema | None = None

    def by_id(self, schema_id: int) -> RegisteredSchema | None:
        return self.schema if schema_id % 2 else None

    def by_guid(self, guid: str) -> RegisteredSchema | None:
        return self.schema if guid else None


class Faces:
    """All faces, with the decoders and the index that they share. Call it with a case; the answer is its verdict."""

    def __init__(self) -> None:
        schemas = read_schemas(schemas_dir())
        self._registry = HostileRegistry()
        self._observers: dict[str, Observe] = {
            form: build_observer(form, schemas, self._registry, LIMITS)
            for form in ("auto", "openlineage", "avro-container", "avro-single", "confluent")
        }
        self._store = MemoryStore()
        self._file = Path(mkdtemp(prefix="lineage-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None)) / "input"
        self._others: dict[str, Face] = {
            "policy": _policy,
            "load": self._load,
            "change": _change,
            "alert": _alert,
        }
        self._seen = 0

    def __call__(self, case: Case) -> str:
        """Give the case to its face. Raises `BrokenPromiseError`, or whatever else must never come out."""
        other = self._others.get(case.face)
        return other(case.parts) if other else self._observe(case)

    def finish(self) -> str:
        """Read all that was indexed, and begin with an empty index."""
        store, self._store = self._store, MemoryStore()
        return digest(store)

    def _observe(self, case: Case) -> str:
        value, schema, header = (*case.parts, b"", b"")[:3]
        self._registry.schema = RegisteredSchema((schema.decode("utf-8", "replace"),)) if schema else None
        headers: Headers = ((SCHEMA_ID_HEADER, header),) if header else ()
        observe = self._observers[case.face]
        found = observe(value, headers)
        _check(found)
        self._seen += 1
        if not found.observations and not found.rejected:
            return "silent"
        if self._seen % _AGAIN_EACH == 0 and observe(value, headers) != found:
            raise BrokenPromiseError("read twice, read differently")
        if found.observations and self._seen % _INDEXED_EACH == 0:
            self._index(found, len(value))
            message_key(value)
        return "accepted" if not found.rejected else found.rejected[0].reason.value

    def _index(self, found: Observed, size: int) -> None:
        batch = reduce([(observation, None) for observation in found.observations], self._store.buckets)
        ops = [op for part in batch.values() for _, _, group in part.parts.hashes() for op in group]
        if len(ops) > MAX_OPS + size:
            raise BrokenPromiseError(f"{len(ops)} writes out of {size} bytes")
        written = sum(len(op.field) + len(op.value) + len(op.item or b"") for op in ops)
        if written > MAX_WRITTEN + 100 * size:
            raise BrokenPromiseError(f"{written} bytes to write out of {size}")
        self._store.apply(batch)

    def _load(self, parts: tuple[bytes, ...]) -> str:
        self._file.write_bytes(parts[0])
        try:
            entries = sum(1 for _ in islice(read(str(self._file)), 100_000))
        except UsageError as error:
            return "refused" if len(str(error)) < MAX_DETAIL else f"a message of {len(str(error))}"
        if entries >= 100_000:
            raise BrokenPromiseError(f"{entries} entries out of {len(parts[0])} bytes")
        return "accepted"


def _check(found: Observed) -> None:
    for rejected in found.rejected:
        _check_rejected(rejected)
    for observation in found.observations:
        for problem in observation.problems:
            _check_text(problem.detail)
            problem.pointer.encode()


def _check_rejected(rejected: Rejected) -> None:
    if rejected.reason is Reason.INTERNAL:
        raise BrokenPromiseError(rejected.detail)
    _check_text(rejected.detail)
    rejected.pointer.encode()


def _check_text(text: str) -> None:
    """A sentence for a person: short, and nothing in it that a terminal or a log would take for a command."""
    if len(text) > MAX_DETAIL:
        raise BrokenPromiseError(f"a detail of {len(text)} characters: {text[:80]!r}")
    if not text.isprintable():
        raise BrokenPromiseError(f"a detail that is not printable: {text!r}"[:200])
    text.encode()


def _policy(parts: tuple[bytes, ...]) -> str:
    try:
        parse_policy(parts[0].decode("utf-8", "replace"))
    except PolicyError as error:
        return "refused" if error.line > 0 else "accepted"
    return "accepted"


def _change(parts: tuple[bytes, ...]) -> str:
    try:
        change = decode_change(parts[0])
    except UnreadableRecordError:
        return "refused"
    if decode_change(encode_change(change)) != change:
        raise BrokenPromiseError("a change does not survive the wire")
    return "accepted"


def _alert(parts: tuple[bytes, ...]) -> str:
    try:
        alert = decode_alert(parts[0])
    except UnreadableRecordError:
        return "refused"
    if decode_alert(encode_alert(alert)) != alert:
        raise BrokenPromiseError("an alert does not survive the wire")
    return "accepted"
