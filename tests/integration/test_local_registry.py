"""The local schema registry speaks Confluent's API."""

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from processor.local import SchemaRegistry

SCHEMA = '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}'


def test_a_registered_schema_is_found_by_its_id(registry: SchemaRegistry, topic_prefix: str) -> None:
    client = SchemaRegistryClient({"url": registry.url})
    schema_id = client.register_schema(f"{topic_prefix}value", Schema(SCHEMA, "AVRO"))
    assert "Order" in str(client.get_schema(schema_id).schema_str)
