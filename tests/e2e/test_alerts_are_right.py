"""One small history of the measure (`make eval`): nothing is missed, and nothing is told without need."""

import pytest

from processor.model.alert import AlertKind
from tests.eval.play import Size
from tests.eval.score import evaluate

SMALL = Size(jobs=40, days=25, sweep_hours=6)
KINDS = frozenset(kind.value for kind in AlertKind)


@pytest.mark.parametrize("seed", [1])
def test_a_small_company_is_told_what_is_wrong_and_nothing_else(seed: int) -> None:
    scores = evaluate(seed, SMALL, KINDS)
    assert scores.problems == []
    assert sum(score.hits for score in scores.kinds.values()) >= 5
