"""A short run of the fuzzer with a fixed seed, and proof that it would notice."""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random

from tests.fuzz.avro import DataMaker
from tests.fuzz.board import load
from tests.fuzz.cases import Case
from tests.fuzz.supervise import Fuzz
from tests.fuzz.worker import minimize


def test_twelve_thousand_inputs_bring_nothing_to_light(tmp_path: Path) -> None:
    fuzz = Fuzz(seed=20_261_122, count=12_000, seconds=240, folder=tmp_path)
    fuzz.run()
    assert not fuzz.found
    assert fuzz.given == 12_000


CRASHES_ONCE = """
import os
from tests.fuzz import worker
from tests.fuzz.board import Board
from tests.fuzz.cases import Case

arguments = worker.arguments()
Board(arguments.board).post(1, arguments.first, Case("openlineage", (b"%d" % arguments.first,)))
if arguments.first == 0:
    os.kill(os.getpid(), 11)
"""


def test_a_crash_is_survived_and_its_input_is_kept(tmp_path: Path) -> None:
    fuzz = Fuzz(seed=1, count=2, seconds=60, folder=tmp_path, worker=("-c", CRASHES_ONCE))
    fuzz.run()
    (found,) = fuzz.found
    assert f"ended--{int(signal.SIGSEGV)}" in found.name
    assert load(found) == Case("openlineage", (b"0",))
    assert fuzz.given == 2


def test_an_input_is_cut_down_to_what_makes_it_fail() -> None:
    case = Case("openlineage", (b"some words before the culprit and some behind", b"schema"))
    assert minimize(case, lambda tried: b"culprit" in tried.parts[0]) == Case("openlineage", (b"culprit", b""))


def test_a_value_stays_small_however_often_its_schema_refers_to_itself() -> None:
    field = {"type": "Tree"}
    tree = {"type": "record", "name": "Tree", "fields": [{"name": name, **field} for name in "abcdefgh"]}
    assert len(DataMaker(Random(1), tree).data()) < 100_000
