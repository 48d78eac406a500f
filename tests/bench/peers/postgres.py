"""A PostgreSQL server of its own on a free loopback port, from the machine's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from processor.local.ports import HOST, free_ports
from tests.bench.site import cpu_s

USER: Final = "peer"
_MISSING: Final = "no PostgreSQL server here; install one: apt-get install --no-install-recommends postgresql-15"
_SETTINGS: Final = ("fsync=off", "shared_buffers=512MB", "max_wal_size=4GB", "unix_socket_directories=")
"""Without waiting for the disk: our Valkey does not wait for it either."""
_GUARD_S: Final = 60.0


class Postgres:
    """Use it in a `with`. Raises `FileNotFoundError` where there is no PostgreSQL."""

    def __init__(self) -> None:
        self._bin = _binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
        # The server refuses to run as root; Debian's package brings this user.
        self._user = "postgres" if os.geteuid() == 0 else None
        self.port = free_ports(1)[0]

    @property
    def url(self) -> str:
        """The address as SQLAlchemy writes it."""
        return f"postgresql+asyncpg://{USER}:{USER}@{HOST}:{self.port}/postgres"

    @property
    def cpu_s(self) -> float:
        """The CPU of the server and of all its processes, those that have ended included."""
        return cpu_s(self._process.pid, ended_children=True) + sum(map(cpu_s, _children(self._process.pid)))

    def __enter__(self) -> Self:
        if self._user:
            shutil.chown(self._folder, self._user)
        data = self._folder / "data"
        self._run("initdb", "--auth=trust", f"--username={USER}", "--no-sync", f"--pgdata={data}")
        options = [word for setting in _SETTINGS for word in ("-c", setting)]
        command = [str(self._bin / "postgres"), "-D", str(data), "-h", HOST, "-p", str(self.port), *options]
        log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(command, user=self._user, stdout=log, stderr=log, cwd=self._folder)
        log.close()
        self._wait()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        subprocess.run(command, user=self._user, cwd=self._folder, check=True, capture_output=True)

    def _wait(self) -> None:
        ready = [str(self._bin / "pg_isready"), "-q", "-h", HOST, "-p", str(self.port)]
        guard_s = time.monotonic() + _GUARD_S
        while subprocess.run(ready, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > guard_s:
                raise RuntimeError((self._folder / "log").read_text("utf-8", "replace")[-2000:])
            time.sleep(0.1)


def _binaries() -> Path:
    """The newest installation's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    if not found and on_path is None:
        raise FileNotFoundError(_MISSING)
    return found[-1].parent if found else Path(str(on_path)).parent


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(child) for child in tasks.split()]
