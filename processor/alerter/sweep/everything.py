"""Everything that is wrong, in one stream."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from processor.alerter.sweep.coverage import of_coverage
from processor.alerter.sweep.guarded import of_guarded
from processor.alerter.sweep.jobs import Told, of_all_jobs
from processor.alerter.sweep.outputs import of_required
from processor.alerter.sweep.places import Places
from processor.alerter.sweep.schemas import of_live_schemas
from processor.alerter.sweep.silence import Silence
from processor.alerter.sweep.untracked import Untracked
from processor.alerter.sweep.written import of_written
from processor.judging.scope import Scope, all_jobs, all_nodes
from processor.model.alert import Finding
from processor.model.identity import Kind


def everything(scope: Scope) -> Iterator[Finding]:
    """Every finding, streamed, each once."""
    told = Told()
    untracked, silence = Untracked(scope), Silence(scope)
    yield from of_all_jobs(scope, silence.jobs(untracked.jobs(chain.from_iterable(all_jobs(scope)))), told)
    silence.tell()
    yield from _of_datasets(scope, told, untracked)
    yield from untracked.findings()
    yield from of_guarded(scope, untracked.since_us)
    yield from of_coverage(scope)


def _of_datasets(scope: Scope, told: Told, untracked: Untracked) -> Iterator[Finding]:
    places = Places(scope)
    for page in all_nodes(scope, Kind.DATASET):
        untracked.take(page)
        live = [record for record in page if not record.dropped]
        yield from of_live_schemas(scope, [record.node for record in live])
        yield from of_required(scope, live)
        yield from of_written(scope, live, told)
        places.take(live)
    yield from places.findings(untracked.since_us)
