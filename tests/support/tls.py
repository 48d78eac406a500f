"""TLS in front of a server that speaks none."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from pathlib import Path
from typing import Self

from processor.local.ports import HOST

_CHUNK = 65_536
_LOOK_S = 0.05
_GUARD_S = 10


class TlsFront:
    """Listens on a port of its own, ends TLS there and passes everything on to `target_port`. Use it in a `with`.

    `clients`: the authority whose certificate every client must have; nobody is asked for one without it.
    """

    def __init__(self, target_port: int, certificate: tuple[Path, Path], clients: Path | None = None) -> None:
        self._target_port = target_port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*certificate)
        if clients is not None:
            self._context.load_verify_locations(clients)
            self._context.verify_mode = ssl.CERT_REQUIRED
        # On every address, so that a client can come by one that the certificate does not name.
        self._listener = socket.create_server(("", 0))
        self._listener.settimeout(_LOOK_S)
        self.port: int = self._listener.getsockname()[1]
        self._is_closed = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_closed.set()
        for thread in self._threads:
            thread.join(_GUARD_S)
        self._listener.close()

    def _accept(self) -> None:
        while not self._is_closed.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
                self._threads[-1].start()

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(_GUARD_S)
        with plain, contextlib.suppress(OSError):
            client = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            with client, socket.create_connection((HOST, self._target_port), _GUARD_S) as server:
                try:
                    client.do_handshake()
                except ssl.SSLError:
                    _hear_out(client)
                    return
                self._pump(client, server)

    def _pump(self, client: ssl.SSLSocket, server: socket.socket) -> None:
        while not self._is_closed.is_set():
            ready = [client] if client.pending() else select.select([client, server], [], [], _LOOK_S)[0]
            for each in ready:
                data = each.recv(_CHUNK)
                if not data:
                    return
                (server if each is client else client).sendall(data)


def _hear_out(client: ssl.SSLSocket) -> None:
    """Let the client read why: a socket that is closed with bytes unread resets the connection."""
    with socket.socket(fileno=client.detach()) as bare:
        bare.settimeout(_GUARD_S)
        bare.shutdown(socket.SHUT_WR)
        while bare.recv(_CHUNK):
            pass
