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
from processor.index.neighborhood import BACK, DROP, Ahead, Neighborhood, by_levels
from processor.index.pipeline import run, run_all
from processor.index.portion import Hash, Portion

__all__ = ["Around", "Hashes"]

Around = tuple[str, str]
"""What the name of a node's key begins with before its bucket, and between that and its record."""
_Placed = tuple[int, str]
"""A node's bucket, and its id in hexadecimal."""


def _script(*parts: str) -> str:
    scripts = resources.files("processor.index").joinpath("scripts")
    return "\n".join(scripts.joinpath(f"{part}.lua").read_text("utf-8") for part in parts)


_HASHES: Final = _script("fetch")
_RECORDS: Final = _script("matching", "records")
_NEIGHBORHOOD: Final = _script("matching", "neighborhood")
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
        self._shas: dict[str, str] = {}
        self._is_refused = False

    def fetch(self, names: Sequence[str], buckets: Sequence[int]) -> list[Hash]:
        """Whole hashes, in the order of their keys' names, each of so-and-so bucket. Raises DependencyError."""
        if len(names) > _FEW and not self._is_refused:
            packed = self._packed(names, buckets)
            if packed is not None:
                return packed
        return self._each([("HGETALL", name) for name in names])

    def fetch_records(
        self, ids: Sequence[bytes], portions: Sequence[Portion], around: Around, buckets: int
    ) -> list[list[Hash]]:
        """Portions of nodes' records, for each portion in the order of `ids`. Raises DependencyError."""
        nodes = [(int.from_bytes(i[:4], "big") % buckets, i.hex()) for i in ids]
        if len(ids) * len(portions) > _FEW and not self._is_refused:
            packed = self._packed_records(nodes, portions, around)
            if packed is not None:
                return packed
        return self._of_each(nodes, portions, around)

    def fetch_neighborhood(self, ids: Sequence[bytes], ahead: Ahead, around: Around, buckets: int) -> Neighborhood:
        """What lies around nodes: on one server a script goes there by itself. Raises DependencyError."""
        if not isinstance(self._client, RedisCluster) and not self._is_refused:
            name = f"{around[0]}0{around[1]}n:{ids[0].hex()}"
            told: list[str | bytes] = [str(buckets), ahead.way, BACK[ahead.way], str(ahead.nodes), str(ahead.links)]
            with as_dependency():
                replies = self._evaluate(_NEIGHBORHOOD, [[name, *around, *told, *ids]])
            if replies is not None:
                return _neighborhood(replies[0])
        return by_levels(lambda level, portions: self.fetch_records(level, portions, around, buckets), ids, ahead)

    def _of_each(self, nodes: Sequence[_Placed], portions: Sequence[Portion], around: Around) -> list[list[Hash]]:
        commands = [_asking(portion, _name(around, node, portion)) for portion in portions for node in nodes]
        replies = iter(self._each(commands))
        return [[_answered(portion, reply) for _, reply in zip(nodes, replies, strict=False)] for portion in portions]

    def _each(self, commands: Sequence[Sequence[str | bytes]]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(commands), _COMMANDS):
            with as_dependency():
                found += run_all(self._client, commands[start : start + _COMMANDS])
        return found

    def _packed(self, names: Sequence[str], buckets: Sequence[int]) -> list[Hash] | None:
        """By scripts, in one round trip; None where that cannot be."""
        parts = self._parts(buckets)
        calls: list[list[str | bytes]] = [
            [names[part[0]], _SEPARATOR.join([names[at] for at in part])] for part in parts
        ]
        with as_dependency():
            replies = self._evaluate(_HASHES, calls)
        if replies is None:
            return None
        found: list[Hash] = [_NOTHING] * len(names)
        for part, reply in zip(parts, replies, strict=True):
            for at, flat in zip(part, msgpack.unpackb(reply, raw=True), strict=True):
                found[at] = _paired(flat)
        return found

    def _packed_records(
        self, nodes: Sequence[_Placed], portions: Sequence[Portion], around: Around
    ) -> list[list[Hash]] | None:
        """As `_packed`."""
        parts = self._parts([bucket for bucket, _ in nodes])
        how = [each for portion in portions for each in _told(portion)]
        lines = ["%d:%s" % node for node in nodes]  # noqa: UP031  of thousands, in half the time
        calls: list[list[str | bytes]] = [
            [_name(around, nodes[part[0]], portions[0]), *around, _SEPARATOR.join([lines[at] for at in part]), *how]
            for part in parts
        ]
        with as_dependency():
            replies = self._evaluate(_RECORDS, calls)
        if replies is None:
            return None
        found: list[list[Hash]] = [[_NOTHING] * len(nodes) for _ in portions]
        for part, reply in zip(parts, replies, strict=True):
            for portion, into, flats in zip(portions, found, msgpack.unpackb(reply, raw=True), strict=True):
                for at, flat in zip(part, flats, strict=True):
                    if flat:
                        into[at] = _named(portion, flat) if portion.fields else _paired(flat)
        return found

    def _parts(self, buckets: Sequence[int]) -> list[Sequence[int]]:
        """The places of those that one script reads."""
        together: dict[int, list[int]] = {}
        if isinstance(self._client, RedisCluster):
            for at, bucket in enumerate(buckets):
                together.setdefault(bucket, []).append(at)
        places = together.values() or [range(len(buckets))]
        return [part[start : start + _IN_SCRIPT] for part in places for start in range(0, len(part), _IN_SCRIPT)]

    def _evaluate(self, script: str, calls: Sequence[Sequence[str | bytes]]) -> list[bytes] | None:
        """The replies; None where scripts that read are not known, or not allowed, or not kept."""
        for _ in range(2):
            replies = self._run(self._shas[script], calls) if script in self._shas else []
            if replies and not any(isinstance(reply, NoScriptError) for reply in replies):
                return self._unless_refused(replies)
            try:
                self._shas[script] = cast("str", self._client.script_load(script))
            except NoPermissionError:
                self._is_refused = True
                return None
        return None

    def _run(self, sha: str, calls: Sequence[Sequence[str | bytes]]) -> list[object]:
        return run(self._client, [("EVALSHA_RO", sha, 1, *call) for call in calls])

    def _unless_refused(self, replies: list[Any]) -> list[bytes] | None:
        wrong = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if wrong is None:
            return replies
        self._is_refused = isinstance(wrong, NoPermissionError) or _is_unknown(wrong)
        if self._is_refused:
            return None
        raise wrong


