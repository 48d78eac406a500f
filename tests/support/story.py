"""The sample company's story, as it is told to an index from a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from processor.demo.company import beats

END = datetime(2026, 3, 6, 9, 30, tzinfo=UTC)


def story_lines() -> bytes:
    """Every event of it, one a line."""
    return "\n".join(json.dumps(beat.event) for beat in beats(END) if beat.event is not None).encode()
