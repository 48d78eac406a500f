"""Names that change by turns: partitions, dated tables, windows that move on.

Rules kept here:
- two names that differ in nothing but their numbers stand for one thing at different times.
"""

from __future__ import annotations

import re

from processor.model.identity import Node

_NUMBER = re.compile(r"\d+")


def turn_of(dataset: Node) -> tuple[str, str]:
    """What all names have in common that take turns: `events_202603` and `events_202604` are `events_#`."""
    return _NUMBER.sub("#", dataset.namespace), _NUMBER.sub("#", dataset.name)
