"""One Kafka broker as a child process."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from processor.local.errors import LocalServiceError
from processor.local.java import ClassArchive, java_command
from processor.local.kafka_config import Node, properties
from processor.local.ports import accepts
from processor.local.process import ChildProcess
from processor.local.service import wait_until

__all__ = ["Broker"]

_START_TIMEOUT_S: Final = 60.0
_FORMAT_TIMEOUT_S: Final = 60.0
_FORMAT_HEAP_MB: Final = 128
# Without a level the binding writes every step of every request.
_LOG_OPTIONS: Final = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)


class Broker:
    """One broker in a folder of its own; the cluster tells it when to do what."""

    def __init__(self, node: Node, folder: Path, class_path: Sequence[Path], heap_mb: int) -> None:
        """Only take note."""
        self.node = node
        self.folder = folder
        self._class_path = class_path
        self._heap_mb = heap_mb
        self._archive = ClassArchive.of(class_path)
        self._writes_archive = False
        self._process: ChildProcess | None = None

    @property
    def process(self) -> ChildProcess:
        """The broker's process."""
        if self._process is None:
            raise LocalServiceError(f"Kafka broker {self.node.number} was not started")
        return self._process

    def configure(self, nodes: Sequence[Node], settings: Mapping[str, str]) -> None:
        """Write the broker's settings."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(properties(self.node, nodes, self._logs, settings), encoding="utf-8")

    def format(self, cluster_id: str) -> None:
        """Prepare an empty folder; one that was formatted before stays as it is."""
        if (self._logs / "meta.properties").exists():
            return
        options = self._java(_FORMAT_HEAP_MB, self._archive.read_options())
        command = [*options, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_TIMEOUT_S, check=False)
        if done.returncode:
            raise LocalServiceError(f"Kafka cannot use the folder {self._logs}:\n{done.stdout}{done.stderr}")

    def launch(self, remove: Path | None) -> None:
        """Start the process and return at once."""
        self._writes_archive = not self._archive.exists and self.node.number == 1
        share = self._archive.write_options() if self._writes_archive else self._archive.read_options()
        self._process = ChildProcess(
            f"Kafka broker {self.node.number}",
            [*self._java(self._heap_mb, [*_LOG_OPTIONS, *share]), "kafka.Kafka", str(self._properties)],
            log_path=self.folder / "kafka.log",
            remove=remove,
        )

    def wait_until_listening(self) -> None:
        """Return once the broker accepts connections; raises `LocalServiceError` when it does not."""
        wait_until(lambda: accepts(self.node.port), self.process, timeout_s=_START_TIMEOUT_S)

    def end(self, *, orderly: bool) -> None:
        """End the process: in order where its data is kept, or where it is to leave the archive of its classes."""
        if self._process is None:
            return
        if orderly or self._writes_archive:
            self._process.stop()
            self._archive.accept()
        else:
            self._process.kill()

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _logs(self) -> Path:
        return self.folder / "logs"

    def _java(self, heap_mb: int, options: Sequence[str]) -> list[str]:
        return [*java_command(heap_mb, options), "-cp", ":".join(map(str, self._class_path))]
