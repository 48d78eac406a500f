"""The file where `lineage load` keeps what it could not use, one JSON object a line.

Rules kept here:
- a line may be torn, by a full disk or a lost machine: it is passed over, and the next one is not glued to it;
- who adds a line and who writes the file anew hold a lock on it, so that nothing is lost between the two;
- it is written anew beside itself and put into its place in one step: a crash leaves the old or the new.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from processor.deadletters.letter import DeadLetter
from processor.load.reader import Entry
from processor.model.errors import DependencyError, Rejected

__all__ = ["KeptFile"]

_FILE: Final = "dead-letters.ndjson"


class KeptFile:
    """Under LINEAGE_HOME. `torn` counts the lines that could not be read."""

    def __init__(self, home: Path) -> None:
        """Take note of where it is; it need not be there."""
        self.path = home / _FILE
        self.torn = 0

    def keep(self, entry: Entry, rejected: Rejected) -> None:
        """Append one, its bytes in base64. Raises `DependencyError` when it cannot be written."""
        line = _line(rejected, entry.place, entry.value, 1)
        with self._writing("keep a rejected record"), self._locked() as file:
            file.write(line if _ends_line(file) else b"\n" + line)

    def read(self) -> Iterator[DeadLetter]:
        """All of them, oldest first; a record's number is that of its line."""
        if not self.path.exists():
            return
        self.torn = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                letter = _read_line(number, line)
                if letter is None:
                    self.torn += 1
                else:
                    yield letter

    def drop(self, lines: Counter[bytes], changed: Mapping[bytes, Rejected] | None = None) -> None:
        """Take out these lines, each as often as it is counted; those in `changed` stay, rejected once more.

        Lines are known by what they say, for their numbers change. Raises `DependencyError` as `keep` does.
        """
        left, changed = Counter(lines), changed or {}

        def rewritten(line: bytes) -> bytes:
            if left[line] <= 0:
                return line
            left[line] -= 1
            return _again(line, changed[line]) if line in changed else b""

        self._rewrite(rewritten)

    def clear(self) -> None:
        """Take out everything, torn lines too."""
        self._rewrite(lambda _line: b"")

    def _rewrite(self, rewritten: Callable[[bytes], bytes]) -> None:
        if not self.path.exists():
            return
        draft = self.path.with_suffix(".draft")
        with self._writing("write the file anew"), self._locked() as file:
            file.seek(0)
            with draft.open("wb") as new:
                new.writelines(rewritten(line) for line in file)
                new.flush()
                os.fsync(new.fileno())
            draft.replace(self.path)

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        """The file, open for adding to it; nobody else writes meanwhile."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with self.path.open("ab+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if self._is_in_place(file):
                    yield file
                    return

    def _is_in_place(self, file: IO[bytes]) -> bool:
        """Whether it was not replaced while the lock was waited for."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DependencyError(str(self.path), f"cannot {what}: {error.strerror}") from error


def _line(rejected: Rejected, source: str, value: bytes | None, attempt: int) -> bytes:
    told = {
        "time": datetime.now(UTC).isoformat(),
        "reason": rejected.reason.value,
        "stage": rejected.stage.value,
        "pointer": rejected.pointer,
        "detail": rejected.detail,
        "source": source,
        "attempt": attempt,
        "value": None if value is None else base64.b64encode(value).decode(),
    }
    return json.dumps(told).encode() + b"\n"


def _again(line: bytes, rejected: Rejected) -> bytes:
    letter = _read_line(0, line)
    return line if letter is None else _line(rejected, letter.source, letter.value, letter.attempt + 1)


def _ends_line(file: IO[bytes]) -> bool:
    """Whether nothing, or a whole line, stands before what is appended next."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return True
    file.seek(size - 1)
    return file.read(1) == b"\n"


def _read_line(number: int, line: bytes) -> DeadLetter | None:
    """The record of a line, or None where it is torn."""
    try:
        return _from_line(number, line, json.loads(line))
    except (ValueError, TypeError, KeyError):
        return None


def _from_line(number: int, raw: bytes, line: dict[str, Any]) -> DeadLetter:
    time = datetime.fromisoformat(line["time"])
    value = line["value"]
    return DeadLetter(
        where=f"file:{number}",
        time_us=int(time.timestamp() * 1_000_000),
        reason=line["reason"],
        stage=line["stage"],
        pointer=line["pointer"],
        detail=line["detail"],
        source=line["source"],
        key=None,
        value=None if value is None else base64.b64decode(value),
        attempt=int(line.get("attempt", 1)),
        line=raw,
    )
