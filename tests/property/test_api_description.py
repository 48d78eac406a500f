"""The API against its own description: whatever is asked, nothing breaks and nothing undescribed is answered."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from processor.alerter.state import MemoryAlerts
from processor.api.app import build
from processor.api.parts import Api, ApiParts
from tests.support.api import CONFIG, PlayedKafka, no_tail, observe
from tests.support.events import PIPELINE, memory

_STORE, _ALERTS = memory(*PIPELINE), MemoryAlerts()
_API = Api(CONFIG, ApiParts(lambda: (_STORE, _ALERTS), observe, no_tail, PlayedKafka()))
_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# A stream has no end.
_STREAMS = ["/api/v2/changes", "/api/v2/alerts/stream"]
description = schemathesis.openapi.from_asgi("/api/v2/openapi.json", build(_API)).exclude(path=_STREAMS)


@description.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_answer_is_described(case: Case[Any]) -> None:
    case.call_and_validate(checks=_CHECKS)