def _neighborhood(reply: bytes) -> Neighborhood:
    nodes, aliases, drops = msgpack.unpackb(reply, raw=True, use_list=False)
    each = iter(nodes)
    return Neighborhood(
        dict(zip(each, each, strict=True)),
        {i: _paired(flat) for i, flat in dict(aliases).items()},
        {i: _named(DROP, values) for i, values in dict(drops).items()},
    )


def _name(around: Around, node: _Placed, portion: Portion) -> str:
    """The name of a record's key."""
    return f"{around[0]}{node[0]}{around[1]}{portion.record}:{node[1]}"


def _asking(portion: Portion, name: str) -> Sequence[str | bytes]:
    """The command for a portion of one record."""
    return ("HMGET", name, *portion.fields) if portion.fields else ("HGETALL", name)


def _answered(portion: Portion, reply: Any) -> Hash:  # noqa: ANN401  values, or a hash, as was asked
    return _named(portion, reply) if portion.fields else portion.of(reply)


def _told(portion: Portion) -> Sequence[str | bytes]:
    """What the script is told of a portion."""
    if portion.fields:
        return (portion.record, "fields", str(len(portion.fields)), *portion.fields)
    return (portion.record, "prefix", portion.prefix) if portion.prefix else (portion.record, "whole")


def _paired(flat: Sequence[bytes]) -> Hash:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _named(portion: Portion, values: Sequence[Any]) -> Hash:
    """The fields of a portion that are there: in the place of another is None, or False from a script."""
    there = zip(portion.fields, values, strict=True)
    return {name: value for name, value in there if value is not None and value is not False}


def _is_unknown(wrong: Exception) -> bool:
    return isinstance(wrong, ResponseError) and _UNKNOWN in str(wrong).lower()
