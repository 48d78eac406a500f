"""Column mappings as they are stored."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from processor.model.mapping import EMPTY, Mapping, Source, Transformation, decode_mapping, encode_mapping, normal

NAMES = st.sampled_from(["id", "amount", "total", ""])
WAYS = st.lists(st.builds(Transformation, st.booleans(), st.sampled_from(["", "IDENTITY"]), st.booleans()), max_size=2)
SOURCES = st.lists(
    st.builds(Source, st.sampled_from(["db", "lake"]), st.sampled_from(["a", "b"]), NAMES | st.none(), WAYS.map(tuple)),
    max_size=4,
)
MAPPINGS = st.builds(normal, st.dictionaries(NAMES, SOURCES, max_size=4), SOURCES)


@given(MAPPINGS)
def test_what_is_stored_is_read_again(mapping: Mapping) -> None:
    assert decode_mapping(encode_mapping(mapping)) == mapping


@given(st.dictionaries(NAMES, SOURCES, max_size=4), st.randoms())
def test_the_same_statement_is_stored_as_the_same_bytes_in_whatever_order(
    fields: dict[str, list[Source]], chance: random.Random
) -> None:
    names = chance.sample(list(fields), len(fields))
    shuffled = {name: chance.sample(fields[name], len(fields[name])) for name in names}
    assert encode_mapping(normal(shuffled)) == encode_mapping(normal(fields))


def test_a_column_that_is_carried_on_under_its_name_takes_little() -> None:
    def size(count: int) -> int:
        copied = (Transformation(direct=True, subtype="IDENTITY"),)
        names = [f"column_{number:03}" for number in range(count)]
        return len(encode_mapping(normal({name: [Source("db", "a", name, copied)] for name in names})))

    assert size(101) - size(100) == len("column_000") + 5
    assert decode_mapping(encode_mapping(EMPTY)) == EMPTY
