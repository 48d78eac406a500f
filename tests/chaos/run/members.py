"""The processor's own processes in a chaos run: started anew whenever they end, as Kubernetes would."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from processor.settings import Settings
from processor.settings_sources import environment_for_child

_WATCH_S: Final = 0.2
_BACK_OFF_S: Final = 0.7
_GUARD_S: Final = 60.0
_AT_WORK: Final = {"indexer": b"partitions assigned", "alerter": b"alerter.started"}
ALLOWED: Final = {0: "ended as asked", 3: "ended by itself, to start anew or because a dependency was away too long"}
"""What a process may end with by itself; see the exit codes in `processor.roles`."""


class Ended(NamedTuple):
    """The end of a process, and what was done to it before."""

    name: str
    code: int
    asked: str


class Member:
    """One place for a process: `indexer-0`. Its log goes on over all of its lives."""

    def __init__(self, name: str, role: str, environment: dict[str, str], logs: Path) -> None:
        self.name = name
        self.role = role
        self.log_path = logs / f"{name}.log"
        self.is_wanted = True
        self.lives = 0
        self._environment = environment
        self._asked = ""
        self._again_s = 0.0
        self._born_at = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, if it is wanted and does not run."""
        with self._lock:
            if self.is_wanted and self._process is None and time.monotonic() >= self._again_s:
                self._asked = ""
                self.lives += 1
                command = [sys.executable, "-m", "processor", "run", "--role", self.role]
                with self.log_path.open("ab") as log:
                    self._born_at = log.tell()
                    # Its standard input closes with this process, which ends it too.
                    self._process = subprocess.Popen(command, env=self._environment, stdin=subprocess.PIPE, stderr=log)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        with self._lock:
            if self._process is not None:
                if number is signal.SIGKILL or (number is signal.SIGTERM and not self._asked):
                    self._asked = number.name
                self._process.send_signal(number)

    def look(self) -> Ended | None:
        """Tell of its end, once."""
        with self._lock:
            if self._process is None or self._process.poll() is None:
                return None
            ended = Ended(self.name, self._process.returncode, self._asked)
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process, self._again_s = None, time.monotonic() + _BACK_OFF_S
            return ended

    @property
    def is_at_work(self) -> bool:
        """Whether it has taken up its work in this life."""
        if not self.is_running or not self.log_path.exists():
            return False
        with self.log_path.open("rb") as log:
            log.seek(self._born_at)
            return _AT_WORK[self.role] in log.read()

    @property
    def is_running(self) -> bool:
        """Whether a process stands in this place."""
        return self._process is not None


class Crew:
    """All members, watched by a thread."""

    def __init__(self, logs: Path) -> None:
        self.ended: list[Ended] = []
        self.counts: Counter[str] = Counter()
        self._logs = logs
        self._members: list[Member] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="crew", daemon=True)

    def add(self, name: str, role: str, settings: Settings) -> Member:
        """Add a member and start it."""
        environment = environment_for_child(settings.to_environment())
        member = Member(name, role, environment, self._logs)
        self._members.append(member)
        member.start()
        return member

    def start(self) -> None:
        """Watch from now on."""
        self._thread.start()

    def of(self, role: str) -> Sequence[Member]:
        """The members of a role that are wanted now."""
        return [member for member in list(self._members) if member.role == role and member.is_wanted]

    @property
    def all(self) -> Sequence[Member]:
        """Every member."""
        return list(self._members)

    @property
    def logs(self) -> list[Path]:
        """Every member's log."""
        return [member.log_path for member in self._members]

    def end(self) -> None:
        """End them all in order, and by force what does not end."""
        self._stop.set()
        self._thread.join()
        for member in self._members:
            member.is_wanted = False
            member.send(signal.SIGTERM)
            member.send(signal.SIGCONT)
        deadline_s = time.monotonic() + _GUARD_S
        while any(member.is_running for member in self._members) and time.monotonic() < deadline_s:
            self._look()
            time.sleep(0.05)
        for member in self._members:
            member.send(signal.SIGKILL)
        while any(member.is_running for member in self._members):
            self._look()
            time.sleep(0.05)

    def _watch(self) -> None:
        while not self._stop.wait(_WATCH_S):
            self._look()
            for member in self.all:
                member.start()

    def _look(self) -> None:
        for member in self.all:
            ended = member.look()
            if ended is not None:
                self.ended.append(ended)
                self.counts[f"{member.role} ended: {ended.asked or 'by itself'}, code {ended.code}"] += 1
