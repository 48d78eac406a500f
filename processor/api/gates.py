"""`/api/v2/gates/…` and `/api/v2/coverage`: what pipelines ask before they go on. A no is an answer, and no error."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import QueryParameter

from processor.api.answers import AnyRequest, answer, asked
from processor.api.asker import Index
from processor.api.body import unpacked
from processor.api.forms import CoverageAnswer, answers, judged
from processor.api.params import given_body, given_node
from processor.api.parts import TheApi
from processor.api.problems import bad_parameter
from processor.api.surveyor import Measured
from processor.detect.coverage import Coverage
from processor.judging.coverage_gate import TARGET_PERCENT, coverage_of, coverage_verdict, of_namespace
from processor.judging.provenance import Demand, may_be_fed
from processor.judging.questions import ImpactQuestion, answer_impact
from processor.judging.verdicts import CoverageVerdict, FailOn, ImpactVerdict, ProvenanceVerdict
from processor.render.times import rfc3339

__all__ = ["ROUTES"]

_TAGS: Final = ["gates"]
_CHOICES: Final = {"fail_on": tuple(FailOn)}
_read_question: Final = msgspec.json.Decoder(ImpactQuestion).decode
_MOST_PATTERNS: Final = 200
_Namespace = Annotated[str | None, QueryParameter(description="Only this namespace, not all as a whole")]


@dataclass
class _TakesQuestion(Operation):
    """Describes the body, which is read as a stream."""

    def __post_init__(self) -> None:
        """Name the members of an `ImpactQuestion`."""
        text, document = Schema(type=OpenAPIType.STRING), Schema(type=OpenAPIType.OBJECT)
        members = {
            "manifest": document,
            "catalog": document,
            "base": document,
            "schema": Schema(description="Avro, JSON Schema, or a list of columns"),
            "dataset": text,
            "namespace": text,
            "deleted": Schema(type=OpenAPIType.BOOLEAN, default=True),
            "fail_on": Schema(type=OpenAPIType.STRING, enum=["breaking", "possible", "any", "never"]),
        }
        form = Schema(type=OpenAPIType.OBJECT, description=ImpactQuestion.__doc__, properties={**members})
        self.request_body = RequestBody(content={"application/json": OpenAPIMediaType(schema=form)}, required=True)


@get("/api/v2/gates/provenance", responses=answers(ProvenanceVerdict, HTTPStatus.NOT_FOUND), tags=_TAGS)
async def gate_provenance(
    request: AnyRequest,
    api: TheApi,
    subject: Annotated[str, QueryParameter(name="node", description="A NODE: what is to be fed")],
    allow: Annotated[list[str] | None, QueryParameter(description="Patterns of sources that it may draw on")] = None,
    min_trust: Annotated[float | None, QueryParameter(ge=0, le=1, description="0.9 unless the policy says")] = None,
    max_age_hours: Annotated[float | None, QueryParameter(gt=0, le=1e6, description="How old its data may be")] = None,
) -> Response[bytes]:
    """Tell whether a model, a table or a column may be fed, by all the sources that it draws on."""
    wanted = given_node(subject)
    if len(allow or ()) > _MOST_PATTERNS or not all(allow or ()):
        raise bad_parameter("allow", f"give at most {_MOST_PATTERNS} patterns, none of them empty")
    demand, policy = Demand(allow=tuple(allow or ()), min_trust=min_trust, max_age_hours=max_age_hours), api.policy()

    def question(index: Index) -> ProvenanceVerdict:
        wall_us = time.time_ns() // 1000
        now_us = index.view.now_us(wall_us, api.config.clock)
        at_us = wall_us if now_us is None else now_us
        return may_be_fed(index.view, index.resolve(wanted), demand, policy, at_us)

    return await asked(request, api.asker, question)


@post(
    "/api/v2/gates/impact",
    status_code=HTTPStatus.OK,
    responses=judged(ImpactVerdict),
    operation_class=_TakesQuestion,
    tags=_TAGS,
)
async def gate_impact(request: AnyRequest, api: TheApi) -> Response[bytes]:
    """Tell what a proposed change of schemas would break downstream. Nothing is changed by asking."""
    with api.bodies.held() as body:
        data, is_packed = await api.bodies.read(body, request)
        most = api.config.max_body_bytes

        def question(index: Index) -> ImpactVerdict:
            change = given_body(_read_question, unpacked(data, most) if is_packed else data, _CHOICES)
            return answer_impact(index.view, change, partial(index.resolve, parameter="dataset"))

        verdict = await api.asker.ask(question)
    return Response(msgspec.json.encode(verdict), media_type="application/json")


@get("/api/v2/gates/coverage", responses=answers(CoverageVerdict, HTTPStatus.NOT_FOUND), tags=_TAGS)
async def gate_coverage(
    request: AnyRequest,
    api: TheApi,
    fail_under: Annotated[
        float, QueryParameter(ge=0, le=100, description="What every share has to reach, in percent")
    ] = TARGET_PERCENT,
    namespace: _Namespace = None,
) -> Response[bytes]:
    """Tell whether enough of the lineage is known."""
    measured = await api.surveyor.last()
    wanted = of_namespace(measured.surveyed, namespace)
    return answer(request, coverage_verdict(wanted, fail_under, measured.surveyed.stumbled))


@get("/api/v2/coverage", responses=answers(CoverageAnswer, HTTPStatus.NOT_FOUND), tags=_TAGS)
async def get_coverage(
    request: AnyRequest,
    api: TheApi,
    namespace: _Namespace = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="Most namespaces in the answer")] = 100,
) -> Response[bytes]:
    """Tell how complete the lineage is, over all and by namespace, the worst first."""
    measured = await api.surveyor.last()
    some = measured.surveyed.namespaces if namespace is None else [of_namespace(measured.surveyed, namespace)]
    return answer(request, _coverage(measured, some, limit))


def _coverage(measured: Measured, some: list[Coverage], limit: int) -> CoverageAnswer:
    overall, told = coverage_of(measured.surveyed.overall), list(map(coverage_of, some[:limit]))
    return CoverageAnswer(rfc3339(measured.at_us), overall, told, len(some))


ROUTES: Final = (gate_provenance, gate_impact, gate_coverage, get_coverage)
