"""What commands take, before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from processor.cli.app import app


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        (["up", ""], "NODE"),
        (["down", ""], "NODE"),
        (["down", "orders", "--job", "load", "--job", ""], "--job"),
        (["show", "  "], "NODE"),
        (["path", "", "orders"], "FROM"),
        (["path", "orders", ""], "TO"),
        (["why", ""], "NODE|ALERT"),
        (["diff", "", "--from", "1d"], "NODE"),
        (["alerts", "--subject", ""], "--subject"),
        (["gate", "provenance", ""], "NODE"),
        (["gate", "impact", "--schema", "orders.avsc", "--dataset", ""], "--dataset"),
    ],
)
def test_an_empty_node_is_named_and_told_what_it_may_be(
    arguments: list[str],
    parameter: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LINEAGE_HOME", str(tmp_path / "home"))
    with pytest.raises(SystemExit) as end:
        app(arguments)
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.startswith(f"lineage: {parameter}: it is empty; a NODE is dataset:NAMESPACE:NAME, "), said
    assert not (tmp_path / "home").exists()
