"""Java archives from Maven's repository: each pinned by its SHA-256, each fetched once.

1. A lock file beside this module names every archive: its coordinates, SHA-256 and size in bytes.
2. An archive is fetched into a scratch folder, checked against the lock, and only then moved to its place in the cache,
   in one step. So what stands in the cache is whole and right, however a download was interrupted, and two processes
   that fetch at once do each other no harm.
3. What was fetched before an interruption is not fetched again.
4. A mirror named in jgo's own configuration file (section `[repositories]`) is used.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Final

from processor.local.errors import LocalServiceError
from processor.local.service import OnProgress

__all__ = ["Artifact", "cache_dir", "fetch", "parse_lock", "read_lock", "resolve", "sha256_of"]

Watch = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Called with the name and size of a download; the context it returns is told of each piece's bytes."""

_PARALLEL_DOWNLOADS: Final = 4
_ATTEMPTS: Final = 3
_READ_TIMEOUT_S: Final = 30


@dataclass(frozen=True, slots=True)
class Artifact:
    """One pinned archive."""

    coordinates: str
    """`group:name:version`, or `group:name:version:classifier:type`."""
    sha256: str
    size: int
    """Bytes."""

    @property
    def file_name(self) -> str:
        """The name of the file in the cache."""
        _group, name, version, *rest = self.coordinates.split(":")
        classifier, kind = rest or ("", "jar")
        return f"{name}-{version}-{classifier}.{kind}" if classifier else f"{name}-{version}.{kind}"


def cache_dir() -> Path:
    """Return the folder that keeps what was fetched: `$XDG_CACHE_HOME/lineage-processor` or `~/.cache/…`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "lineage-processor"


def read_lock(name: str) -> list[Artifact]:
    """Return the archives of a lock file beside this module, in the order of the class path."""
    return parse_lock((files("processor.local") / name).read_text(encoding="utf-8"))


def parse_lock(text: str) -> list[Artifact]:
    """Return the archives that a lock file's text names."""
    fields = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return [Artifact(coordinates, sha256, int(size)) for coordinates, sha256, size in fields]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def fetch(artifacts: Sequence[Artifact], folder: Path, what: str, on_progress: OnProgress) -> list[Path]:
    """Return the paths of the archives in the folder, fetching those that are not there yet.

    Raises `LocalServiceError` when one cannot be had or is not what the lock says.
    """
    missing = [each for each in artifacts if not _is_there(each, folder)]
    if missing:
        _download_all(missing, folder, what, on_progress)
    return [folder / each.file_name for each in artifacts]


def _is_there(artifact: Artifact, folder: Path) -> bool:
    path = folder / artifact.file_name
    return path.is_file() and path.stat().st_size == artifact.size


def _download_all(missing: Sequence[Artifact], folder: Path, what: str, on_progress: OnProgress) -> None:
    meter = _Meter(what, sum(each.size for each in missing), on_progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-")
    except OSError as error:
        raise LocalServiceError(f"cannot write to the cache {folder}: {error}; set XDG_CACHE_HOME elsewhere") from error
    with scratch as scratch_name, ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        jobs = [pool.submit(_download, each, Path(scratch_name), folder, meter) for each in missing]
        try:
            for job in wait(jobs, return_when=FIRST_EXCEPTION).done:
                job.result()
        finally:
            meter.stop()
            pool.shutdown(cancel_futures=True)


def _download(artifact: Artifact, scratch: Path, folder: Path, meter: "_Meter") -> None:
    fetched = _try(artifact, scratch / artifact.sha256, meter)
    if sha256_of(fetched) != artifact.sha256:
        raise LocalServiceError(f"{artifact.coordinates} arrived damaged: its SHA-256 is not the pinned one; try again")
    fetched.replace(folder / artifact.file_name)


def _try(artifact: Artifact, scratch: Path, meter: "_Meter") -> Path:
    """Fetch an archive, more than once if the network stumbles."""
    from requests import RequestException

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return resolve(artifact.coordinates, scratch / str(attempt), meter.watch)
        except (RequestException, RuntimeError, OSError) as error:
            if attempt < _ATTEMPTS and isinstance(error, RequestException):
                continue
            raise LocalServiceError(
                f"cannot fetch {artifact.coordinates}: {error}\n"
                "Check the network and run it again; what is already there is not fetched twice.",
            ) from error
    raise AssertionError("the last attempt returns or raises")


def resolve(coordinates: str, repository: Path, watch: Watch | None = None) -> Path:
    """Fetch one archive into an empty local repository; raises what jgo and its HTTP client raise."""
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    group, name, version, *rest = coordinates.split(":")
    classifier, kind = rest or ("", "jar")
    resolver = PythonResolver(progress_callback=watch)
    maven = MavenContext(repo_cache=repository, resolver=resolver, timeout=_READ_TIMEOUT_S)
    maven.remote_repos.update(GlobalSettings.load().repositories)
    return maven.project(group, name).at_version(version).artifact(classifier, kind).resolve()


class _Meter:
    """Adds up the bytes of downloads that run side by side."""

    def __init__(self, what: str, total: int, on_progress: OnProgress) -> None:
        self._message = f"Fetching {what} ({total / 1e6:.0f} MB, once)"
        self._total, self._done = total, 0
        self._on_progress = on_progress
        self._lock = Lock()
        self._stopped = False

    def stop(self) -> None:
        """Make the downloads that still run give up at their next piece."""
        self._stopped = True

    @contextmanager
    def watch(self, _name: str, _size: int) -> Iterator[Callable[[int], None]]:
        """Count one download."""
        yield self._add

    def _add(self, count: int) -> None:
        if self._stopped:
            raise OSError("given up")
        with self._lock:
            before, self._done = self._done, self._done + count
            if self._percent(before) != self._percent(self._done):
                self._on_progress(self._message, self._percent(self._done) / 100)

    def _percent(self, done: int) -> int:
        return min(100, done * 100 // self._total)
