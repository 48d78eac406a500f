"""What the doctor says of the API's settings."""

from __future__ import annotations

import pytest

from processor.doctor.api import of_api
from processor.settings import Settings

TOKEN = "sixteen-or-more-characters"  # noqa: S105  of a test


@pytest.mark.parametrize(
    ("given", "ok", "said"),
    [
        ({}, True, "127.0.0.1:9600: may read and send events; whoever is on this machine"),
        ({"read_only": True}, True, "may read; whoever is on this machine"),
        ({"host": "0.0.0.0"}, None, "0.0.0.0:9600: may read and send events; whoever reaches it"),  # noqa: S104
        ({"host": "0.0.0.0", "read_tokens": TOKEN}, True, "who has a token"),  # noqa: S104
        ({"host": "no.such.host.invalid"}, False, "is no address of anything"),
        ({"port": 9639}, False, "is the port of its metrics too"),
    ],
)
def test_where_it_listens_and_who_may_do_what(given: dict[str, object], ok: object, said: str) -> None:
    [check] = of_api(Settings(api=given))
    assert (check.ok, check.detail.endswith(said)) == (ok, True), check
    assert bool(check.advice) is (ok is not True)
