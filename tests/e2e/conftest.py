"""What the end-to-end tests share."""

from pathlib import Path

import pytest

from tests.support.command import Lineage


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    """The command with nothing set: it keeps its index in an embedded Valkey under the folder."""
    return Lineage(tmp_path, {})
