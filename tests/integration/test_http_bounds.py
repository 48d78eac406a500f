"""The HTTP side of a process: whatever is sent to it, it is bounded, and liveness keeps answering."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.request import urlopen

import pytest

from processor.telemetry.health import Health
from processor.telemetry.http import MAX_CONNECTIONS, HealthServer
from tests.waiting import eventually


@pytest.fixture
def server() -> Iterator[HealthServer]:
    health = Health((), livez_timeout_s=3600)
    with HealthServer("127.0.0.1", 0, health, request_timeout_s=2.0) as running:
        yield running


def connected(server: HealthServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=30)


def said(server: HealthServer, request: bytes) -> bytes:
    with connected(server) as client:
        client.sendall(request)
        return rest(client)


def rest(client: socket.socket) -> bytes:
    data = b""
    try:
        while chunk := client.recv(65_536):
            data += chunk
    except ConnectionResetError:
        pass
    return data


def is_alive(server: HealthServer) -> bool:
    with urlopen(f"http://{server.host}:{server.port}/livez", timeout=20) as answer:
        return bool(answer.status == 200)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b" 414 "),
        (b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 100_000 + b"\r\n\r\n", b" 431 "),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(1_000)) + b"\r\n", b" 431 "),
        (b"POST /livez HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 1000, b" 501 "),
        (b"BREW /livez HTTP/1.1\r\n\r\n", b" 501 "),
        (b"GET /\x1b[31m HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /../../etc/passwd HTTP/1.0\r\n\r\n", b" 404 "),
        (b"GET /livez?" + b"a=b&" * 10_000 + b" HTTP/1.0\r\n\r\n", b" 200 "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
    ],
    ids=[
        "long path",
        "long header",
        "many headers",
        "large body",
        "unknown method",
        "escapes",
        "traversal",
        "query",
        "tls",
    ],
)
def test_what_is_no_proper_request_gets_a_short_answer(server: HealthServer, request_: bytes, status: bytes) -> None:
    answer = said(server, request_)
    assert status in answer
    assert len(answer) < 2_000
    assert b"\x1b" not in answer
    assert eventually(lambda: _answers(server))


def test_a_client_that_never_ends_its_request_is_dropped_while_others_are_answered(server: HealthServer) -> None:
    with connected(server) as slow:
        slow.sendall(b"GET /livez HTTP/1.1\r\n")
        dripping = threading.Thread(target=_drip, args=(slow,), daemon=True)
        dripping.start()
        assert eventually(lambda: _answers(server))
        assert rest(slow) == b""
    dripping.join(30)


def _drip(client: socket.socket) -> None:
    """A header byte now and then, so that no single read takes long."""
    for _ in range(1_000):
        try:
            client.sendall(b"X")
        except OSError:
            return
        time.sleep(0.1)


def test_a_thousand_idle_connections_are_bounded_and_liveness_answers(server: HealthServer) -> None:
    before = threading.active_count()
    with ExitStack() as held:
        for _ in range(300):
            held.enter_context(connected(server))
        assert threading.active_count() - before <= MAX_CONNECTIONS + 1
        assert eventually(lambda: _answers(server))


def _answers(server: HealthServer) -> bool:
    try:
        return is_alive(server)
    except OSError:
        return False
