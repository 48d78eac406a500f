from dataclasses import replace

import pytest

from processor.detect.orphan_dataset import detect
from processor.detect.policy_text import parse_policy
from processor.detect.profile import DatasetProfile, Folder, folder_of
from processor.model.alert import Severity
from processor.model.identity import dataset, job

HOUR_US = 3_600_000_000
NOW_US = 1_770_000_000_000_000
ORPHAN = DatasetProfile(
    dataset=dataset("postgres://shop:5432", "staging.orders"),
    readers=(job("shop", "mart"),),
    reader_count=1,
    first_seen_us=NOW_US - 2 * HOUR_US,
    siblings=10,
    siblings_with_writer=9,
)


def is_orphan(profile: DatasetProfile, policy: str = "") -> bool:
    return bool(detect(profile, parse_policy(policy), NOW_US))


def test_read_but_not_written_where_nearly_all_siblings_are() -> None:
    (finding,) = detect(ORPHAN, parse_policy(""), NOW_US)
    assert finding.severity is Severity.WARNING
    assert finding.summary == (
        "Dataset staging.orders is read by 1 job (shop.mart), but nobody is known to write it;"
        " 9 of the 10 other datasets beside it have a writer."
    )


@pytest.mark.parametrize(
    "profile",
    [
        replace(ORPHAN, lineage_since_us=NOW_US - 71 * HOUR_US),
        replace(ORPHAN, reader_count=0, readers=()),
        replace(ORPHAN, dropped=True),
        replace(ORPHAN, siblings_with_writer=8),
        replace(ORPHAN, siblings=3, siblings_with_writer=3),
        replace(ORPHAN, siblings=0, siblings_with_writer=0),
        replace(ORPHAN, first_seen_us=NOW_US - HOUR_US + 1),
        replace(ORPHAN, dataset=dataset("inmemory://spark", "staging.orders")),
    ],
)
def test_what_is_no_orphan(profile: DatasetProfile) -> None:
    assert not is_orphan(profile)


def test_a_declared_source_needs_no_writer() -> None:
    assert not is_orphan(ORPHAN, "sources: ['postgres://shop:5432:staging.*']")


def test_where_sources_are_declared_any_other_root_is_an_orphan() -> None:
    lonely = replace(ORPHAN, siblings=0, siblings_with_writer=0)
    (finding,) = detect(lonely, parse_policy("sources: ['crm://*']"), NOW_US)
    assert finding.summary.endswith("it is none of the declared sources.")


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("db.public.orders", "db.public"),
        ("orders", ""),
        ("lake/orders/day=1.parquet", "lake/orders"),
        ("lake/orders/", "lake"),
        ("/landing", ""),
    ],
)
def test_siblings_share_the_parent(name: str, parent: str) -> None:
    assert folder_of(dataset("s3://b", name)) == Folder("s3://b", parent)
