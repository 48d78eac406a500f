"""data-rentgen 0.7.2: its Kafka consumer, in an environment of its own under `build/peers`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Final, Self

from tests.bench.peers.postgres import Postgres
from tests.bench.site import Room, cpu_s

FOLDER: Final = Path("build/peers")
GROUP: Final = "data-rentgen"
_PACKAGE: Final = "data-rentgen[consumer,postgres]==0.7.2"
_PYTHONS: Final = ("python3.13", "python3.12", "python3.14", "python3")
_SUITABLE: Final = "import sys, venv; sys.exit(sys.version_info < (3, 12))"
_DAYS: Final = ("--start", "2026-02-01", "--end", "2026-12-01", "--granularity", "month")


def install() -> Path:
    """Its Python, with it installed; raises `FileNotFoundError` without a Python that it runs on."""
    python = (FOLDER / "data-rentgen/bin/python").absolute()
    if not python.exists():
        base = next((each for each in _PYTHONS if _is_suitable(each)), None)
        if base is None:
            raise FileNotFoundError("data-rentgen needs Python 3.12 or newer, and none is on the path")
        subprocess.run([base, "-m", "venv", python.parents[1]], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", _PACKAGE], check=True)
    return python


def _is_suitable(python: str) -> bool:
    found = shutil.which(python)
    return (
        found is not None and not subprocess.run([found, "-c", _SUITABLE], check=False, capture_output=True).returncode
    )


class Rentgen:
    """Its consumer on a room's topic. Use it in a `with`."""

    def __init__(self, python: Path, database: Postgres, room: Room) -> None:
        self._python = python
        self._database = database
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed at the end
        topic = room.settings.topics
        self._environment = {
            **os.environ,
            "DATA_RENTGEN__DATABASE__URL": database.url,
            "DATA_RENTGEN__KAFKA__BOOTSTRAP_SERVERS": f'["{room.settings.kafka["bootstrap.servers"]}"]',
            "DATA_RENTGEN__CONSUMER__TOPICS_LIST": f'["{topic.events}"]',
            "DATA_RENTGEN__CONSUMER__GROUP_ID": GROUP,
            "DATA_RENTGEN__CONSUMER__AUTO_OFFSET_RESET": "earliest",
            "DATA_RENTGEN__CONSUMER__ISOLATION_LEVEL": "read_committed",
            "DATA_RENTGEN__PRODUCER__MALFORMED_TOPIC": topic.dead_letters,
        }
        self._environment.pop("PYTHONPATH", None)

    @property
    def spent_s(self) -> float:
        """CPU of the consumer and of its database."""
        return cpu_s(self._process.pid) + self._database.cpu_s

    def __enter__(self) -> Self:
        self._run("data_rentgen.db.migrations", "upgrade", "head")
        self._run("data_rentgen.db.scripts.create_partitions", *_DAYS)
        command = [str(self._python), "-m", "data_rentgen.consumer"]
        self._process = subprocess.Popen(command, env=self._environment, stdout=self._log, stderr=self._log)
        return self

    def __exit__(self, *_error: object) -> None:
        self.resume()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def pause(self) -> None:
        """Let it do nothing while others are measured."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def check(self) -> None:
        """Raise when it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"data-rentgen ended with {self._process.returncode}:\n{self.text()}")

    def text(self) -> str:
        """The end of what it has said."""
        self._log.seek(0)
        return self._log.read()[-4000:].decode("utf-8", "replace")

    def _run(self, module: str, *arguments: str) -> None:
        command = [str(self._python), "-m", module, *arguments]
        done = subprocess.run(command, env=self._environment, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{module}: {done.stderr[-4000:]}")
