"""What a store is told to join, packed and read again."""

from __future__ import annotations

import msgpack  # type: ignore[import-untyped]  # it ships no types

from processor.index.keys import Key
from processor.index.wire import FIRST, LAST, WRITING, Join, Parts, Template, pack_stems, pack_templates

NODE, WORD = Key(3, "n", "ab"), Key(3, "reg.job")
SUBJECT = b"who"


def packed(*templates: Template, key: Key = NODE) -> Parts:
    parts = Parts()
    hashes = pack_templates([(key, templates)], {NODE: SUBJECT})[3]
    parts.add(pack_stems((b"first", b"", b"write"), [b"", b"1", None]), hashes)
    return parts


def joins_of(*templates: Template) -> list[Join]:
    (_, _, found), *_ = packed(*templates).hashes()
    return found


def test_a_value_is_its_stem_and_its_payload() -> None:
    assert joins_of(Template("O", b"i", 1, b"x"), Template("L", b"c", 2, b"y")) == [
        Join("O", b"i", b"x"),
        Join("L", b"c", b"1y"),
    ]


def test_what_no_event_makes_is_not_joined() -> None:
    assert joins_of(Template("W", b"w", 3), Template("O", b"i", 1)) == [Join("O", b"i", b"")]


def test_an_item_stands_around_the_cause_that_it_names_and_that_of_the_first_event_stands_for_others() -> None:
    around = (b"<", b">")
    found = joins_of(*(Template("O", bytes([at]), 1, b"", at, around) for at in (FIRST, LAST, WRITING)))
    assert [join.item for join in found] == [b"<first>", b"<first>", b"<write>"]


def test_hashes_are_named_with_what_their_changes_are_about() -> None:
    assert [(suffix, subject) for suffix, subject, _ in packed(Template("O", b"i", 1)).hashes()] == [("n:ab", SUBJECT)]
    silent = packed(Template("O", b"i", 1), key=WORD).hashes()
    assert [(suffix, subject) for suffix, subject, _ in silent] == [("reg.job", b"")]


def test_several_statements_follow_one_another() -> None:
    parts, stems = Parts(), pack_stems((b"a", b"", b""), [b"1"])
    one, other = (pack_templates([(NODE, [Template("O", name, 1)])], {})[3] for name in (b"x", b"y"))
    parts.add(stems, one)
    parts.add(stems, other)
    parts.add(stems, one)
    assert [[join.field for join in found] for _, _, found in parts.hashes()] == [[b"x"], [b"y"], [b"x"]]


def test_the_count_that_goes_before_the_elements_is_theirs() -> None:

    size, data = packed(Template("O", b"i", 1), Template("L", b"c", 2, b"y", FIRST, (b"<", b">"))).packed()
    unpacker = msgpack.Unpacker(raw=True)
    unpacker.feed(data)
    assert len(list(unpacker)) == size


def test_a_touch_brings_what_it_touches_along() -> None:
    found = joins_of(
        Template("T", b"Tab", 2, b"y", touched=b"facets"), Template("T", b"Tcd", 3, b"", touched=b"others")
    )
    assert found == [Join("T", b"Tab", b"1y"), Join("O", b"Bab", b"facets")]
