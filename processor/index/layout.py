"""Where everything of the index is kept: records, their keys and their fields.

Every record is a hash. `lineage:{b17}:g1:n:<hex id>` is bucket 17, generation 1, record n. A node's
records live in the bucket of its id, a job's runs in the bucket of the job.

    n:<node>      i identity · t span · T<frag> touch · B<frag> facets · w last write · h hours written
                  · k hours started · d lifecycle
    o:<node>      out-links: letter + other id [+ output id] → span
                  · n identity · a "" if aliases lead the other way · x "" if it was ever dropped
    i:<node>      in-links, likewise
    s:<dataset>   l<lane> observer · c<lane> current schema · v<lane><fp> hours · e<lane><fp> first run
                  · b<fp> content
    m:<owner>     c<output> current mapping · v<output><fp> span · b<fp> content
                  · k<output> run of the newest explicit one · q<output><fp> run that stated it last
    r:<job><run><epoch>  a segment of a run (see `expiry`)
                  i run id · t span · u last event · b start · e end · q state · p parent · n nominal
                  · x error · I<dataset> · O<dataset> · M<dataset>
    j:<job>       <run> → recent run
    open:<job>    <run> → start >d · epoch of the run's segment >H · run id
    due:<job>     sorted set: run + epoch of a segment → epoch when to look whether it expired   (not index)
    w:<token>     kind letter + node id: nodes whose name ends in that word
  one for each bucket:
    reg.dataset, reg.job   node id → ""
    outbox                 entry id → payload          (not index: announced, then gone)
    clock                  job id → newest time that the events of its runs told >d   (not index)
    offsets                topic:partition → next offset   (not index: where it was read)

Links: r reads, w writes, p parent, s symlink; d derives: on an input dataset it names owner and
output, on an output dataset the owner of a mapping. What else a walk asks of a node stands beside its
links, in fields of one byte (`MARKS`), so that most nodes are one hash to it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from processor.index.keys import Key
from processor.model.history import Observer
from processor.model.identity import ID_BYTES, Kind, Node, hash_parts
from processor.model.observation import EdgeType, Role

FORMAT_VERSION = 7
"""Version of the stored forms; an index of another version is refused."""

BUCKETS = 64
INDEX_RECORDS = ("n", "o", "i", "s", "m", "r", "j", "w", "reg.dataset", "reg.job", "open")
LINK_LETTERS = {
    EdgeType.READS: b"r",
    EdgeType.WRITES: b"w",
    EdgeType.PARENT: b"p",
    EdgeType.SYMLINK: b"s",
    EdgeType.DERIVES: b"d",
}
LINK_TYPES = {letter: type_ for type_, letter in LINK_LETTERS.items()}
CALLED, HAS_ALIASES, WAS_DROPPED = MARKS = (b"n", b"a", b"x")
"""Fields beside a node's links: who it is; that aliases lead the other way; that it was dropped, and may be still."""
KIND_LETTERS = {Kind.DATASET: b"d", Kind.JOB: b"j"}
SEPARATORS = "./:\\"
"""What parts the words of a name."""

_WORD = re.compile(f"[{re.escape(SEPARATORS)}]+")


def bucket_of(id_: bytes, buckets: int) -> int:
    """The bucket of an id."""
    return int.from_bytes(id_[:4], "big") % buckets


@lru_cache(maxsize=262_144)
def key_of(record: str, id_: bytes, buckets: int) -> Key:
    """The key of a node's record."""
    return Key(bucket_of(id_, buckets), record, id_.hex())


def run_key_of(job_id: bytes, run: bytes, epoch: int, buckets: int) -> Key:
    """The key of a run's segment: in the bucket of its job."""
    return segment_key(bucket_of(job_id, buckets), job_id.hex(), run, epoch)


def segment_key(bucket: int, job_hex: str, run: bytes, epoch: int) -> Key:
    """The same, where its bucket and the job's id in hex are known already."""
    return Key(bucket, "r", f"{job_hex}{run.hex()}{epoch:04x}")


@lru_cache(maxsize=262_144)
def pack_identity(node: Node) -> bytes:
    """Stored form of a node: msgpack [kind, namespace, name]."""
    return msgspec.msgpack.encode([node.kind.value, node.namespace, node.name])


_identity = msgspec.msgpack.Decoder(Node)
_identities = msgspec.msgpack.Decoder(list[Node])
_ARRAY_32 = struct.Struct(">BI")


def unpack_identity(data: bytes) -> Node:
    """Inverse of `pack_identity`."""
    return _identity.decode(data)


def unpack_identities(data: Sequence[bytes]) -> list[Node]:
    """`unpack_identity` of many: one array of msgpack is decoded in half the time of its items one by one."""
    return _identities.decode(_ARRAY_32.pack(0xDD, len(data)) + b"".join(data))


@lru_cache(maxsize=65_536)
def lane_id(observer: Observer) -> bytes:
    """13 bytes: the observer's role and a hash of who it is."""
    return observer.role.value.encode() + hash_parts(observer.namespace, observer.name)


def pack_observer(observer: Observer) -> bytes:
    """Stored form of an observer: msgpack [role, namespace, name]."""
    return msgspec.msgpack.encode(observer)


_observer = msgspec.msgpack.Decoder(tuple[Role, str, str])


def unpack_observer(data: bytes) -> Observer:
    """Inverse of `pack_observer`."""
    return Observer(*_observer.decode(data))


LANE_BYTES = 1 + ID_BYTES


@lru_cache(maxsize=65_536)
def last_word(name: str) -> str:
    """The last part of a name, by which it is found: `orders` of `warehouse.public.orders`."""
    parts = [part for part in _WORD.split(name) if part]
    return (parts[-1] if parts else name).casefold()


@lru_cache(maxsize=65_536)
def word_id(word: str) -> bytes:
    """Id of a search word; takes it as `last_word` gives it."""
    return hash_parts("word", word)
