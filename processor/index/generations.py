"""Generations of the index: the one that is live, the one that is being built beside it, and those that are left over.

Keys: `{prefix}:{meta}:index` names the live one (format, generation, buckets; changed in one step),
`{prefix}:{meta}:building` the one being built, and `{prefix}:{meta}:builder`, which expires, who builds it.
Whatever the server or the network does wrong is a DependencyError.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from processor.index.connect import Client, as_dependency
from processor.index.layout import FORMAT_VERSION
from processor.index.pipeline import run_all
from processor.model.errors import IndexVersionError, UsageError

BUILDER_MS = 30_000
"""Who builds says so again and again; after this long without, another may go on."""

_FIRST = 1
"""What `live` creates where there is none; never built beside it, for a worker may create it meanwhile."""
_DROP_PAGE = 500
_GENERATION = re.compile(rb"\}:g([0-9]+):")


class Generation(NamedTuple):
    """Which generation, and in how many buckets it is kept."""

    number: int
    buckets: int


class Generations:
    """All generations of the index under one prefix."""

    def __init__(self, client: Client, prefix: str = "lineage") -> None:
        self._client = client
        self._prefix = prefix
        self._live, self._building, self._builder = (
            f"{prefix}:{{meta}}:{name}" for name in ("index", "building", "builder")
        )

    def live(self, buckets: int) -> Generation:
        """The live one; where there is no index yet, a first one of so many buckets.

        Raises IndexVersionError for an index that this version does not speak, DependencyError where there is none and
        this user may not create it.
        """
        with as_dependency():
            there = self._read(self._live)
            if not _is_complete(there):  # none, or one whose maker is not done, or died on it
                there = self._create(buckets)
        if there["format"] != FORMAT_VERSION:
            raise IndexVersionError(self._other_version(there["format"]))
        return Generation(there["generation"], there["buckets"])

    def building(self) -> Generation | None:
        """The one that is being built, or was until its builder stopped; not one that has become the live one."""
        with as_dependency():
            there, live = self._read(self._building), self._read(self._live)
        if there.get("format") != FORMAT_VERSION or there == live:  # a flip that was cut short leaves it named
            return None
        return Generation(there["generation"], there["buckets"])

    def begin(self, buckets: int) -> Generation:
        """Go on with the one that is being built, else begin one after all that there are."""
        there = self.building()
        if there is not None:
            return there
        fresh = Generation(max(self._numbers() | {_FIRST}) + 1, buckets)
        with as_dependency():
            self._write(self._building, fresh)
        return fresh

    def hold(self, builder: str) -> None:
        """Say that this builder is at work. Raises UsageError while another one is."""
        with as_dependency():
            mine = self._client.set(self._builder, builder, nx=True, px=BUILDER_MS)
            holder = builder if mine else (self._client.get(self._builder) or b"").decode()
            if holder == builder:
                self._client.pexpire(self._builder, BUILDER_MS)
                return
        raise UsageError(
            f"the index is being rebuilt already, by {holder}; wait for it, or for {BUILDER_MS // 1000} s if that died"
        )

    def release(self, builder: str) -> None:
        """Let another build, if it is this one that holds."""
        with as_dependency():
            if self._client.get(self._builder) == builder.encode():
                self._client.delete(self._builder)

    def flip(self, built: Generation) -> None:
        """Make it the live one."""
        with as_dependency():
            self._write(self._live, built)
            self._client.delete(self._building)

    def abandon(self) -> None:
        """Build no further; what was built is left over."""
        with as_dependency():
            self._client.delete(self._building)

    def drop_left_over(self, tell: Callable[[int], None] = lambda _count: None) -> int:
        """Delete whatever is neither live nor being built; how many keys. `tell` hears of each page."""
        dropped = 0
        for page in self._left_over():
            with as_dependency():
                run_all(self._client, [("UNLINK", name) for name in page])
            dropped += len(page)
            tell(len(page))
        return dropped

    def _other_version(self, found: int) -> str:
        is_newer = found > FORMAT_VERSION
        todo = "upgrade this worker, or leave it to newer ones" if is_newer else "make it anew with: lineage rebuild"
        return (
            f"the index under {self._prefix!r} has format {found}, this version speaks {FORMAT_VERSION}:"
            f" {'a newer' if is_newer else 'an older'} version wrote it; {todo}"
        )

    def _left_over(self) -> list[list[bytes]]:
        kept = self._kept()
        with as_dependency():
            names = [name for name in self._names() if _number(name) not in kept]
        return [names[at : at + _DROP_PAGE] for at in range(0, len(names), _DROP_PAGE)]

    def _kept(self) -> set[int | None]:
        with as_dependency():
            named = (self._read(self._live), self._read(self._building))
        return {None, *(there["generation"] for there in named if there)}

    def _numbers(self) -> set[int]:
        with as_dependency():
            found = {_number(name) for name in self._names()}
        return {number for number in found | self._kept() if number is not None}

    def _names(self) -> list[bytes]:
        return list(self._client.scan_iter(match=f"{literally(self._prefix)}:{{*}}:g*", count=1000))

    def _create(self, buckets: int) -> dict[str, int]:
        """The first to come creates it, if it may; each field has one value, whoever sets it."""
        refused = f"there is no index under {self._prefix!r} yet, and this user may not make it: wait for an indexer"
        with as_dependency(refused):
            for field, value in _fields(Generation(_FIRST, buckets)).items():
                self._client.hsetnx(self._live, field, value)
        return self._read(self._live)

    def _read(self, name: str) -> dict[str, int]:
        return {field.decode(): int(value) for field, value in self._client.hgetall(name).items()}

    def _write(self, name: str, generation: Generation) -> None:
        self._client.hset(name, mapping=_fields(generation))


def _fields(generation: Generation) -> dict[str, int]:
    return {"format": FORMAT_VERSION, "generation": generation.number, "buckets": generation.buckets}


def _is_complete(there: dict[str, int]) -> bool:
    return there.keys() >= _fields(Generation(0, 0)).keys()


def _number(name: bytes) -> int | None:
    found = _GENERATION.search(name)
    return int(found.group(1)) if found else None


def literally(text: str) -> str:
    """Text as a pattern of KEYS and SCAN that means just it."""
    return "".join(f"\\{letter}" if letter in "*?[]^-\\" else letter for letter in text)
