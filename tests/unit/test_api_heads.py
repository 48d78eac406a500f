"""The head of a request: bounded in time and in size, on a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from processor.api.heads import HEAD_BYTES
from processor.api.server import CONDITIONS, Ending, listen, serve
from processor.telemetry.health import Health
from tests.waiting import eventually


async def hello(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  ASGI
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


@contextmanager
def serving(head_timeout_s: float) -> Iterator[int]:
    at, stop = listen("127.0.0.1", 0), threading.Event()
    health = Health(CONDITIONS, livez_timeout_s=60)
    ending = Ending(stop, lambda: None, 5)
    thread = threading.Thread(target=serve, args=(hello, at, health, ending, head_timeout_s))
    thread.start()
    try:
        yield at.port
    finally:
        stop.set()
        thread.join()


def answer(connection: socket.socket) -> bytes:
    """All that comes until the server closes; a close with something unread may overtake what was answered."""
    parts = []
    with suppress(ConnectionError):
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def test_a_head_that_does_not_end_is_refused_and_a_quick_one_is_answered() -> None:
    with serving(0.3) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            assert answer(slow).startswith(b"HTTP/1.1 408 ")
        with socket.create_connection(("127.0.0.1", port), timeout=30) as silent:
            assert answer(silent).startswith(b"HTTP/1.1 408 ")
        with socket.create_connection(("127.0.0.1", port), timeout=30) as second:
            second.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert eventually(lambda: second.recv(65_536).endswith(b"hi"))
            second.sendall(b"GET / HTTP/1.1\r\nHost: ")
            assert answer(second).startswith(b"HTTP/1.1 408 ")


def test_a_head_that_is_too_large_is_refused_before_it_ends() -> None:
    with serving(60) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as large:
        large.sendall(b"GET / HTTP/1.1\r\nX-Large: " + b"x" * (HEAD_BYTES + 1))
        assert answer(large)[:13] in {b"HTTP/1.1 431 ", b""}
    with serving(60) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as body:
        length = HEAD_BYTES * 2
        body.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % length)
        body.sendall(b"x" * length)
        assert answer(body).endswith(b"hi")
