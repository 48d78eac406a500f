"""Many whole hashes in few replies: a script packs them where they are, for a reply a key costs more than its hash.

Rules kept here:
- on one server a script reads so many keys, on a cluster those of one bucket: a script's keys are to be of one slot;
- the script only reads, and is called as such (EVALSHA_RO), so that who may only read may call it; where the server
  does not know that (before Redis 7), or the user may not, each hash is asked for by itself, from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any, Final, NamedTuple, cast

import msgpack  # type: ignore[import-untyped]  # it ships no types
from redis import RedisCluster
from redis.exceptions import NoPermissionError, NoScriptError, ResponseError

from processor.index.connect import Client, as_dependency
from processor.index.pipeline import run, run_all

__all__ = ["Hashes", "Place"]

Hash = dict[bytes, bytes]

_SCRIPT: Final = resources.files("processor.index").joinpath("scripts/fetch.lua").read_text("utf-8")
_FEW: Final = 3
_KEYS_IN_SCRIPT: Final = 256
_COMMANDS: Final = 512
_UNKNOWN: Final = "unknown command"


class Place(NamedTuple):
    """A key's bucket and name."""

    bucket: int
    name: str


class Hashes:
    """Reads hashes over a client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._sha: str | None = None
        self._is_refused = False

    def fetch(self, keys: Sequence[Place]) -> list[Hash]:
        """Whole hashes, in the order of the keys. Raises DependencyError."""
        if len(keys) > _FEW and not self._is_refused:
            packed = self._packed(keys)
            if packed is not None:
                return packed
        return self._each(keys)

    def _each(self, keys: Sequence[Place]) -> list[Hash]:
        found: list[Hash] = []
        for start in range(0, len(keys), _COMMANDS):
            with as_dependency():
                found += run_all(self._client, [("HGETALL", key.name) for key in keys[start : start + _COMMANDS]])
        return found

    def _packed(self, keys: Sequence[Place]) -> list[Hash] | None:
        """By scripts, in one round trip; None where that cannot be."""
        parts = list(self._parts(keys))
        with as_dependency():
            replies = self._evaluate([[keys[at].name for at in part] for part in parts])
        if replies is None:
            self._is_refused = True
            return None
        found: list[Hash] = [{}] * len(keys)
        for part, reply in zip(parts, replies, strict=True):
            for at, flat in zip(part, msgpack.unpackb(reply, raw=True), strict=True):
                fields = iter(flat)
                found[at] = dict(zip(fields, fields, strict=True))
        return found

    def _parts(self, keys: Sequence[Place]) -> Iterator[list[int]]:
        """The places in `keys` of those that one script reads."""
        together: dict[int, list[int]] = {}
        is_cluster = isinstance(self._client, RedisCluster)
        for at, key in enumerate(keys):
            together.setdefault(key.bucket if is_cluster else 0, []).append(at)
        for part in together.values():
            yield from (part[start : start + _KEYS_IN_SCRIPT] for start in range(0, len(part), _KEYS_IN_SCRIPT))

    def _evaluate(self, calls: Sequence[Sequence[str]]) -> list[bytes] | None:
        """The replies; None where scripts that read are not known, or not allowed."""
        for _ in range(2):
            replies = [] if self._sha is None else self._run(calls)
            if replies and not any(isinstance(reply, NoScriptError) for reply in replies):
                return _unless_refused(replies)
            try:
                self._sha = cast("str", self._client.script_load(_SCRIPT))
            except NoPermissionError:
                return None
        return None

    def _run(self, calls: Sequence[Sequence[str]]) -> list[object]:
        return run(self._client, [("EVALSHA_RO", self._sha, len(names), *names) for names in calls])


def _unless_refused(replies: list[Any]) -> list[bytes] | None:
    wrong = next((reply for reply in replies if isinstance(reply, Exception)), None)
    if wrong is None:
        return replies
    if isinstance(wrong, NoPermissionError) or (isinstance(wrong, ResponseError) and _UNKNOWN in str(wrong).lower()):
        return None
    raise wrong
