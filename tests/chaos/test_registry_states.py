"""A schema registry that fails, is slow or away while its schemas are wanted: no record is rejected for it."""

from __future__ import annotations

import contextlib
import io
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fastavro
import pytest

from processor.decode import read_schemas
from processor.decode.compile import compile_contract
from processor.decode.shape import to_avro
from processor.local import KafkaCluster
from processor.local.ports import HOST
from processor.resources import schemas_dir
from tests.support.indexing import World
from tests.waiting import eventually

SAMPLE = Path(__file__).parent.parent / "samples" / "dbt_model_complete.json"
SCHEMA = read_schemas(schemas_dir()).event


class Registry(ThreadingHTTPServer):
    """Knows one schema, and answers as it is told: `trouble` is a status, or seconds to wait, or None."""

    daemon_threads = True
    trouble: int | float | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        trouble = self.server.trouble if isinstance(self.server, Registry) else None
        if isinstance(trouble, float):
            time.sleep(trouble)
        status = trouble if isinstance(trouble, int) else 200
        body = json.dumps({"schema": SCHEMA} if status == 200 else {"error_code": status, "message": "no"}).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry((HOST, 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def framed() -> bytes:
    out = io.BytesIO(b"\x00\x00\x00\x00\x07")
    out.seek(5)
    record = to_avro(json.loads(SAMPLE.read_bytes()), compile_contract(SCHEMA))
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(SCHEMA)), record)
    return out.getvalue()


@pytest.mark.parametrize("trouble", [500, 429, 20.0])
def test_it_waits_for_the_registry_and_goes_on(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str, registry: Registry, trouble: float
) -> None:
    registry.trouble = trouble
    world = World.make(
        kafka.bootstrap, redis_url, topic_prefix, registry_url=registry.url, kafka={"session.timeout.ms": "60000"}
    )
    world.produce([framed()])
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: "schema registry" in running.get("/readyz")[1]), running.text
        assert running.get("/readyz")[0] == 503
        assert running.get("/livez")[0] == 200
        assert world.behind() == 1
        registry.trouble = None
        assert eventually(lambda: world.behind() == 0), running.text
        assert eventually(lambda: running.get("/readyz")[0] == 200), running.text
        assert len(running.logged("partitions assigned")) == 1
    assert world.dead_letters() == []
    assert world.digest() == world.oracle()
    assert world.outbox() == 0
