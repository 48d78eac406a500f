"""OpenLineage histories for Hypothesis: few names and few times, so that much of it meets.

Simple things come first in every choice, so that what fails shrinks to something a person can read.
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.events import PRODUCER, Json, column_lineage, facet, run_id, schema

LAKE = "s3://lake"
DATASETS = ("a", "b", "raw.c")
ODD_NAMES = ("caf\u00e9", "cafe\u0301", "{b0}:\x00/\r\n")
JOBS = ("j", "o")
"""Of one bucket, so that they share what a bucket keeps."""
TIMES = (
    "2026-03-01T06:00:00Z",
    "2026-03-01T06:59:59.999999Z",
    "2026-03-01T07:00:00Z",
    "2026-03-01T08:30:00+00:00",
    "2026-03-02T06:00:00Z",
)
ODD_TIMES = (
    "1969-12-31T23:59:59.999999Z",
    "1970-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "2300-01-01T00:00:00.000001Z",
    "9999-12-31T23:30:00.000008Z",
    "9999-12-31T23:30:00.000009Z",
)
SCHEMAS = (("id",), ("id", "n:int"), ("n: INT", "id"), ("n:bigint", "id"))
MAPPINGS: tuple[dict[str, list[tuple[str, str]]], ...] = (
    {"id": [("a", "id")]},
    {"id": [("b", "id")]},
    {"id": [("a", "id"), ("b", "n")], "n": []},
    {},
)
GONE: Json = {"_deleted": True}


@st.composite
def datasets(draw: st.DrawFn, *, names: tuple[str, ...] = DATASETS) -> Json:
    """A dataset with a name that counts, and no facets."""
    namespace = draw(st.sampled_from((LAKE, LAKE, "S3://Lake")))
    return {"namespace": namespace, "name": draw(st.sampled_from((*names, *names, *ODD_NAMES)))}


@st.composite
def _identifiers(draw: st.DrawFn) -> Json:
    found = draw(st.lists(datasets(), max_size=2))
    return facet(identifiers=[{**other, "type": "TABLE"} for other in found])


@st.composite
def _lifecycles(draw: st.DrawFn) -> Json:
    change = draw(st.sampled_from(("DROP", "DROP", "CREATE", "TRUNCATE", "RENAME")))
    former = {"previousIdentifier": draw(datasets())} if change == "RENAME" else {}
    return facet(lifecycleStateChange=change, **former)


def _mapped() -> st.SearchStrategy[Json]:
    return st.builds(
        lambda mapping, *, indirect: column_lineage(mapping, LAKE, indirect=indirect),
        st.sampled_from(MAPPINGS),
        indirect=st.booleans(),
    )


def _sources(kind: str = "DATASET") -> st.SearchStrategy[list[Json]]:
    return st.lists(datasets().map(lambda name: {"type": kind, **name}), max_size=2)


def _others() -> st.SearchStrategy[list[Json]]:
    return st.sampled_from(JOBS).map(lambda name: [{"type": "JOB", "namespace": "shop", "name": name}])


@st.composite
def _entries(draw: st.DrawFn) -> Json:
    if draw(st.integers(0, 4)) == 4:
        return {"type": "JOB", "namespace": "shop", "name": draw(st.sampled_from(JOBS)), "inputs": draw(_sources())}
    inputs = draw(st.one_of(_sources(), _sources(), _others()))
    return {"type": "DATASET", **draw(datasets()), "inputs": inputs}


FACETS: dict[str, st.SearchStrategy[object]] = {
    "schema": st.one_of(
        st.sampled_from(SCHEMAS).map(lambda columns: schema(*columns)),
        st.just(facet(fields=[])),
        st.sampled_from("xy").map(lambda text: facet(fields=[{"name": "id", "type": "string", "description": text}])),
    ),
    "documentation": st.sampled_from("xy").map(lambda text: facet(description=text)),
    "ownership": st.sampled_from("xy").map(lambda name: facet(owners=[{"name": name}])),
    "symlinks": _identifiers(),
    "lifecycleStateChange": _lifecycles(),
    "custom_note": st.sampled_from(("x", "\u00e9 \U0001f600", "\"'\\")).map(lambda text: facet(note=text)),
}
OUTPUT_FACETS = {**FACETS, "columnLineage": _mapped(), "lineage": _sources().map(lambda found: facet(inputs=found))}
JOB_FACETS: dict[str, st.SearchStrategy[object]] = {
    "ownership": FACETS["ownership"],
    "jobType": st.sampled_from(("BATCH", "STREAMING", "SERVICE")).map(
        lambda kind: facet(processingType=kind, integration="SPARK", jobType="JOB")
    ),
    "lineage": st.lists(_entries(), max_size=2).map(lambda entries: facet(entries=entries)),
}
RUN_FACETS: dict[str, st.SearchStrategy[object]] = {
    "parent": st.builds(
        lambda job, run: facet(job={"namespace": "shop", "name": job}, run={"runId": run_id(run)}),
        st.sampled_from(JOBS),
        st.integers(0, 1),
    ),
    "nominalTime": st.sampled_from(TIMES[:2]).map(lambda time: facet(nominalStartTime=time)),
    "errorMessage": st.sampled_from("xy").map(lambda text: facet(message=text, programmingLanguage="SQL")),
}


@st.composite
def _facets(draw: st.DrawFn, kinds: dict[str, st.SearchStrategy[object]], *, deletable: bool = True) -> Json:
    """Up to two facets; now and then null, or taken back."""
    names = draw(st.lists(st.sampled_from(sorted(kinds)), max_size=2, unique=True))
    odd = (st.none(), st.just(GONE)) if deletable else (st.none(),)
    return {name: draw(st.one_of(kinds[name], kinds[name], *odd)) for name in names}


@st.composite
def _listed(draw: st.DrawFn, kinds: dict[str, st.SearchStrategy[object]]) -> list[Json]:
    found = draw(st.lists(datasets(), max_size=2))
    return [{**each, "facets": draw(_facets(kinds))} for each in found]


CHECKS: tuple[list[Json], ...] = (
    [{"assertion": "not_null", "success": True}],
    [{"assertion": "not_null", "success": False, "severity": "warn"}, {"assertion": "unique", "success": False}],
    [],
)


@st.composite
def _inputs(draw: st.DrawFn) -> list[Json]:
    """Datasets that are read; now and then they are checked on the way."""
    checked = st.sampled_from(CHECKS).map(lambda found: {"dataQualityAssertions": facet(assertions=found)})
    found = draw(_listed(FACETS))
    return [each | draw(st.one_of(st.just({}), checked.map(lambda c: {"inputFacets": c}))) for each in found]


@st.composite
def events(draw: st.DrawFn) -> Json:
    """Any event: mostly of a run, now and then of a job or a dataset alone."""
    kind = draw(st.sampled_from(("run", "run", "run", "run", "job", "dataset")))
    time = draw(st.sampled_from((*TIMES, *TIMES, *TIMES, *ODD_TIMES)))
    said: Json = {"eventTime": time, "producer": PRODUCER}
    if kind == "dataset":
        return {**said, "dataset": {**draw(datasets()), "facets": draw(_facets(OUTPUT_FACETS))}}
    job = {"namespace": "shop", "name": draw(st.sampled_from(JOBS)), "facets": draw(_facets(JOB_FACETS))}
    said |= {"job": job, "inputs": draw(_inputs()), "outputs": draw(_listed(OUTPUT_FACETS))}
    if kind == "job":
        return said
    state = draw(st.sampled_from(("START", "COMPLETE", "RUNNING", "FAIL", "ABORT", "OTHER", None)))
    run = {"runId": run_id(draw(st.integers(0, 2))), "facets": draw(_facets(RUN_FACETS, deletable=False))}
    return {**said, "run": run, **({"eventType": state} if state else {})}


@st.composite
def drops(draw: st.DrawFn) -> list[Json]:
    """A dataset that one job drops and another writes, in whatever order their times say."""
    plain: Json = {"namespace": LAKE, "name": "a", "facets": {}}
    gone = {**plain, "facets": {"lifecycleStateChange": facet(lifecycleStateChange="DROP")}}
    return [
        {
            "eventTime": draw(st.sampled_from(TIMES)),
            "eventType": "COMPLETE",
            "producer": PRODUCER,
            "job": {"namespace": "shop", "name": job, "facets": {}},
            "run": {"runId": run_id(0), "facets": {}},
            "inputs": [],
            "outputs": [output],
        }
        for job, output in zip(JOBS, (gone, plain), strict=True)
    ]


@st.composite
def many_hours(draw: st.DrawFn) -> list[Json]:
    """Writes of one dataset with one schema, in more hours than are kept, in any order."""
    hours = draw(st.lists(st.integers(0, 23), min_size=16, max_size=20))
    made = {"namespace": LAKE, "name": "a", "facets": {"schema": schema("id")}}
    job = {"namespace": "shop", "name": JOBS[1], "facets": {}}
    said = {"producer": PRODUCER, "eventType": "RUNNING", "job": job, "run": {"runId": run_id(0), "facets": {}}}
    return [{**said, "eventTime": f"2026-03-01T{hour:02}:10:00Z", "inputs": [], "outputs": [made]} for hour in hours]


def many_runs(state: str, times: tuple[str, str]) -> list[Json]:
    """More finished runs of one job than it keeps, with few ends among them."""
    job = {"namespace": "shop", "name": JOBS[0], "facets": {}}
    said = {"producer": PRODUCER, "eventType": state, "job": job, "inputs": [], "outputs": []}
    return [{**said, "eventTime": times[n % 2], "run": {"runId": run_id(100 + n), "facets": {}}} for n in range(35)]
