"""The writing calls of Marquez's clients: each is an event, taken as any other, and answered once Kafka has it.

Rules kept here:
- an answer is made of what was sent, and of what the index held before; never of what is read back, for the indexers
  take a moment;
- what is named alone (a run by its id, what is tagged or deleted) has to be in the index: it is waited for a little, as
  it may have been sent just now;
- what no event says is not kept and not claimed: a namespace, a source and a tag are there by what stands in them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar
from uuid import uuid4

import msgspec
from litestar import Response, delete, post, put
from litestar.params import PathParameter, QueryParameter

from processor.api.answers import AnyRequest
from processor.api.asker import Index
from processor.api.events import give
from processor.api.marquez import sent, things, translate
from processor.api.marquez.described import answered, takes
from processor.api.marquez.known import job_with, known, not_found
from processor.api.marquez.strict import written
from processor.api.marquez.translate import (
    DATASET_TYPES,
    JOB_TYPES,
    DatasetMeta,
    Event,
    JobMeta,
    OfRun,
    RunMeta,
)
from processor.api.params import given_body, given_name
from processor.api.parts import Api, TheApi
from processor.api.problems import ProblemError, bad_parameter
from processor.decode.rules import MAX_NAME_CHARS, is_name, is_run_id, time_us
from processor.model.history import RunRecord
from processor.model.identity import Node, canonical_namespace, dataset, job
from processor.model.observation import Observation, RunState
from processor.render.records import Record
from processor.render.times import rfc3339

__all__ = ["ROUTES"]

T = TypeVar("T")
_Part = Annotated[str, PathParameter(description="Percent-encoded")]
_BASE: Final = "/api/v1"
_NAMESPACE: Final = f"{_BASE}/namespaces/{{namespace:str}}"
_DATASET: Final = f"{_NAMESPACE}/datasets/{{name:str}}"
_JOB: Final = f"{_NAMESPACE}/jobs/{{name:str}}"
_TAG: Final = "tags/{tag:str}"
_FIELD_TAG: Final = "fields/{field:str}/tags/{tag:str}"
_MARKS: Final = {
    "start": RunState.START,
    "complete": RunState.COMPLETE,
    "fail": RunState.FAIL,
    "abort": RunState.ABORT,
}
_FIRST_PAUSE_S: Final = 0.05
_RUN_BYTES: Final = 300
_EMPTY: Final = b"{}"
_as_any: Final = msgspec.json.Decoder(dict[str, Any]).decode
_as_dataset: Final = msgspec.json.Decoder(DatasetMeta).decode
_as_job: Final = msgspec.json.Decoder(JobMeta).decode
_as_run: Final = msgspec.json.Decoder(RunMeta).decode


# What no event says


@put(_NAMESPACE, **answered("namespace"), operation_class=takes("ownerName", "description"))
async def put_namespace(request: AnyRequest, api: TheApi, namespace: _Part) -> Response[bytes]:
    """Nothing is kept of a namespace but what is in it: it is there from its first dataset or job on."""
    async with _stated(api, request, _as_any):
        return written(request, things.namespace(canonical_namespace(_named(namespace, "namespace")), _now_us()))


@put(f"{_BASE}/sources/{{namespace:str}}", **answered("source"), operation_class=takes("type", "connectionUrl"))
async def put_source(request: AnyRequest, api: TheApi, namespace: _Part) -> Response[bytes]:
    """Nothing is kept of a source: a dataset names its own."""
    async with _stated(api, request, _as_any):
        return written(request, things.source(canonical_namespace(_named(namespace, "source")), _now_us()))


@put(f"{_BASE}/{_TAG}", **answered("tag"), operation_class=takes("description"))
async def put_tag(request: AnyRequest, api: TheApi, tag: _Part) -> Response[bytes]:
    """Nothing is kept of a tag: it is there once it stands on something."""
    async with _stated(api, request, _as_any):
        return written(request, things.tag(_named(tag, "tag")))


# Datasets


@put(_DATASET, **answered("dataset"), operation_class=takes(*DatasetMeta.__struct_encode_fields__))
async def put_dataset(request: AnyRequest, api: TheApi, namespace: _Part, name: _Part) -> Response[bytes]:
    """Send what is said of a dataset; with `runId`, as an output of that run."""
    node = dataset(given_name(namespace), given_name(name))
    async with _stated(api, request, _as_dataset, DATASET_TYPES) as (meta, size):
        run = None if meta.run_id is None else (await _run(api, meta.run_id))[0]
        make = partial(translate.create_dataset, _now(), node, meta, run)
        return await _send(request, api, make, partial(sent.dataset, node), size)


@delete(_DATASET, status_code=HTTPStatus.OK, **answered("dataset"))
async def delete_dataset(request: AnyRequest, api: TheApi, namespace: _Part, name: _Part) -> Response[bytes]:
    """Send that a dataset was dropped. Whoever writes it again revives it."""
    node = dataset(given_name(namespace), given_name(name))
    return await _change(request, api, node, translate.drop_dataset(_now(), node))


@post(f"{_DATASET}/{_TAG}", status_code=HTTPStatus.OK, **answered("dataset"))
async def tag_dataset(request: AnyRequest, api: TheApi, namespace: _Part, name: _Part, tag: _Part) -> Response[bytes]:
    """Send that a dataset has a tag."""
    node = dataset(given_name(namespace), given_name(name))
    return await _change(request, api, node, translate.set_tag(_now(), node, _named(tag, "tag")))


@delete(f"{_DATASET}/{_TAG}", status_code=HTTPStatus.OK, **answered("dataset"))
async def untag_dataset(request: AnyRequest, api: TheApi, namespace: _Part, name: _Part, tag: _Part) -> Response[bytes]:
    """Send that a tag was taken off a dataset."""
    node = dataset(given_name(namespace), given_name(name))
    return await _change(request, api, node, translate.set_tag(_now(), node, _named(tag, "tag"), off=True))


@post(f"{_DATASET}/{_FIELD_TAG}", status_code=HTTPStatus.OK, **answered("dataset"))
async def tag_field(
    request: AnyRequest, api: TheApi, namespace: _Part, name: _Part, field: _Part, tag: _Part
) -> Response[bytes]:
    """Send that a column has a tag."""
    node, column = dataset(given_name(namespace), given_name(name)), given_name(field)
    return await _change(request, api, node, translate.set_tag(_now(), node, _named(tag, "tag"), column), column)


@delete(f"{_DATASET}/{_FIELD_TAG}", status_code=HTTPStatus.OK, **answered("dataset"))
async def untag_field(
    request: AnyRequest, api: TheApi, namespace: _Part, name: _Part, field: _Part, tag: _Part
) -> Response[bytes]:
    """Send that a tag was taken off a column."""
    node, column = dataset(given_name(namespace), given_name(name)), given_name(field)
    return await _change(request, api, node, translate.set_tag(_now(), node, _named(tag, "tag"), column, off=True))


# Jobs


@put(_JOB, **answered("job"), operation_class=takes(*JobMeta.__struct_encode_fields__))
async def put_job(request: AnyRequest, api: TheApi, namespace: _Part, name: _Part) -> Response[bytes]:
    """Send what is said of a job, its inputs and outputs; with `runId`, as those of that run."""
    node = job(given_name(namespace), given_name(name))
    async with _stated(api, request, _as_job, JOB_TYPES) as (meta, size):
        run = None if meta.run_id is None else OfRun(node, meta.run_id)
        make = partial(translate.create_job, _now(), node, meta, run)
        return await _send(request, api, make, partial(sent.job, node), size)


@post(f"{_JOB}/{_TAG}", status_code=HTTPStatus.OK, **answered("job"))
async def tag_job(request: AnyRequest, api: TheApi, namespace: _Part, name: _Part, tag: _Part) -> Response[bytes]:
    """Send that a job has a tag."""
    node = job(given_name(namespace), given_name(name))
    return await _change(request, api, node, translate.set_tag(_now(), node, _named(tag, "tag")))


@delete(f"{_JOB}/{_TAG}", status_code=HTTPStatus.OK, **answered("job"))
async def untag_job(request: AnyRequest, api: TheApi, namespace: _Part, name: _Part, tag: _Part) -> Response[bytes]:
    """Send that a tag was taken off a job."""
    node = job(given_name(namespace), given_name(name))
    return await _change(request, api, node, translate.set_tag(_now(), node, _named(tag, "tag"), off=True))


# Runs


@post(
    f"{_JOB}/runs",
    status_code=HTTPStatus.CREATED,
    **answered("run", HTTPStatus.CREATED),
    operation_class=takes(*RunMeta.__struct_encode_fields__),
)
async def post_run(request: AnyRequest, api: TheApi, namespace: _Part, name: _Part) -> Response[bytes]:
    """Send that a job has a run, which has not started. Without an `id` it gets one."""
    node = job(given_name(namespace), given_name(name))
    async with _stated(api, request, _as_run) as (meta, size):
        for member, text in (("nominalStartTime", meta.nominal_start_time), ("nominalEndTime", meta.nominal_end_time)):
            _given_us(text, member)
        run = OfRun(node, (meta.id or str(uuid4())).lower())
        make, tell = partial(translate.create_run, _now(), run, meta), partial(sent.new_run, run, meta)
        answer = await _send(request, api, make, tell, size, HTTPStatus.CREATED)
    _remember(api, run)
    return answer


@post([f"{_BASE}/jobs/runs/{{run_id:str}}/{mark}" for mark in _MARKS], status_code=HTTPStatus.OK, **answered("run"))
async def mark_run(
    request: AnyRequest,
    api: TheApi,
    run_id: _Part,
    at: Annotated[str | None, QueryParameter(description="When (RFC 3339); now without it")] = None,
) -> Response[bytes]:
    """Send that a run started or ended."""
    state, at_us = _MARKS[str(request.scope["path"]).rstrip("/").rpartition("/")[2]], _given_us(at, "at")
    run, before = await _run(api, given_name(run_id))
    make = partial(translate.mark_run, rfc3339(at_us), run, state.value)
    return await _send(request, api, make, lambda _: things.run_detail(sent.marked(before, run, state, at_us)))


# What they have in common


@asynccontextmanager
async def _stated(
    api: Api, request: AnyRequest, decode: Callable[[bytes], T], types: tuple[str, ...] = ()
) -> AsyncIterator[tuple[T, int]]:
    """What the body says, and its size; it counts as in hand for as long as this is open. Raises `ProblemError`.

    `types`: what there is to choose for its member `type`.
    """
    with api.bodies.held() as body:
        data, is_packed = await api.bodies.read(body, request)

        def said(plain: bytes) -> tuple[T, int]:
            return given_body(decode, plain or _EMPTY, {"type": types}), len(plain)

        yield await api.lanes.read(data, said, is_packed=is_packed)


async def _send(
    request: AnyRequest,
    api: Api,
    make: Callable[[], Event],
    tell: Callable[[Observation], Record],
    size: int = 0,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response[bytes]:
    """Send an event; the answer is made of what it says. Raises `ProblemError`: nothing is claimed then.

    `size`: of the body that asked for it, in bytes.
    """
    record, form = await api.translated(make, tell, size)
    await give(api, (record,))
    return written(request, form, status)


async def _change(
    request: AnyRequest, api: Api, node: Node, event: Event, column: str | None = None
) -> Response[bytes]:
    """Send an event about what is known, after it; the answer is what was known, with what the event says."""
    record, seen = await api.translated(lambda: event, lambda seen: seen)

    def question(index: Index) -> tuple[Record, Event]:
        form = sent.with_change(index.view, known(index, node), seen)
        if column is not None and column not in {field["name"] for field in form["fields"]}:
            raise not_found("Field", column)
        return form, translate.dated(event, index.view.facet_times([node.id])[node.id])

    form, dated = await _patiently(api, question)
    if dated is not event:
        record, _ = await api.translated(lambda: dated, lambda seen: seen)
    await give(api, (record,))
    return written(request, form)


async def _run(api: Api, run_id: str) -> tuple[OfRun, RunRecord | None]:
    """A run by its id alone, and what is kept of it. Raises `ProblemError` where no job is known to have it."""
    run_id = run_id.lower()
    if not is_run_id(run_id):
        raise bad_parameter("runId", "it is no UUID")
    remembered = api.jobs_of_runs.get("", run_id)

    def question(index: Index) -> tuple[OfRun, RunRecord | None]:
        its_job = remembered or job_with(index, run_id)
        return OfRun(its_job, run_id), index.view.run(its_job, run_id)

    run, record = await _patiently(api, question)
    _remember(api, run)
    return run, record


def _remember(api: Api, run: OfRun) -> None:
    """A run's job never changes; whoever creates a run marks it next, sooner than the index may have it."""
    api.jobs_of_runs.put("", run.run_id, run.job, _RUN_BYTES + 4 * (len(run.job.namespace) + len(run.job.name)))


