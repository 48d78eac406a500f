"""A schema registry with Confluent's API on this machine: Apicurio Registry, which keeps everything in memory."""

import shutil
import signal
import tarfile
import tempfile
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from processor.local.artifacts import cache_dir, fetch, read_lock
from processor.local.errors import LocalServiceError
from processor.local.java import java_command
from processor.local.ports import HOST, free_ports
from processor.local.process import ChildProcess
from processor.local.service import OnProgress, ServiceFolder, no_progress, port_was_taken, wait_until

__all__ = ["SchemaRegistry"]

_START_TIMEOUT_S: Final = 90.0
_ATTEMPTS: Final = 3
_HEAP_MB: Final = 384


class SchemaRegistry:
    """A schema registry on a free loopback port; it forgets everything when it stops."""

    def __init__(self, *, on_progress: OnProgress = no_progress) -> None:
        """Only take note; `start` starts it."""
        self._on_progress = on_progress
        self._folder: ServiceFolder | None = None
        self._process: ChildProcess | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The address for `schema.registry.url`."""
        return f"http://{HOST}:{self.port}/apis/ccompat/v7"

    def start(self) -> None:
        """Fetch the registry if need be, start it and return once it answers."""
        program = _program(self._on_progress)
        self._folder = ServiceFolder("registry", None)
        self._on_progress("Starting the schema registry", None)
        try:
            self._start(program, self._folder)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the registry; harmless when it does not run."""
        if self._process is not None:
            self._process.kill()
        if self._folder is not None:
            self._folder.remove()

    def pause(self) -> None:
        """Freeze the registry (SIGSTOP): from then on it accepts connections and answers nothing."""
        if self._process is not None:
            self._process.freeze()

    def resume(self) -> None:
        """Let a frozen registry go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self, program: Path, folder: ServiceFolder) -> None:
        for attempt in range(_ATTEMPTS):
            process = self._process = self._launch(program, folder)
            try:
                wait_until(self._answers, process, timeout_s=_START_TIMEOUT_S)
            except LocalServiceError:
                if not port_was_taken(process) or attempt + 1 == _ATTEMPTS:
                    raise
            else:
                return

    def _launch(self, program: Path, folder: ServiceFolder) -> ChildProcess:
        self.port, management_port = free_ports(2)
        options = [
            f"-Dquarkus.http.host={HOST}",
            f"-Dquarkus.http.port={self.port}",
            f"-Dquarkus.management.host={HOST}",
            f"-Dquarkus.management.port={management_port}",
        ]
        return ChildProcess(
            f"Schema registry on port {self.port}",
            [*java_command(_HEAP_MB, options), "-jar", str(program)],
            log_path=folder.path / "registry.log",
            remove=folder.to_remove,
        )

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=2) as answer:  # noqa: S310  our own address
                return bool(answer.status == HTTPStatus.OK)
        except (urllib.error.URLError, OSError):
            return False


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack what was checked against its digest; Python before 3.11.4 knows no filters."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
    else:
        archive.extractall(folder)  # noqa: S202  its digest is that of the lock


def _program(on_progress: OnProgress) -> Path:
    """Return the registry's jar, unpacked in the cache in one step."""
    cache = cache_dir() / "registry"
    [packed] = fetch(read_lock("registry.lock"), cache, "the schema registry", on_progress)
    unpacked = cache / packed.name.removesuffix(".tar.gz")
    if not unpacked.is_dir():
        scratch = Path(tempfile.mkdtemp(dir=cache, prefix=".unpacking-"))
        try:
            with tarfile.open(packed) as archive:
                _unpack(archive, scratch)
            scratch.replace(unpacked)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    found = sorted(unpacked.rglob("*-runner.jar")) or sorted(unpacked.rglob("quarkus-run.jar"))
    if not found:
        raise LocalServiceError(f"no program in {unpacked}; remove the folder and run it again")
    return found[0]
