"""Pictures of graphs, by Graphviz where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys

from processor.model.errors import UsageError

_TIMEOUT_S = 60


def drawn(graph: str, form: str) -> bytes:
    """A graph in DOT as `svg` or `png`. Raises `UsageError` with what to do where that cannot be."""
    if form == "png" and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("a terminal shows no PNG; write it to a file: … -o png > graph.png")
    program = shutil.which("dot")
    if program is None:
        raise UsageError(
            f"-o {form} needs Graphviz, and there is no dot on the PATH: install it (apt-get install graphviz, brew"
            " install graphviz), or take -o dot or -o mermaid"
        )
    try:
        done = subprocess.run(  # noqa: S603  the program is Graphviz, names of the index reach it as labels only
            [program, f"-T{form}"], input=graph.encode(), capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"Graphviz has not drawn it within {_TIMEOUT_S} s; ask for less (--depth), or draw -o dot with sfdp"
        ) from None
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise UsageError(f"Graphviz could not draw it: {told[-1] if told else done.returncode}")
    return done.stdout
