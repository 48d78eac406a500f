from __future__ import annotations

import msgspec
import pytest

from processor.decode.decoder import build_decoder
from processor.decode.observe import observer
from processor.decode.schemas import read_schemas
from processor.model.errors import DependencyError, Reason
from processor.resources import schemas_dir
from tests.support.events import event, table

DECODER = build_decoder("auto", read_schemas(schemas_dir()))


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
