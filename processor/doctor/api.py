"""What `lineage doctor` makes of the API's settings: valid ones may still not say what was meant."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from processor.doctor.checks import Check, bad, good, unknown
from processor.settings import Settings

__all__ = ["of_api"]

_ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  looked for, not listened on


def of_api(settings: Settings) -> Iterator[Check]:
    """Look at where it listens, and at who may do what there."""
    api = settings.api
    where = f"{api.host}:{api.port}"
    addresses = _addresses(api.host)
    if not addresses:
        yield bad("api", f"{api.host} is no address of anything", "set LINEAGE_API__HOST, 0.0.0.0 in a container")
        return
    if api.port and api.port == settings.http.api_port:
        yield bad("api", f"{where} is the port of its metrics too", "set another LINEAGE_API__PORT")
        return
    is_open = not (api.read_tokens.get_secret_value() or api.write_tokens.get_secret_value())
    if is_open and not all(ip_address(each).is_loopback for each in addresses):
        advice = "set LINEAGE_API__READ_TOKENS and …WRITE_TOKENS, or keep it behind something that asks who comes"
        yield unknown("api", f"{where}: {_told(settings)}; whoever reaches it", advice)
        return
    yield good("api", f"{where}: {_told(settings)}; {'whoever is on this machine' if is_open else 'who has a token'}")


def _told(settings: Settings) -> str:
    return "may read" if settings.api.read_only else "may read and send events"


def _addresses(host: str) -> list[str]:
    if host in _ANY:
        return [host]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(each[4][0]).partition("%")[0] for each in found})
