"""The command as people run it: a process of its own, none of this session's settings, a folder of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "processor")
ROOT = Path(__file__).parents[2]


def environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LINEAGE_")}
    return {**kept, "PYTHONPATH": str(ROOT), **settings}


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left: its exit code, its output, its talk."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401  any JSON document
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True, slots=True)
class Lineage:
    """Runs `lineage` in a folder, with these settings."""

    folder: Path
    settings: Mapping[str, str]

    def __call__(self, *arguments: str | Path, stdin: bytes = b"") -> Done:
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=self.folder,
            env=environment(**self.settings),
            input=stdin,
            capture_output=True,
            check=False,
        )
        # A crash also ends with exit code 1, and is never what a test wants.
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *arguments: str | Path, stdin: bytes = b"") -> Done:
        done = self(*arguments, stdin=stdin)
        assert done.code == 0, done.err
        return done

    def having(self, **settings: str) -> "Lineage":
        return Lineage(self.folder, {**self.settings, **settings})
