"""Apache Kafka itself on this machine, one broker or three, without a Java of the machine's own."""

import base64
import contextlib
import secrets
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from processor.local.artifacts import cache_dir, fetch, read_lock
from processor.local.broker import Broker
from processor.local.errors import LocalServiceError
from processor.local.java import ClassArchive
from processor.local.kafka_config import Node
from processor.local.ports import HOST, free_ports
from processor.local.service import OnProgress, ServiceFolder, check_running, no_progress, port_was_taken

__all__ = ["KafkaCluster"]

_ATTEMPTS: Final = 3
_METADATA_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.02


class KafkaCluster:
    """A Kafka cluster on free loopback ports, every broker also a controller.

    With `data_dir` it keeps its topics there and finds them again, on other ports; without, it keeps nothing. Use it
    in a `with`, or call `start` and `stop`. Brokers are numbered from 0 here, as in `bootstrap`.
    """

    def __init__(
        self,
        *,
        brokers: int = 1,
        data_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        heap_mb: int = 256,
        on_progress: OnProgress = no_progress,
    ) -> None:
        """Only take note; `start` starts it. `settings` are lines of `server.properties` that win over ours."""
        if brokers < 1:
            raise ValueError("a cluster has at least one broker")
        self._count = brokers
        self._data_dir = data_dir
        self._settings = dict(settings or {})
        self._heap_mb = heap_mb
        self._on_progress = on_progress
        self._folder: ServiceFolder | None = None
        self._brokers: list[Broker] = []

    @property
    def bootstrap(self) -> str:
        """The addresses for `bootstrap.servers`."""
        return ",".join(f"{HOST}:{broker.node.port}" for broker in self._brokers)

    @property
    def secure_bootstrap(self) -> str:
        """The same of the listener called SECURE; see `kafka_config.SECURE_PROTOCOL`."""
        return ",".join(f"{HOST}:{broker.node.secure_port}" for broker in self._brokers)

    @property
    def size(self) -> int:
        """How many brokers it has."""
        return self._count

    def broker(self, index: int) -> Broker:
        """Return a broker by its place, from 0."""
        return self._brokers[index]

    def start(self) -> None:
        """Fetch Kafka if need be, start the brokers and return once they all answer.

        Raises `LocalServiceError` when that cannot be done.
        """
        class_path = fetch(read_lock("kafka.lock"), cache_dir() / "kafka", "Apache Kafka", self._on_progress)
        self._folder = ServiceFolder("kafka", self._data_dir)
        self._on_progress("Starting Apache Kafka", None)
        ClassArchive.of(class_path).prepare()
        try:
            self._start_brokers(self._folder, class_path)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every broker and remove the folder unless it was given; harmless when nothing runs."""
        if self._data_dir is not None:
            for broker in self._brokers:
                broker.process.send_signal(signal.SIGTERM)
        for broker in self._brokers:
            broker.end(orderly=self._data_dir is not None)
        if self._folder is not None:
            self._folder.remove()

    def kill(self, index: int) -> None:
        """End one broker at once (SIGKILL); what it has written stays."""
        self._brokers[index].process.kill()

    def restart(self, index: int) -> None:
        """Start one broker again, with its folder and on its ports, and return once all answer."""
        broker = self._brokers[index]
        if broker.process.is_running:
            raise LocalServiceError(f"Kafka broker {index} still runs; kill it first")
        self._launch(broker)
        broker.wait_until_listening()
        self._wait_for_metadata()

    def pause(self, index: int) -> None:
        """Freeze one broker (SIGSTOP): from then on it accepts connections and answers nothing."""
        self._brokers[index].process.freeze()

    def resume(self, index: int) -> None:
        """Let a frozen broker go on."""
        self._brokers[index].process.send_signal(signal.SIGCONT)

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

    def _start_brokers(self, folder: ServiceFolder, class_path: list[Path]) -> None:
        for attempt in range(_ATTEMPTS):
            self._brokers = self._prepare(folder.path, class_path)
            try:
                self._launch_all()
            except LocalServiceError:
                clash = any(port_was_taken(broker.process) for broker in self._brokers)
                if not clash or attempt + 1 == _ATTEMPTS:
                    raise
                self._end_all()
            else:
                return

    def _prepare(self, folder: Path, class_path: list[Path]) -> list[Broker]:
        ports = free_ports(3 * self._count)
        nodes = [Node(i + 1, *ports[3 * i : 3 * i + 3]) for i in range(self._count)]
        brokers = [Broker(node, folder / f"broker-{node.number}", class_path, self._heap_mb) for node in nodes]
        cluster_id = _cluster_id(folder)
        for broker in brokers:
            broker.configure(nodes, self._settings)
            broker.format(cluster_id)
        return brokers

    def _launch_all(self) -> None:
        for broker in self._brokers:
            self._launch(broker)
        for broker in self._brokers:
            broker.wait_until_listening()
        self._wait_for_metadata()

    def _launch(self, broker: Broker) -> None:
        temporary = self._folder is not None and self._folder.is_temporary
        broker.launch(remove=broker.folder.parent if temporary else None)

    def _end_all(self) -> None:
        for broker in self._brokers:
            broker.process.kill()

    def _wait_for_metadata(self) -> None:
        """Return once the cluster tells of every broker that runs."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        running = [broker.process for broker in self._brokers if broker.process.is_running]
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        deadline = time.monotonic() + _METADATA_TIMEOUT_S
        while time.monotonic() < deadline:
            for process in running:
                check_running(process)
            # No answer is expected for as long as the brokers find together.
            with contextlib.suppress(KafkaException):
                if len(admin.list_topics(timeout=1.0).brokers) >= len(running):
                    return
            time.sleep(_POLL_S)
        raise LocalServiceError(f"Kafka gave no metadata within {_METADATA_TIMEOUT_S:.0f} s:\n{self._tails()}")

    def _tails(self) -> str:
        return "\n".join(f"{broker.process.name}:\n{broker.process.log_tail()}" for broker in self._brokers)


def _cluster_id(folder: Path) -> str:
    """Return the id of the cluster whose folder this is, made up the first time."""
    kept = folder / "cluster-id"
    if not kept.exists():
        # 16 bytes; the fixed first one keeps the text from starting with a dash, which would make it an option.
        kept.write_text(base64.urlsafe_b64encode(b"L" + secrets.token_bytes(15)).decode().rstrip("="), encoding="ascii")
    return kept.read_text(encoding="ascii")
