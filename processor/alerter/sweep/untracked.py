"""What is declared and was never heard of; memory is bounded by what is declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from processor.detect.untracked_pipeline import Roll
from processor.judging.scope import Scope
from processor.model.alert import Finding
from processor.model.history import JobHistory, NodeRecord


class Untracked:
    """The entries of the policy, while a pass streams all that the index knows."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._roll = Roll(scope.policy)

    @property
    def since_us(self) -> int:
        """Since when lineage has been coming in, as far as has been streamed; now where there is none."""
        return self._scope.now_us if self._roll.first_us is None else self._roll.first_us

    def jobs(self, histories: Iterable[JobHistory]) -> Iterator[JobHistory]:
        """The same jobs, each ticked off as it passes."""
        for history in histories:
            self._roll.tick_off(history.job, history.first_seen_us)
            yield history

    def take(self, datasets: Iterable[NodeRecord]) -> None:
        """Tick off datasets, dropped ones too."""
        for record in datasets:
            self._roll.tick_off(record.node, record.first_seen_us)

    def findings(self) -> Iterator[Finding]:
        """What nobody ticked off."""
        yield from self._roll.findings(self._scope.now_us)
