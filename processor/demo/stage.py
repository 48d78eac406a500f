"""What the demo stands on: Kafka, Valkey and the processor itself, all child processes of this one.

1. Each starts after the one that it needs, and tells how far it is.
2. The processor is started as anybody would start it, `lineage run`, with a settings file of its own; settings that
   the caller has in the environment are meant for another installation and are taken out.
3. Whatever happens, they end in the opposite order, and their folder goes.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from processor.home import DEMO_CLOCK
from processor.local import KafkaCluster, LocalServiceError, OnProgress, Valkey
from processor.local.ports import HOST, free_ports
from processor.local.process import ChildProcess

__all__ = ["Stage", "staged"]

_READY_TIMEOUT_S: Final = 60.0
_STOP_GRACE_S: Final = 6.0
_SETTINGS_FILE: Final = "lineage.toml"
_LOG_FILE: Final = "lineage.log"


@dataclass(frozen=True, slots=True)
class Stage:
    """Addresses of what was started; `worker` is the processor's supervisor."""

    bootstrap: str
    redis_url: str
    indexer_url: str
    alerter_url: str
    api_port: int
    worker: ChildProcess


@contextmanager
def staged(on_progress: OnProgress) -> Iterator[Stage]:
    """Everything started and ready. Raises `LocalServiceError` when something cannot be started."""
    with ExitStack() as started:
        folder = Path(
            started.enter_context(tempfile.TemporaryDirectory(prefix="lineage-demo-", ignore_cleanup_errors=True))
        )
        valkey = started.enter_context(Valkey(on_progress=on_progress))
        kafka = started.enter_context(KafkaCluster(on_progress=on_progress))
        ports = free_ports(4)
        _use_settings(folder / _SETTINGS_FILE, _settings(kafka.bootstrap, valkey.url, ports))
        _create_topics(on_progress)
        worker = _start_worker(folder, on_progress)
        started.callback(worker.stop, _STOP_GRACE_S)
        indexer, alerter = (f"http://{HOST}:{port}" for port in ports[:2])
        for url in (indexer, alerter):
            _wait_until_ready(url, worker)
        yield Stage(kafka.bootstrap, valkey.url, indexer, alerter, ports[3], worker)


def _settings(bootstrap: str, redis_url: str, ports: list[int]) -> str:
    return f"""\
redis_url = "{redis_url}"
clock = "{DEMO_CLOCK}"
reconcile_interval_s = 1.0
shutdown_timeout_s = 5.0
batch_wait_s = 0.05

[kafka]
"bootstrap.servers" = "{bootstrap}"

[topics]
partitions = 3
replication = 1

[http]
indexer_port = {ports[0]}
alerter_port = {ports[1]}
api_port = {ports[2]}

[api]
port = {ports[3]}
"""


def _use_settings(path: Path, text: str) -> None:
    """Let this process and its children read this file and nothing else."""
    path.write_text(text, encoding="utf-8")
    for name in [name for name in os.environ if name.upper().startswith("LINEAGE_")]:
        del os.environ[name]
    os.environ["LINEAGE_CONFIG"] = str(path)
    # What the children put into temporary folders goes with this one, even when they are killed.
    os.environ["TMPDIR"] = str(path.parent)


def _create_topics(on_progress: OnProgress) -> None:
    from processor import settings  # noqa: PLC0415  reads the file that was only just written
    from processor.topics import create_topics  # noqa: PLC0415

    on_progress("Creating topics", None)
    create_topics(settings.load())


def _start_worker(folder: Path, on_progress: OnProgress) -> ChildProcess:
    on_progress("Starting the processor: lineage run", None)
    command = [sys.executable, "-m", "processor", "run"]
    return ChildProcess("The processor (lineage run)", command, log_path=folder / _LOG_FILE, remove=folder)


def _wait_until_ready(url: str, worker: ChildProcess) -> None:
    deadline_s = time.monotonic() + _READY_TIMEOUT_S
    while not _is_ready(url):
        if not worker.is_running:
            raise LocalServiceError(f"{worker.name} ended at its start, its log says:\n{worker.log_tail()}")
        if time.monotonic() > deadline_s:
            raise LocalServiceError(
                f"{worker.name} was not ready within {_READY_TIMEOUT_S:.0f} s, its log says:\n{worker.log_tail()}"
            )
        time.sleep(0.1)


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310  our own process on the loopback address
            return bool(answer.status == 200)  # noqa: PLR2004  OK
    except (URLError, OSError):
        return False
