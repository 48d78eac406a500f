"""What the end-to-end tests share."""

from pathlib import Path

import pytest

from processor.local import KafkaCluster, Valkey
from tests.support.command import Lineage
from tests.support.story import story_lines


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    """The command with nothing set: it keeps its index in an embedded Valkey under the folder."""
    return Lineage(tmp_path, {})


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Lineage:
    """An index that has the story of the sample company, up to `END`."""
    told = Lineage(tmp_path_factory.mktemp("company"), {})
    told.ok("load", "--strict", "-", stdin=story_lines())
    return told


@pytest.fixture
def cluster(lineage: Lineage, kafka: KafkaCluster, valkey: Valkey, topic_prefix: str) -> Lineage:
    """The command with real addresses, and topics, groups and keys of its own."""
    return lineage.having(
        LINEAGE_REDIS_URL=valkey.url,
        LINEAGE_REDIS_PREFIX=topic_prefix.strip("-"),
        LINEAGE_KAFKA__BOOTSTRAP_SERVERS=kafka.bootstrap,
        LINEAGE_TOPICS__PARTITIONS="3",
        LINEAGE_HTTP__INDEXER_PORT="0",
        LINEAGE_HTTP__ALERTER_PORT="0",
        **{
            f"LINEAGE_TOPICS__{name.upper()}": f"{topic_prefix}{name}"
            for name in ("events", "changes", "alerts", "dead_letters")
        },
        LINEAGE_GROUPS__INDEXER=f"{topic_prefix}indexer",
        LINEAGE_GROUPS__ALERTER=f"{topic_prefix}alerter",
    )
