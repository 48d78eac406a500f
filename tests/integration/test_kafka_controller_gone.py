"""What a client costs that asks while the cluster has lost a broker."""

from __future__ import annotations

import time

from processor import wiring
from processor.indexer.identity import Identities
from processor.local import KafkaCluster
from processor.settings import Settings

_LOOKS = 25
_CPU_S = 0.5


def test_asking_for_topics_costs_next_to_nothing_while_the_controller_is_gone() -> None:
    with KafkaCluster(brokers=3) as kafka:
        admin = wiring.kafka_admin(Settings(kafka={"bootstrap.servers": kafka.bootstrap}))
        identities = Identities(admin, ["some-topic"])
        kafka.kill(admin.describe_cluster().result(30).controller.id - 1)
        before_s = time.process_time()
        for _ in range(_LOOKS):
            identities.look()
            time.sleep(0.2)
        assert time.process_time() - before_s < _CPU_S
