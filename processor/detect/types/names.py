"""What the names of types mean: of SQL, Spark, Postgres, BigQuery, Snowflake, Avro, Arrow, pandas, dbt.

Rules kept here:
- names compare without regard to case and spacing; an engine's many names of one type are one type here;
- a name that engines use differently is read as the engine of the dataset does, known by the scheme of its namespace:
  `int8` has 64 bits in SQL and 8 in files, `timestamp` has a zone in BigQuery and in files, Snowflake's integers are
  `number(38,0)`, Postgres's `numeric` has no limit; elsewhere as most do;
- a string without length is unlimited, a decimal without digits is unstated, a time without digits has six;
- `int(11)`: how wide an integer is shown says nothing of the type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from processor.detect.types.lattice import Family, Type

_MICROS = 6
_UNITS = {"s": 0, "ms": 3, "us": 6, "ns": 9, "day": 0}
_DOUBLE_FROM = 25
"""`float(25)` and more has double precision."""

_WIDE = Type(Family.DECIMAL, 38)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine reads the names that engines use differently."""

    own: dict[str, Type] = field(default_factory=dict)
    is_timestamp_zoned: bool = False
    unlimited: frozenset[int] = frozenset()


_SNOWFLAKE_INTEGERS = ("tinyint", "smallint", "int", "integer", "bigint", "byteint", "decimal", "numeric", "number")
_BITS_64 = Type(Family.INTEGER, 64)
_DOUBLE = Type(Family.FLOAT, 64)
COMMON = Dialect()
_LAKE = Dialect({"int8": Type(Family.INTEGER, 8)}, is_timestamp_zoned=True)
_BIGQUERY = Dialect(
    {
        **dict.fromkeys(("tinyint", "byteint", "smallint", "int", "integer"), _BITS_64),
        **dict.fromkeys(("numeric", "decimal"), Type(Family.DECIMAL, 38, 9)),
        **dict.fromkeys(("bignumeric", "bigdecimal"), Type(Family.DECIMAL, 76, 38)),
        "float": _DOUBLE,
    },
    is_timestamp_zoned=True,
)
_SNOWFLAKE = Dialect(
    {**dict.fromkeys(_SNOWFLAKE_INTEGERS, _WIDE), **dict.fromkeys(("float", "float4", "real"), _DOUBLE)},
    unlimited=frozenset({16_777_216, 134_217_728}),
)
_POSTGRES = Dialect(
    {**dict.fromkeys(("numeric", "decimal"), Type(Family.DECIMAL, 131_072 + 16_383, 16_383)), "float": _DOUBLE}
)
_BY_SCHEME = {
    "bigquery": _BIGQUERY,
    "snowflake": _SNOWFLAKE,
    "postgres": _POSTGRES,
    "postgresql": _POSTGRES,
    **dict.fromkeys(("s3", "s3a", "gs", "abfss", "abfs", "wasbs", "hdfs", "dbfs", "file", "hive"), _LAKE),
}


def scheme_of(namespace: str) -> str:
    """The part of a namespace that says how its types are to be read; "" where nothing says so."""
    scheme = namespace.partition(":")[0].casefold()
    return scheme if scheme in _BY_SCHEME else ""


def dialect_of(scheme: str) -> Dialect:
    """How types are read under what `scheme_of` gave."""
    return _BY_SCHEME.get(scheme, COMMON)


_INTEGERS = {
    8: ("tinyint", "byte", "byteint", "int1"),
    16: ("smallint", "short", "int2", "int16", "smallserial"),
    24: ("mediumint", "int3"),
    32: ("int", "integer", "int4", "int32", "serial", "signed"),
    64: ("bigint", "long", "int8", "int64", "bigserial", "big int", "longlong"),
    128: ("hugeint", "int128"),
    256: ("int256",),
}
_UNSIGNED = {
    8: ("uint8", "utinyint"),
    16: ("uint16", "usmallint"),
    32: ("uint32", "uinteger"),
    64: ("uint64", "ubigint"),
    128: ("uint128", "uhugeint"),
}
_FLOATS = {
    16: ("float16", "half", "halffloat", "half_float"),
    32: ("float", "real", "float4", "float32", "single"),
    64: ("double", "double precision", "float8", "float64", "binary_double"),
}
_SINGLE = {
    Family.BOOLEAN: ("boolean", "bool", "logical", "bit"),
    Family.DATE: ("date", "date32", "date64"),
    Family.UUID: ("uuid", "uniqueidentifier", "guid"),
    Family.NULL: ("null", "void", "nulltype", "na"),
}
_STRINGS = (
    *("string", "text", "varchar", "character varying", "char varying", "nvarchar", "varchar2", "nvarchar2", "str"),
    *("large_string", "utf8", "large_utf8", "string_view", "longtext", "mediumtext", "tinytext", "clob", "ntext"),
)
_PADDED = ("char", "character", "nchar", "bpchar")
_BINARIES = (
    *("binary", "varbinary", "bytes", "bytea", "blob", "large_binary", "binary_view", "longblob", "mediumblob"),
    *("binary varying", "image", "raw", "fixed_size_binary", "fixed"),
)
_DECIMALS = ("decimal", "numeric", "number", "dec", "bignumeric", "bigdecimal", "decimal128", "decimal256")
_TIMES = ("time", "time without time zone", "time32", "time64", "time-micros", "time-millis")
_ZONED_TIMES = ("timetz", "time with time zone")
_NAIVE = (
    *("timestamp without time zone", "timestamp_ntz", "timestampntz", "datetime", "datetime2", "datetime64"),
    *("local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos", "smalldatetime"),
)
_ZONED = (
    *("timestamptz", "timestamp with time zone", "timestamp with local time zone", "timestamp_tz", "timestamp_ltz"),
    *("timestampltz", "datetimeoffset", "timestamp-millis", "timestamp-micros", "timestamp-nanos"),
)
_OF_NAME = {"millis": 3, "micros": 6, "nanos": 9}

