"""What the bench measures with is the same each time, and like what producers send."""

from __future__ import annotations

import json
import uuid
from statistics import mean

from tests.bench.company import LAYERS, Company, Sent, newcomers
from tests.support.events import observe


def test_the_same_seed_gives_the_same_events() -> None:
    assert _some(Company(30, seed=7)) == _some(Company(30, seed=7)) != _some(Company(30, seed=8))
    assert list(newcomers(40, seed=7)) == list(newcomers(40, seed=7)) != list(newcomers(40, seed=8))


def test_events_have_the_sizes_of_real_ones() -> None:
    for some in (_some(Company(100)), list(newcomers(100))):
        sizes = {state: mean(_sizes(some, state)) for state in ("START", "COMPLETE")}
        assert 1_000 < sizes["START"] < 1_400
        assert 6_500 < sizes["COMPLETE"] < 7_800


def test_events_keep_the_contract_with_every_facet() -> None:
    for sent in [*_some(Company(20)), *newcomers(20)]:
        seen = observe(json.loads(sent.value))
        assert not seen.problems
        assert seen.run is not None
        assert seen.run.parent is not None


def test_jobs_make_a_layered_graph_and_state_every_column() -> None:
    for shape in Company(200).shapes:
        layers = {int(name.split("layer_")[1].split(".")[0]) for name in shape.inputs}
        output = int(shape.output.split("layer_")[1].split(".")[0])
        assert layers == {output - 1}
        assert output <= LAYERS
    stated = json.loads(list(newcomers(2))[1].value)["outputs"][0]["facets"]
    assert stated["columnLineage"]["fields"].keys() == {each["name"] for each in stated["schema"]["fields"]}


def test_newcomers_are_all_new_and_runs_never_meet() -> None:
    values = [json.loads(sent.value) for sent in newcomers(200)]
    done = [value for value in values if value["eventType"] == "COMPLETE"]
    assert len({value["job"]["name"] for value in done}) == len({value["outputs"][0]["name"] for value in done}) == 100
    company = Company(30)
    runs = [json.loads(sent.value)["run"]["runId"] for sent in [*company.each_once(), *company.events(400)]]
    assert max(runs.count(run) for run in runs) == 2
    assert {uuid.UUID(run).version for run in runs} == {7}


def test_events_come_in_the_order_of_their_times() -> None:
    times = [json.loads(sent.value)["eventTime"] for sent in Company(50).events(500)]
    assert times == sorted(times)


def _some(company: Company) -> list[Sent]:
    return [*company.each_once(), *company.events(100)]


def _sizes(some: list[Sent], state: str) -> list[int]:
    return [len(sent.value) for sent in some if json.loads(sent.value)["eventType"] == state]
