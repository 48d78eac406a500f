"""Break a copy of the source in one place at a time, and demand that a test notices.

`python -m tests.mutants` tries all, `python -m tests.mutants NAME…` some. Nothing in this tree is touched.
Exit code 1: a deliberate bug went unnoticed, or a test fails without any.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.mutants.catalogue import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_GUARD_S = 900


def main(names: list[str]) -> int:
    """Try these mutants, or all."""
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder)
        _copy_tree(copy)
        if (found := failing(copy, sorted({mutant.test for mutant in chosen}))) is not None:
            _say(f"without any bug this fails: {found}")
            return 1
        survivors = [mutant.name for mutant in chosen if not is_caught(copy, mutant)]
    _say(f"{len(chosen) - len(survivors)} of {len(chosen)} deliberate bugs were caught")
    return 1 if survivors else 0


def is_caught(copy: Path, mutant: Mutant) -> bool:
    """Whether the mutant's test fails on it."""
    file = copy / mutant.file
    whole = file.read_text("utf-8")
    file.write_text(mutated(whole, mutant), "utf-8")
    try:
        found = failing(copy, [mutant.test])
    finally:
        file.write_text(whole, "utf-8")
    _say(f"SURVIVED  {mutant.name}: {mutant.test}" if found is None else f"caught    {mutant.name}: {found}")
    return found is not None


def mutated(text: str, mutant: Mutant) -> str:
    """The source with the bug. The place has to be there exactly once."""
    count = text.count(mutant.old)
    if count != 1:
        raise LookupError(f"{mutant.name}: {mutant.old!r} is {count} times in {mutant.file}")
    return text.replace(mutant.old, mutant.new)


def failing(copy: Path, tests: Iterable[str]) -> str | None:
    """The first of these tests that fails in the copy; None when all pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-n", "0", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_PROFILE": "first"}
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, timeout=_GUARD_S, check=False
    )
    if done.returncode == 0:
        return None
    found = _FAILED.search(done.stdout)
    return found.group(1) if found else f"pytest ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}"


def _copy_tree(copy: Path) -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  a command's output


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
