"""Avro through a schema registry: a real one, one that knows GUIDs, and ones that do not answer."""

import io
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from processor.decode import TypedEvents, build_decoder, read_schemas
from processor.decode.compile import compile_contract
from processor.decode.shape import to_avro
from processor.indexer.registry import ConfluentRegistry
from processor.local import SchemaRegistry
from processor.model.errors import DependencyError, Reason, Rejected
from processor.resources import schemas_dir

SAMPLE = Path(__file__).parent.parent / "samples" / "dbt_model_complete.json"
SCHEMAS = read_schemas(schemas_dir())
CONTRACT = compile_contract(SCHEMAS.event)
GUID = "1f8a4d52-7c4b-4c8e-9a53-0d1c2b3a4f5e"


def decode(url: str, value: bytes, headers: list[tuple[str, bytes | None]] | None = None) -> TypedEvents | Rejected:
    return build_decoder("auto", SCHEMAS, ConfluentRegistry(url, timeout_s=5.0))(value, headers or [])


def test_what_confluents_serializer_writes_is_read(registry: SchemaRegistry, topic_prefix: str) -> None:
    client = SchemaRegistryClient({"url": registry.url})
    serialize = AvroSerializer(client, SCHEMAS.event)
    record = to_avro(json.loads(SAMPLE.read_bytes()), CONTRACT)
    value = serialize(record, SerializationContext(f"{topic_prefix}events", MessageField.VALUE))
    assert isinstance(value, bytes)
    assert value[0] == 0
    assert decode(registry.url, value) == build_decoder("auto", SCHEMAS)(SAMPLE.read_bytes())


def test_a_schema_that_refers_to_another_is_fetched_with_it(registry: SchemaRegistry, topic_prefix: str) -> None:
    client = SchemaRegistryClient({"url": registry.url})
    names = [{"name": "namespace", "type": "string"}, {"name": "name", "type": "string"}]
    job = {"type": "record", "name": "Job", "namespace": "lineage", "fields": names}
    fields = [{"name": "eventTime", "type": "string"}, {"name": "producer", "type": "string"}]
    event: dict[str, Any] = {"type": "record", "name": "LineageEvent", "namespace": "lineage"}
    event["fields"] = [*fields, {"name": "job", "type": "lineage.Job"}]
    subject = f"{topic_prefix}job"
    client.register_schema(subject, Schema(json.dumps(job), "AVRO"))
    reference = SchemaReference(name="lineage.Job", subject=subject, version=1)
    schema_id = client.register_schema(f"{topic_prefix}event", Schema(json.dumps(event), "AVRO", [reference]))
    named: dict[str, Any] = {}
    fastavro.parse_schema(job, named)
    out = io.BytesIO(b"\x00" + schema_id.to_bytes(4, "big"))
    out.seek(0, io.SEEK_END)
    record = {"eventTime": "2026-03-02T06:00:00Z", "producer": "p", "job": {"namespace": "jobs", "name": "load"}}
    fastavro.schemaless_writer(out, fastavro.parse_schema(event, named), record)
    found = decode(registry.url, out.getvalue())
    assert isinstance(found, TypedEvents), found
    assert found.events[0].body.job.name == "load"


def test_an_id_that_the_registry_does_not_know(registry: SchemaRegistry) -> None:
    found = decode(registry.url, b"\x00\x7f\xff\xff\xffpayload")
    assert isinstance(found, Rejected)
    assert (found.reason, "2147483647" in found.detail) == (Reason.UNKNOWN_SCHEMA, True)


def test_a_registry_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(DependencyError, match="schema registry"):
        decode(f"http://127.0.0.1:{port}", b"\x00\x00\x00\x00\x01payload")


def test_a_registry_that_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = ConfluentRegistry(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.1)
        with pytest.raises(DependencyError, match="schema registry"):
            registry.by_id(1)


class _Answers(BaseHTTPRequestHandler):
    """The registry's API as Confluent Platform 8 speaks it where our local one does not: GUIDs, and failures."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == f"/schemas/guids/{GUID}":
            answer = {"schema": SCHEMAS.event, "schemaType": "AVRO", "guid": GUID, "id": 7}
            self._answer(200, json.dumps(answer).encode())
        elif path == "/schemas/ids/500":
            self._answer(500, b'{"error_code": 50001, "message": "store is down"}')
        elif path == "/schemas/ids/200":
            self._answer(200, b"<html>a proxy's greeting</html>")
        elif path in {"/schemas/ids/401", "/schemas/ids/403"}:
            self._answer(int(path[-3:]), b'{"error_code": 401, "message": "who are you"}')
        elif path in {"/schemas/ids/400", "/schemas/ids/422"}:
            self._answer(int(path[-3:]), b'{"error_code": 42200, "message": "no proper id"}')
        else:
            self._answer(404, b'{"error_code": 40403, "message": "Schema not found"}')

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


@pytest.fixture
def answering_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_guid_in_a_header(answering_url: str) -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, CONTRACT.schema, to_avro(json.loads(SAMPLE.read_bytes()), CONTRACT))
    header = ("__value_schema_id", b"\x01" + UUID(GUID).bytes)
    found = decode(answering_url, out.getvalue(), [header])
    assert found == build_decoder("auto", SCHEMAS)(SAMPLE.read_bytes())


def test_a_guid_that_the_registry_does_not_know(answering_url: str) -> None:
    found = decode(answering_url, b"payload", [("__value_schema_id", b"\x01" + bytes(16))])
    assert isinstance(found, Rejected)
    assert found.reason is Reason.UNKNOWN_SCHEMA


@pytest.mark.parametrize("schema_id", [400, 422, 404])
def test_an_id_that_the_registry_refuses_is_unknown(answering_url: str, schema_id: int) -> None:
    found = decode(answering_url, b"\x00" + schema_id.to_bytes(4, "big") + b"payload")
    assert isinstance(found, Rejected)
    assert found.reason is Reason.UNKNOWN_SCHEMA


@pytest.mark.parametrize("schema_id", [500, 200, 401, 403])
def test_an_answer_that_says_nothing_of_the_schema_is_no_verdict(answering_url: str, schema_id: int) -> None:
    with pytest.raises(DependencyError, match="schema registry"):
        decode(answering_url, b"\x00" + schema_id.to_bytes(4, "big") + b"payload")