_PLAIN: dict[str, Type] = {
    **{name: Type(Family.INTEGER, bits) for bits, names in _INTEGERS.items() for name in names},
    **{name: Type(Family.INTEGER, bits, is_marked=True) for bits, names in _UNSIGNED.items() for name in names},
    **{name: Type(Family.FLOAT, bits) for bits, names in _FLOATS.items() for name in names},
    **{name: Type(family) for family, names in _SINGLE.items() for name in names},
}


def named(name: str, parameters: Sequence[str], dialect: Dialect) -> Type | None:
    """The type of that lowercase name with these parameters; None when they make none."""
    numbers = [int(each) for each in parameters if _is_number(each)]
    if not parameters and name in dialect.own:
        return dialect.own[name]
    if name.endswith(" unsigned"):
        return _unsigned(_PLAIN.get(name.removesuffix(" unsigned")))
    if name in _PLAIN:
        return _plain(name, numbers, parameters)
    if name in _STRINGS or name in _PADDED:
        return _text(name, numbers, dialect)
    if name == "enum":
        return _enum(parameters)
    return _measured(name, numbers) or _moment(name, numbers, parameters, dialect)


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and len(text) <= len("-131072")


def _unsigned(signed: Type | None) -> Type | None:
    if signed is None or signed.family is not Family.INTEGER:
        return None
    return Type(Family.INTEGER, signed.size, is_marked=True)


def _plain(name: str, numbers: Sequence[int], parameters: Sequence[str]) -> Type | None:
    type_ = _PLAIN[name]
    if name == "float" and numbers:
        return _DOUBLE if numbers[0] >= _DOUBLE_FROM else type_
    if name == "bit" and parameters:
        return None
    return type_


def _text(name: str, numbers: Sequence[int], dialect: Dialect) -> Type:
    length = numbers[0] if numbers and numbers[0] not in dialect.unlimited else None
    if name not in _PADDED:
        return Type(Family.STRING, length)
    return Type(Family.STRING, length or (None if name == "bpchar" else 1), is_marked=True)


def _enum(labels: Sequence[str]) -> Type:
    plain = sorted({label.strip("'\"") for label in labels})
    return Type(Family.ENUM, members=tuple((label, Type(Family.NULL)) for label in plain) or None)


def _measured(name: str, numbers: Sequence[int]) -> Type | None:
    first, second = [*numbers[:2], 0, 0][:2]
    if name in _DECIMALS:
        return Type(Family.DECIMAL, first if numbers else None, second)
    return Type(Family.BINARY, first if numbers else None) if name in _BINARIES else None


def _moment(name: str, numbers: Sequence[int], parameters: Sequence[str], dialect: Dialect) -> Type | None:
    unit = next((_UNITS[each] for each in parameters if each in _UNITS), None)
    by_name = _OF_NAME.get(name.rpartition("-")[2])
    digits = next((each for each in (*numbers[:1], unit, by_name) if each is not None), _MICROS)
    if name in _TIMES or name in _ZONED_TIMES:
        return Type(Family.TIME, digits, is_marked=name in _ZONED_TIMES)
    has_zone = unit is not None and len(parameters) > 1
    if name == "timestamp":
        is_zoned = has_zone if unit is not None else dialect.is_timestamp_zoned
        return Type(Family.TIMESTAMP, digits, is_marked=is_zoned)
    if name in _NAIVE or name in _ZONED:
        return Type(Family.TIMESTAMP, digits, is_marked=has_zone or name in _ZONED)
    return None
