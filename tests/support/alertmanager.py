"""A real Alertmanager on this machine, from the distribution's package, and what amtool says of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from processor.local.ports import accepts, free_ports
from tests.support.answers import status_of
from tests.waiting import eventually

_CONFIG = """\
route:
  receiver: nobody
receivers:
  - name: nobody
"""


class Alertmanager:
    """It forgets what it knows whenever it is killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "alertmanager.yml").write_text(_CONFIG)

    @contextmanager
    def running(self) -> Iterator[None]:
        """It runs until the block ends, and is killed then."""
        command = [
            "prometheus-alertmanager",
            f"--config.file={self._folder / 'alertmanager.yml'}",
            f"--storage.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]
        with (self._folder / "alertmanager.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                assert eventually(self._is_ready), (self._folder / "alertmanager.log").read_text()
                yield
            finally:
                process.kill()
                process.wait()

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return accepts(self.port) and status_of(f"{self.url}/-/ready") == 200
        return False

    def alerts(self) -> list[Any]:
        """What fires there, as amtool shows it."""
        command = ["amtool", f"--alertmanager.url={self.url}", "alert", "query", "--output=json"]
        done = subprocess.run(command, capture_output=True, check=True)
        found: list[Any] = json.loads(done.stdout)
        return found
