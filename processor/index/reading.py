"""Many whole hashes in few replies: a script packs them where they are, for a reply a key costs more than its hash.

Rules kept here:
- on one server a script reads so many keys, on a cluster those of one bucket: a script's keys are to be of one slot;
- their names are one argument, the first of them the script's key: a client and a server that go over each of thousands
  cost more than the hashes;
- the script only reads, and is called as such (EVALSHA_RO), so that who may only read may call it; where the server
  does not know that (before Redis 7), or the user may not, each hash is asked for by itself, from then on;
- a server that has let go of the script as soon as it had it, for it fails over or is flushed, is asked for each hash
  this once.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any, Final, cast

import msgpack  # type: ignore[import-untyped]  # it ships no types
from redis import RedisCluster
from redis.exceptions import NoPermissionError, NoScriptError, ResponseError

from processor.index.connect import Client, as_dependency
from processor.index.pipeline import run, run_all

__all__ = ["Hashes"]

Hash = dict[bytes, bytes]

_SCRIPT: Final = resources.files("processor.index").joinpath("scripts/fetch.lua").read_text("utf-8")
_NOTHING: Final[Hash] = {}
_FEW: Final = 3
_IN_SCRIPT: Final = 512
_COMMANDS: Final = 512
_UNKNOWN: Final = "unknown command"
_SEPARATOR: Final = "\n"
"""No name of a key has one: its prefix may not, and what follows is hexadecimal."""


class Hashes:
    """Reads hashes over a client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._sha: str | None = None
        self._is_refused = False

    def fetch(self, names: Sequence[str], buckets: Sequence[int]) -> list[Hash]:
        """Whole hashes, in the order of their keys' names, each of so-and-so bucket. Raises DependencyError."""
        if len(names) > _FEW and not self._is_refused:
            packed = self._packed(names, buckets)
            if packed is not None:
                return packed
        return self._each(names)

    def _each(self, names: Sequence[str]) -> list[Hash]:
        found: list[Hash] = []
        for start in range(0, len(names), _COMMANDS):
            with as_dependency():
                found += run_all(self._client, [("HGETALL", name) for name in names[start : start + _COMMANDS]])
        return found

    def _packed(self, names: Sequence[str], buckets: Sequence[int]) -> list[Hash] | None:
        """By scripts, in one round trip; None where that cannot be."""
        parts = self._parts(buckets)
        with as_dependency():
            replies = self._evaluate([[names[at] for at in part] for part in parts])
        if replies is None:
            return None
        found: list[Hash] = [_NOTHING] * len(names)
        for part, reply in zip(parts, replies, strict=True):
            for at, flat in zip(part, msgpack.unpackb(reply, raw=True), strict=True):
                found[at] = dict(zip(flat[::2], flat[1::2], strict=True))
        return found

    def _parts(self, buckets: Sequence[int]) -> list[Sequence[int]]:
        """The places of those that one script reads."""
        together: dict[int, list[int]] = {}
        if isinstance(self._client, RedisCluster):
            for at, bucket in enumerate(buckets):
                together.setdefault(bucket, []).append(at)
        places = together.values() or [range(len(buckets))]
        return [part[start : start + _IN_SCRIPT] for part in places for start in range(0, len(part), _IN_SCRIPT)]

    def _evaluate(self, calls: Sequence[Sequence[str]]) -> list[bytes] | None:
        """The replies; None where scripts that read are not known, or not allowed, or not kept."""
        for _ in range(2):
            replies = [] if self._sha is None else self._run(calls)
            if replies and not any(isinstance(reply, NoScriptError) for reply in replies):
                return self._unless_refused(replies)
            try:
                self._sha = cast("str", self._client.script_load(_SCRIPT))
            except NoPermissionError:
                self._is_refused = True
                return None
        return None

    def _run(self, calls: Sequence[Sequence[str]]) -> list[object]:
        return run(self._client, [("EVALSHA_RO", self._sha, 1, names[0], _SEPARATOR.join(names)) for names in calls])

    def _unless_refused(self, replies: list[Any]) -> list[bytes] | None:
        wrong = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if wrong is None:
            return replies
        self._is_refused = isinstance(wrong, NoPermissionError) or _is_unknown(wrong)
        if self._is_refused:
            return None
        raise wrong


def _is_unknown(wrong: Exception) -> bool:
    return isinstance(wrong, ResponseError) and _UNKNOWN in str(wrong).lower()
