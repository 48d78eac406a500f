"""Kafka, Valkey and a schema registry on this machine, for the demo, the tests and the benches alike.

Everything comes from packages (the extra `local`): no Java, no container and no service of the machine's own. Every
server listens on a free loopback port, and ends when this process does, however that comes about.
"""

from processor.local.errors import LocalServiceError
from processor.local.kafka import KafkaCluster
from processor.local.registry import SchemaRegistry
from processor.local.service import OnProgress
from processor.local.valkey import Valkey
from processor.local.valkey_cluster import ValkeyCluster

__all__ = ["KafkaCluster", "LocalServiceError", "OnProgress", "SchemaRegistry", "Valkey", "ValkeyCluster"]
