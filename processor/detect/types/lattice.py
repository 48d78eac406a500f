"""The normal form of types, and what one is to another.

Rules kept here (a type holds another when every value of that is one of its own and reads as it did, so that a reader
survives the change: that is *widened*; the other way round it is *narrowed*; where neither holds, *incompatible*):

| family | holds |
|---|---|
| integer | fewer bits; an unsigned one of fewer bits; a decimal without fraction of so few digits |
| decimal | no more digits on either side of the point; an integer whose digits fit before it |
| float | fewer bits; integers that it keeps exactly (double: 32 bits, not 64: ids would change) |
| string | a shorter one, a padded `char`; the text of a UUID or an enum. Not a number: sums and comparisons break |
| binary | a shorter one. Not a string, nor the reverse: engines read them otherwise |
| time, timestamp | fewer digits of a second; a timestamp without zone holds a date. With and without zone never mix |
| enum | fewer labels |
| array, map | member by member |
| struct | member by member, by name: a member more is widened, one less narrowed; their order does not count |
| null | nothing; everything holds it: a column that was always null got its type |
| other (`json`, `variant`, `geography`, names that nobody here knows) | unknown, unless they are spelled alike |

- a parameter that one side leaves out where that has no one meaning (`decimal`, a bare `struct`) makes it unknown;
- what is widened in one member and narrowed in another is incompatible;
- `relation` is `SAME` exactly for equal normal forms, and its other answers are converses when the sides are swapped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """What types have rules in common."""

    NULL = "null"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    STRING = "string"
    BINARY = "binary"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    UUID = "uuid"
    ENUM = "enum"
    ARRAY = "array"
    MAP = "map"
    STRUCT = "struct"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Type:
    """A type in normal form.

    `size`: bits of integers and floats, all digits of decimals, greatest length of strings and binaries, digits of a
    second; None is unlimited, and for decimals unstated. `scale`: digits behind the point. `is_marked`: an unsigned
    integer, a padded string, a time with zone. `members` are sorted by name; None where they are not stated.
    `name`: how a type of no known family is spelled.
    """

    family: Family
    size: int | None = None
    scale: int = 0
    is_marked: bool = False
    members: tuple[tuple[str, Type], ...] | None = ()
    name: str = ""


class Relation(StrEnum):
    """What a type is to the one before it."""

    SAME = "same"
    WIDENED = "widened"
    NARROWED = "narrowed"
    INCOMPATIBLE = "incompatible"
    UNKNOWN = "unknown"


NESTED = frozenset({Family.ARRAY, Family.MAP, Family.STRUCT})
UUID_LENGTH = 36
_EXACT_BITS = {16: 8, 32: 16, 64: 32}
"""Of a float by its bits: the largest usual integers of which it keeps every one."""


def relation(before: Type, after: Type) -> Relation:
    """What `after` is to `before`."""
    families = {before.family, after.family}
    if before == after:
        return Relation.SAME
    if Family.NULL in families:
        return Relation.WIDENED if before.family is Family.NULL else Relation.NARROWED
    if Family.OTHER in families or _is_unstated(before, after):
        return Relation.UNKNOWN
    if len(families) == 1 and before.family in NESTED:
        return _together(_of_members(before, after))
    if _holds(after, before):
        return Relation.WIDENED
    return Relation.NARROWED if _holds(before, after) else Relation.INCOMPATIBLE


def _is_unstated(one: Type, other: Type) -> bool:
    """Whether the answer hangs on a parameter that one of them leaves out."""
    families = {one.family, other.family}
    if families <= {Family.DECIMAL, Family.INTEGER}:
        return any(each.family is Family.DECIMAL and each.size is None for each in (one, other))
    return len(families) == 1 and (one.members is None or other.members is None)


# Nested types


def _of_members(before: Type, after: Type) -> Iterator[Relation]:
    old, new = dict(before.members or ()), dict(after.members or ())
    yield from (Relation.NARROWED for name in old if name not in new)
    yield from (Relation.WIDENED for name in new if name not in old)
    yield from (relation(old[name], new[name]) for name in old if name in new)


def _together(found: Iterable[Relation]) -> Relation:
    kinds = set(found) - {Relation.SAME}
    for decisive in (Relation.INCOMPATIBLE, Relation.UNKNOWN):
        if decisive in kinds:
            return decisive
    return kinds.pop() if len(kinds) == 1 else Relation.INCOMPATIBLE


# What holds what: two different types, with all parameters that matter


def _holds(wide: Type, narrow: Type) -> bool:
    rule = _RULES.get((wide.family, narrow.family))
    return rule is not None and rule(wide, narrow)


def _integer_in_integer(wide: Type, narrow: Type) -> bool:
    if wide.is_marked and not narrow.is_marked:
        return False
    return _bits(wide) > _bits(narrow)


def _decimal_in_integer(wide: Type, narrow: Type) -> bool:
    # Digits are compared, not powers of ten: a stated precision may be any number.
    certain = len(str(2 ** (_bits(wide) - 1))) - 1
    return not wide.is_marked and narrow.scale == 0 and (narrow.size or 0) <= certain


def _decimal_in_decimal(wide: Type, narrow: Type) -> bool:
    return wide.scale >= narrow.scale and _whole_digits(wide) >= _whole_digits(narrow)


def _integer_in_decimal(wide: Type, narrow: Type) -> bool:
    largest = 2 ** (_bits(narrow) - (0 if narrow.is_marked else 1))
    return len(str(largest)) <= _whole_digits(wide)


def _integer_in_float(wide: Type, narrow: Type) -> bool:
    return _bits(narrow) <= _EXACT_BITS.get(_bits(wide), 0)


def _text_in_text(wide: Type, narrow: Type) -> bool:
    if wide.is_marked and not narrow.is_marked:
        return False
    return _takes(wide.size, narrow.size)


def _time_in_time(wide: Type, narrow: Type) -> bool:
    return wide.is_marked is narrow.is_marked and _takes(wide.size, narrow.size)


def _date_in_timestamp(wide: Type, _narrow: Type) -> bool:
    return not wide.is_marked


def _uuid_in_string(wide: Type, _narrow: Type) -> bool:
    return not wide.is_marked and _takes(wide.size, UUID_LENGTH)


def _enum_in_string(wide: Type, narrow: Type) -> bool:
    longest = max((len(label) for label, _ in narrow.members or ()), default=None)
    return not wide.is_marked and _takes(wide.size, longest)


def _enum_in_enum(wide: Type, narrow: Type) -> bool:
    return set(wide.members or ()) >= set(narrow.members or ())


def _fewer_bits(wide: Type, narrow: Type) -> bool:
    return _bits(wide) > _bits(narrow)


def _bits(type_: Type) -> int:
    return type_.size or 0


def _whole_digits(decimal: Type) -> int:
    return (decimal.size or 0) - decimal.scale


def _takes(most: int | None, size: int | None) -> bool:
    """Whether a limit leaves room for a size; None is unlimited."""
    return most is None or (size is not None and most >= size)


_RULES: dict[tuple[Family, Family], Callable[[Type, Type], bool]] = {
    (Family.INTEGER, Family.INTEGER): _integer_in_integer,
    (Family.INTEGER, Family.DECIMAL): _decimal_in_integer,
    (Family.DECIMAL, Family.DECIMAL): _decimal_in_decimal,
    (Family.DECIMAL, Family.INTEGER): _integer_in_decimal,
    (Family.FLOAT, Family.FLOAT): _fewer_bits,
    (Family.FLOAT, Family.INTEGER): _integer_in_float,
    (Family.STRING, Family.STRING): _text_in_text,
    (Family.STRING, Family.UUID): _uuid_in_string,
    (Family.STRING, Family.ENUM): _enum_in_string,
    (Family.BINARY, Family.BINARY): _text_in_text,
    (Family.TIME, Family.TIME): _time_in_time,
    (Family.TIMESTAMP, Family.TIMESTAMP): _time_in_time,
    (Family.TIMESTAMP, Family.DATE): _date_in_timestamp,
    (Family.ENUM, Family.ENUM): _enum_in_enum,
}
"""By (who holds, who is held)."""
