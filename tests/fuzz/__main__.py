"""`make fuzz SEED=… COUNT=…` or `MINUTES=…`: fuzz in a child process, and survive what happens to it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz.supervise import Fuzz


def main() -> int:
    """Run, print what was seen, exit 1 if something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10**12, help="inputs")
    parser.add_argument("--minutes", type=float, default=10**6)
    parser.add_argument("--found", type=Path, default=Path("build/fuzz"), help="where failing inputs are kept")
    arguments = parser.parse_args()
    fuzz = Fuzz(arguments.seed, arguments.count, arguments.minutes * 60, arguments.found)
    fuzz.run()
    print(fuzz.summary())
    for path in fuzz.found:
        print(f"FOUND {path}")
    return 1 if fuzz.found else 0


if __name__ == "__main__":
    sys.exit(main())
