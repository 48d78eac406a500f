"""The image at work: topics, a load, the doctor and an end on SIGTERM, all from inside it, on a real Kafka and Valkey.

`python -m deploy.image.smoke TAG`, as root, after `deploy/image/build`. Exit 1 with what was not as it must be.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from processor.local import KafkaCluster, Valkey

_EVENTS: Final = Path(__file__).parents[2] / "tests" / "samples" / "pipeline.ndjson"
_BUILDAH: Final = ("buildah", "--storage-driver", "vfs")
_START_S: Final = 60.0
# What must not be inside, and what nobody but root may write.
_NO_TOOLS: Final = "for each in pip pip3 gcc cc make git curl; do ! command -v $each || exit 1; done; ! python3 -m pip"
_WRITABLE: Final = "find / -xdev -writable ! -type l ! -path '/proc*' ! -path '/tmp*' ! -path '/dev*' ! -path '/sys*'"


class SmokeError(Exception):
    """The image is not as it must be."""


@dataclass(frozen=True, slots=True)
class Inside:
    """A container of the image."""

    name: str
    entry: tuple[str, ...]
    user: str

    def command(self, settings: Mapping[str, str], *arguments: str) -> list[str]:
        """What starts a program inside."""
        given = [part for name, value in settings.items() for part in ("--env", f"{name}={value}")]
        mounted = ["--volume", f"{_EVENTS}:/events.ndjson:ro"]
        run = [*_BUILDAH, "run", "--isolation", "chroot", "--user", self.user, *given, *mounted]
        return [*run, self.name, "--", *arguments]

    def lineage(self, settings: Mapping[str, str], *arguments: str) -> str:
        """Run the entry point to its end and give what it printed."""
        done = subprocess.run(
            self.command(settings, *self.entry, *arguments), capture_output=True, text=True, check=False
        )
        sys.stderr.write(f"$ lineage {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        if done.returncode:
            raise SmokeError(f"lineage {' '.join(arguments)}: exit {done.returncode}")
        return done.stdout

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the shell."""
        return subprocess.run(self.command({}, "/bin/sh", "-c", script), capture_output=True, text=True, check=False)


@contextmanager
def container(tag: str) -> Iterator[Inside]:
    """A container of the image, removed at the end."""
    name = _output(*_BUILDAH, "from", "--pull-never", tag)
    try:
        config = json.loads(_output(*_BUILDAH, "inspect", name))["OCIv1"]["config"]
        yield Inside(name, tuple(config["Entrypoint"]), config["User"])
    finally:
        _output(*_BUILDAH, "rm", name)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main(tag: str) -> None:
    """Look at everything; raises `SmokeError`."""
    with container(tag) as inside, KafkaCluster() as kafka, Valkey() as valkey:
        _look_at_files(inside)
        settings = {
            "LINEAGE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap,
            "LINEAGE_REDIS_URL": valkey.url,
            "LINEAGE_TOPICS__REPLICATION": "1",
            "LINEAGE_HTTP__INDEXER_PORT": "0",
            "TINI_SUBREAPER": "",  # it is not PID 1 here
        }
        _work(inside, settings)
        _end_on_sigterm(inside, settings)


def _look_at_files(inside: Inside) -> None:
    if inside.user.split(":")[0] in ("", "0", "root"):
        raise SmokeError("it runs as root")
    if inside.shell(_NO_TOOLS).returncode:
        raise SmokeError("a tool to build or fetch with is left inside")
    writable = inside.shell(_WRITABLE).stdout.split()
    if any(path not in ("/events.ndjson", "/run/lock", "/var/tmp", "/var/lock") for path in writable):  # noqa: S108  looked at
        raise SmokeError(f"its user may write {writable}")


def _work(inside: Inside, settings: Mapping[str, str]) -> None:
    """Through Kafka and straight into the index: the same index."""
    inside.lineage(settings, "topics", "create")
    inside.lineage(settings, "load", "--produce", "/events.ndjson")
    inside.lineage(settings, "run", "--role", "indexer", "--until-caught-up")
    inside.lineage(settings, "doctor")
    beside = {**settings, "LINEAGE_REDIS_PREFIX": "beside"}
    inside.lineage(beside, "load", "--strict", "/events.ndjson")
    if inside.lineage(settings, "digest") != inside.lineage(beside, "digest"):
        raise SmokeError("the index that came through Kafka is not that of the load")


def _end_on_sigterm(inside: Inside, settings: Mapping[str, str]) -> None:
    command = inside.command(settings, *inside.entry, "run", "--role", "indexer")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        for line in running.stderr or ():
            if "partitions assigned" in line:
                break
        began_s = time.monotonic()
        os.kill(_descendant(running.pid, "tini"), signal.SIGTERM)
        code = running.wait(_START_S)
    if code:
        raise SmokeError(f"SIGTERM ended it with exit {code}")
    sys.stderr.write(f"ended {time.monotonic() - began_s:.1f} s after SIGTERM, exit 0\n")


def _descendant(pid: int, name: str) -> int:
    """The process of this name below another; raises `SmokeError` where there is none."""
    found = next((each for each in _below(pid) if _comm(each) == name), None)
    if found is None:
        raise SmokeError(f"no {name} runs in the container")
    return found


def _below(pid: int) -> Iterator[int]:
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):  # any thread of buildah's may be the parent
        for child in map(int, listed.read_text(encoding="ascii").split()):
            yield child
            yield from _below(child)


def _comm(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except SmokeError as error:
        sys.exit(f"the image is not as it must be: {error}")
