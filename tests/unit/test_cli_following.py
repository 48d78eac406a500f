"""`alerts --follow` goes on when who it asks comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from processor.cli import following
from processor.cli.options import Output
from processor.model.alert import Alert, AlertKind, Finding, Severity, Status
from processor.model.errors import DependencyError
from tests.support.events import jb


class Failing:
    """Alerts that cannot always be read."""

    def __init__(self, *looks: list[Alert] | None) -> None:
        self.looks: Iterator[list[Alert] | None] = iter(looks)

    def all(self) -> list[Alert]:
        try:
            look = next(self.looks)
        except StopIteration:
            raise KeyboardInterrupt from None
        if look is None:
            raise DependencyError("Redis", "connection refused")
        return look


def alert(number: int) -> Alert:
    finding = Finding(f"{number:024x}", AlertKind.SILENT_JOB, Severity.WARNING, jb("load"), f"Alert {number}.", number)
    return Alert(finding, Status.FIRING, number, None, "")


def test_an_index_that_goes_away_is_waited_for(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_LOOK_S", 0.0)
    store = Failing([], [alert(1)], None, None, [alert(1), alert(2)])
    following.follow_store(cast("Any", store), following.Follower(lambda _: True, Output.NDJSON))
    out, err = (each.decode() for each in capfdbinary.readouterr())
    assert [line.count("Alert 1.") + 2 * line.count("Alert 2.") for line in out.splitlines()] == [1, 2]
    assert err.splitlines()[1:] == [
        "lineage: Redis does not answer (connection refused); waiting for it; Ctrl-C ends it",
        "lineage: Redis answers again",
    ]
