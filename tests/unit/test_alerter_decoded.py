"""Alerts that are remembered by their bytes."""

from __future__ import annotations

import pytest

from processor.alerter import decoded
from processor.alerter.decoded import Decoded
from processor.alerter.state import decode, encode
from processor.model.alert import Alert, AlertKind, Finding, Severity, Status
from tests.support.events import ds


def stored(number: int) -> bytes:
    finding = Finding(f"a{number:02}", AlertKind.SCHEMA_DRIFT, Severity.INFO, ds("orders"), "it broke", 7)
    return encode(Alert(finding, Status.FIRING, 7, None, "runbook"))


def test_an_alert_is_decoded_once_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    times = list[bytes]()

    def counted(data: bytes) -> Alert | None:
        times.append(data)
        return decode(data)

    monkeypatch.setattr(decoded, "decode", counted)
    monkeypatch.setattr(decoded, "MOST_BYTES", 3 * len(stored(0)))
    alerts = Decoded()
    for numbers, decodings in (((0, 1, 2, 0, 1, 2), 3), ((3, 3), 4), ((0, 3), 5)):
        assert [alerts.of(stored(number)) for number in numbers] == [decode(stored(number)) for number in numbers]
        assert len(times) == decodings


def test_what_only_a_newer_version_knows_is_none() -> None:
    assert Decoded().of(stored(0).replace(b"schema_drift", b"schema_other")) is None
