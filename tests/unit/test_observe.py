from __future__ import annotations

import msgspec
import pytest

from processor.decode.decoder import build_decoder
from processor.decode.observe import build_observer, observer
from processor.decode.schemas import read_schemas
from processor.model.errors import DependencyError, Reason, Stage
from processor.resources import schemas_dir
from tests.support.events import at, event, table, us
from tests.support.formats import EVENT as SAMPLE
from tests.support.formats import container

SCHEMAS = read_schemas(schemas_dir())
DECODER = build_decoder("auto", SCHEMAS)


def test_a_good_record_is_observed_and_a_bad_one_rejected() -> None:
    good = observer(DECODER)(msgspec.json.encode(event("load", inputs=[table("a")])), ())
    assert len(good.observations) == 1
    assert good.rejected == ()
    bad = observer(DECODER)(b"{", ())
    assert bad.observations == ()
    assert bad.rejected[0].reason is Reason.NOT_JSON


def test_a_defect_that_a_record_brings_to_light_costs_that_record_and_not_the_worker() -> None:
    class Defective:
        def __call__(self, *_: object) -> object:
            raise ZeroDivisionError

    found = observer(Defective())(b"{}", ())  # type: ignore[arg-type] # stands for a decoder with a defect
    assert [rejected.reason for rejected in found.rejected] == [Reason.INTERNAL]
    assert "ZeroDivisionError" in found.rejected[0].detail


def test_a_dependency_that_is_away_is_not_the_records_fault() -> None:
    class Registry:
        def __call__(self, *_: object) -> object:
            raise DependencyError("registry", "away")

    with pytest.raises(DependencyError):
        observer(Registry())(b"{}", ())  # type: ignore[arg-type] # stands for a decoder that needs a registry


def test_an_event_is_taken_up_to_the_latest_time_and_no_later() -> None:
    observe = build_observer("auto", SCHEMAS, latest_us=lambda: us(60))
    told = [observe(_event(minutes), ()) for minutes in (0, 60, 60.001, 10_000)]
    assert [len(each.observations) for each in told] == [1, 1, 0, 0]
    [rejected] = told[3].rejected
    assert (rejected.reason, rejected.stage, rejected.pointer) == (Reason.FUTURE_TIME, Stage.VALIDATE, "/eventTime")
    assert rejected.detail.startswith("2026-03-08T04:40:00Z is yet to come, and no event later than 2026-03-01T07:00")


def test_an_event_from_the_future_is_taken_once_its_time_has_come() -> None:
    latest_us = us(0)
    observe = build_observer("auto", SCHEMAS, latest_us=lambda: latest_us)
    assert observe(_event(60), ()).rejected
    latest_us = us(60)
    assert observe(_event(60), ()).observations == observer(DECODER)(_event(60), ()).observations


def test_of_a_container_only_what_is_from_the_future_is_rejected() -> None:
    now_us = us(60)
    in_time, ahead = (SAMPLE | {"eventTime": at(minutes)} for minutes in (0, 1_000))
    found = build_observer("auto", SCHEMAS, latest_us=lambda: now_us)(container(in_time, ahead, in_time), ())
    assert [each.time_us for each in found.observations] == [us(0), us(0)]
    assert [(each.reason, each.pointer) for each in found.rejected] == [(Reason.FUTURE_TIME, "")]


def _event(minutes: float) -> bytes:
    return msgspec.json.encode(event("load", inputs=[table("a")], minutes=minutes))