async def _patiently(api: Api, question: Callable[[Index], T]) -> T:
    """The answer. What is not found may have been sent just now: it is looked for again for a while."""
    deadline_s, pause_s = None, _FIRST_PAUSE_S
    while True:
        try:
            return await api.asker.ask(question)
        except ProblemError as error:
            deadline_s = deadline_s or time.monotonic() + api.config.patience_s  # asking every job may take as long
            left_s = deadline_s - time.monotonic()
            if error.status != HTTPStatus.NOT_FOUND or left_s <= 0:
                raise
        await asyncio.sleep(min(pause_s, left_s))
        pause_s *= 2


def _named(text: str, what: str) -> str:
    """A name as it stood in the path, where no event is held to the contract for it. Raises `ProblemError`."""
    name = given_name(text, what)
    if not is_name(name):
        raise bad_parameter(what, f"it is blank, or longer than {MAX_NAME_CHARS} characters")
    return name


def _now_us() -> int:
    return time.time_ns() // 1000


def _now() -> str:
    return rfc3339(_now_us())


def _given_us(text: str | None, name: str) -> int:
    """A time that may be given; now without it."""
    given_us = _now_us() if text is None else time_us(text)
    if given_us is None:
        raise bad_parameter(name, "it is no RFC 3339 time that exists")
    return given_us


ROUTES: Final = (
    *(put_namespace, put_source, put_tag),
    *(put_dataset, delete_dataset, tag_dataset, untag_dataset, tag_field, untag_field),
    *(put_job, tag_job, untag_job, post_run, mark_run),
)
