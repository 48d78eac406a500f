"""A TCP proxy that does to a connection what no server can be told to do."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from enum import Enum, auto
from typing import Self

from processor.local.ports import HOST

_CHUNK = 65_536
_LOOK_S = 0.05


class Mode(Enum):
    """What happens to the bytes of every connection, old and new."""

    PASS = auto()
    SWALLOW = auto()
    """Nothing arrives on either side: a half-open connection."""
    MUTE = auto()
    """Requests arrive, answers do not."""
    REFUSE = auto()
    """What is connected is reset, and so is whoever connects."""
    SLOW = auto()
    """Each answer is a while late."""


class Proxy:
    """Listens on a port of its own and passes everything on to `target_port`, which may be changed for what connects
    from then on. Use it in a `with`.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.mode = Mode.PASS
        self.slow_s = 0.05
        self._to_lose: bytes | None = None
        self._to_reset: bytes | None = None
        self._lost = 0
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._is_closed = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """The address for a client of Redis."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def lost(self) -> int:
        """How many answers were lost, or requests cut, on purpose."""
        return self._lost

    def lose_answer_to(self, request: bytes) -> None:
        """Once: let the next request that holds this through, and reset the connection when the answer comes."""
        self._to_lose = request

    def reset_within(self, request: bytes) -> None:
        """Once: pass half of the next request that holds this, and reset the connection."""
        self._to_reset = request

    @contextlib.contextmanager
    def doing(self, mode: Mode) -> Iterator[None]:
        """This mode for a while."""
        self.mode = mode
        try:
            yield
        finally:
            self.mode = Mode.PASS

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_closed.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]  # any callable
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        self._listener.settimeout(_LOOK_S)
        while not self._is_closed.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._listener.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            if self.mode is Mode.REFUSE:
                _reset(client)
                return
            with socket.create_connection((HOST, self.target_port), 5) as server:
                client.settimeout(10)
                server.settimeout(10)
                _Connection(self, client, server).pump(self._is_closed)

    def take_to_lose(self, data: bytes) -> bool:
        """Whether the answer to this request is the one to lose."""
        if self._to_lose is None or self._to_lose not in data:
            return False
        self._to_lose = None
        self._lost += 1
        return True

    def take_to_reset(self, data: bytes) -> bool:
        """Whether this request is the one to cut."""
        if self._to_reset is None or self._to_reset not in data:
            return False
        self._to_reset = None
        self._lost += 1
        return True


class _Connection:
    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._loses_answer = False

    def pump(self, is_closed: threading.Event) -> None:
        """Pass bytes both ways until one side ends, or the connection is to end."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._client, selectors.EVENT_READ, self._from_client)
            selector.register(self._server, selectors.EVENT_READ, self._from_server)
            while not is_closed.is_set():
                if self._proxy.mode is Mode.REFUSE:
                    _reset(self._client)
                    return
                for key, _ in selector.select(_LOOK_S):
                    if not key.data():
                        return

    def _from_client(self) -> bool:
        data = self._client.recv(_CHUNK)
        if self._proxy.mode is Mode.SWALLOW:
            return bool(data)
        if self._proxy.take_to_reset(data):
            self._server.sendall(data[: len(data) // 2])
            _reset(self._client)
            return False
        self._loses_answer = self._loses_answer or self._proxy.take_to_lose(data)
        self._server.sendall(data)
        return bool(data)

    def _from_server(self) -> bool:
        data = self._server.recv(_CHUNK)
        if self._loses_answer:
            _reset(self._client)
            return False
        if self._proxy.mode in (Mode.SWALLOW, Mode.MUTE):
            return bool(data)
        if self._proxy.mode is Mode.SLOW:
            time.sleep(self._proxy.slow_s)
        self._client.sendall(data)
        return bool(data)


def _reset(client: socket.socket) -> None:
    """Close without a goodbye: the other side gets a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()
