"""What commands take, before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from processor.cli.app import app


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["up", ""], "NODE: it is empty"),
        (["down", ""], "NODE: it is empty"),
        (["down", "orders", "--job", "load", "--job", ""], "--job: it is empty"),
        (["show", "  "], "NODE: it is empty"),
        (["path", "", "orders"], "FROM: it is empty"),
        (["path", "orders", ""], "TO: it is empty"),
        (["why", ""], "NODE|ALERT: it is empty"),
        (["diff", "", "--from", "1d"], "NODE: it is empty"),
        (["alerts", "--subject", ""], "--subject: it is empty"),
        (["gate", "provenance", ""], "NODE: it is empty"),
        (["gate", "impact", "--schema", "orders.avsc", "--dataset", ""], "--dataset: it is empty"),
        (["show", "dataset:"], "NODE: a name is missing after dataset:"),
        (["down", "orders", "--job", "job:"], "--job: a name is missing after job:"),
        (["path", "orders", "column: "], "TO: a name is missing after column:"),
    ],
)
def test_a_node_that_nothing_can_be_called_is_named_and_told_what_it_may_be(
    arguments: list[str],
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LINEAGE_HOME", str(tmp_path / "home"))
    with pytest.raises(SystemExit) as end:
        app(arguments)
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.startswith(f"lineage: {fault}; a NODE is dataset:NAMESPACE:NAME, "), said
    assert not (tmp_path / "home").exists()
