"""Free ports on the loopback address."""

import contextlib
import socket

__all__ = ["HOST", "accepts", "free_ports"]

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Return ports that nobody on this machine listens on right now, all different.

    Another process may take one before it is used: who starts a server on it looks for the clash and asks again.
    """
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def accepts(port: int, timeout_s: float = 0.2) -> bool:
    """Whether something accepts connections on the port."""
    try:
        with socket.create_connection((HOST, port), timeout_s):
            return True
    except OSError:
        return False
