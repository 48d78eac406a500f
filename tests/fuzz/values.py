"""Leaves of hostile and of ordinary events, as JSON text. All sizes are small, but where the name says otherwise."""

from __future__ import annotations

from random import Random
from typing import Final

CONTROLS: Final = "".join(map(chr, [*range(32), 0x7F, *range(0x80, 0xA0)]))
BIDI: Final = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"

NAMES: Final[tuple[bytes, ...]] = (
    *(b'"%s"' % name for name in (b"a", b"b", b"c", b"orders", b"raw.orders", b"db.schema.table", b"x/y/z")),
    *(b'"ns"', b'"postgres://Host:5432"', b'"s3://Bucket"', b'"POSTGRES://host:5432"', b'"id"', b'"amount"', b'"u.v"'),
    *(
        b'""',
        b'" "',
        b'"\\u0000"',
        b'"\\n"',
        b'"\\u202e"',
        b'"\\ud800"',
        b'"\\udfff\\ud800"',
        b'"\\u001b[31m"',
        b'"\\""',
    ),
    *(
        b'"{meta}:index"',
        b'"}{"',
        b'"\\\\"',
        b'"://"',
        b'":"',
        b'"//"',
        b'"::"',
        b'"a:"',
        b'"\xc3\xa9"',
        b'"\xef\xbf\xbf"',
    ),
    *(b'"\xff"', b'"\xed\xa0\x80"', b'"\xf0\x9f\x92\xa9"', b'"\\ud83d\\udca9"', b'"' + b"n" * 300 + b'"', b'"\\u0085"'),
)
TIMES: Final[tuple[bytes, ...]] = (
    *(b'"2026-03-01T06:%02d:00Z"' % minute for minute in range(0, 60, 7)),
    *(b'"0001-01-01T00:00:00Z"', b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59.999999999-14:00"'),
    *(b'"2016-12-31T23:59:60Z"', b'"2026-02-29T00:00:00Z"', b'"2024-02-29T24:00:00Z"', b'"1970-01-01T00:00:00"'),
    *(
        b'"2026-03-01T06:00:00.123456789012345678+05:30[Asia/Kolkata]"',
        b'"2026-03-01 06:00z"',
        b'"0000-01-01T00:00:00Z"',
    ),
    *(
        b'"10000-01-01T00:00:00Z"',
        b'"2026-03-01T06:00:00+99:99"',
        b'"2026-03-01T06:00:00+24:00"',
        b'"\\u0662026"',
        b'""',
    ),
    *(
        b'"2026-03-01T06:00:00-23:59"',
        b'"1969-12-31T23:59:59.999Z"',
        b'"2255-06-05T23:47:34.740993Z"',
        b'"-2026-03-01"',
    ),
)
RUN_IDS: Final[tuple[bytes, ...]] = (
    *(b'"0000000%d-0000-4000-8000-000000000001"' % number for number in range(8)),
    *(b'"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"', b'"not-a-uuid"', b'"00000001-0000-4000-8000-000000000001\\n"', b"1"),
)
NUMBERS: Final[tuple[bytes, ...]] = (
    *(b"0", b"1", b"-1", b"3.5", b"-0", b"-0.0", b"2147483648", b"9223372036854775807", b"9223372036854775808"),
    *(
        b"-9223372036854775809",
        b"18446744073709551616",
        b"1e400",
        b"1e-400",
        b"1E999",
        b"NaN",
        b"Infinity",
        b"-Infinity",
    ),
    *(b"01", b"+1", b".5", b"1.", b"0x10", b"1e", b"9" * 40, b"9" * 310, b"1" * 5000, b"0." + b"1" * 800, b"1_000"),
)
OTHERS: Final[tuple[bytes, ...]] = (
    *(
        b"null",
        b"true",
        b"false",
        b"[]",
        b"{}",
        b'[""]',
        b"[[[[]]]]",
        b'{"a":{"a":{"a":{}}}}',
        b"[1,]",
        b"{,}",
        b"undefined",
    ),
    *(
        b'{"_deleted":true}',
        b'{"_deleted":1}',
        b'{"a":1,"a":2}',
        b'{"":null}',
        b'{"\\ud800":1}',
        b'{"fields":[]}',
        b'"\\x"',
    ),
    *(
        b"[" * 70 + b"]" * 70,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b"[null,null,null]",
        b'{"fields":null}',
        b'"\\u12"',
        b'"',
    ),
    *(
        b'{"fields":[{"name":"a","fields":[{"name":"b","fields":[{"name":"c","type":"int"}]}]}]}',
        b"/**/1",
        b"\x00",
        b"",
    ),
)


def leaf(random: Random) -> bytes:
    """Any of them."""
    kind = random.random()
    pool = NAMES if kind < 0.4 else OTHERS if kind < 0.7 else NUMBERS if kind < 0.9 else TIMES
    return pick(random, pool)


def pick(random: Random, pool: tuple[bytes, ...] | list[bytes]) -> bytes:
    """One of a pool; three times as fast as `choice`."""
    return pool[int(random.random() * len(pool))]
