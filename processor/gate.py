"""Gates for use inside a program, such as a training script: they let it go on, or raise with the reason.

    from processor import gate

    gate.require_trusted("customer_features", allow=["postgres://shop:*"], url="http://lineage:9600", token=token)

`url` is that of the HTTP API (`http://`, `https://`), or of the Redis that has the index; without it the settings
(`LINEAGE_REDIS_URL`) say where that is, as for every command. `token` is a bearer token of the API.

A no raises a `GateError`, which has the whole verdict; what was asked wrongly a `UsageError`; what does not answer a
`DependencyError`: a gate that cannot tell lets nobody pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from processor.gate_client import ApiClient, is_api
from processor.index.view import View
from processor.judging.coverage_gate import TARGET_PERCENT, UnknownNamespaceError, coverage_verdict, of_namespace
from processor.judging.provenance import Demand, may_be_fed
from processor.judging.questions import ImpactQuestion, answer_impact, read_question
from processor.judging.verdicts import CoverageVerdict, FailOn, Grade, ImpactVerdict, NodeRef, ProvenanceVerdict
from processor.model.errors import DependencyError, LineageError, UsageError
from processor.model.identity import Node
from processor.model.text import quoted
from processor.model.typed import converter
from processor.model.wording import in_words
from processor.settings import Settings

__all__ = [
    "BreakingChange",
    "DependencyError",
    "GateError",
    "LowCoverage",
    "UntrustedSource",
    "UsageError",
    "require_coverage",
    "require_impact",
    "require_trusted",
]

_read_demand: Final = converter(Demand)
_read_provenance: Final = msgspec.json.Decoder(ProvenanceVerdict).decode
_read_impact: Final = msgspec.json.Decoder(ImpactVerdict).decode
_read_coverage: Final = msgspec.json.Decoder(CoverageVerdict).decode
_V = TypeVar("_V", bound=ProvenanceVerdict | ImpactVerdict | CoverageVerdict)
FailOnName = Literal["breaking", "possible", "any", "never"]
Document = Path | str | bytes | Mapping[str, Any]
"""JSON: the path of a file (`Path`, or text that is no JSON), its content, or what it holds."""


class GateError(LineageError, Generic[_V]):
    """A gate said no. `verdict` is its whole answer."""

    def __init__(self, message: str, verdict: _V) -> None:
        super().__init__(message)
        self.verdict: _V = verdict


class UntrustedSource(GateError[ProvenanceVerdict]):
    """Something draws on a source that is not to be trusted. `path` leads from it to that source."""

    @property
    def path(self) -> tuple[Node, ...]:
        """Datasets and jobs, the subject first, the source last."""
        return tuple(step.node for step in self.verdict.path)

    @property
    def trust(self) -> float:
        """The trust in the subject, from 0 to 1."""
        return self.verdict.trust


class BreakingChange(GateError[ImpactVerdict]):
    """A proposed change breaks who reads it downstream."""


class LowCoverage(GateError[CoverageVerdict]):
    """Too little of the lineage is known."""


def require_trusted(  # noqa: PLR0913  a demand has as many parts
    node: str,
    *,
    allow: Iterable[str] = (),
    min_trust: float | None = None,
    max_age_hours: float | None = None,
    policy: Path | None = None,
    url: str | None = None,
    token: str | None = None,
    timeout_s: float = 60.0,
) -> ProvenanceVerdict:
    """Go on only if a dataset, job or column may be fed by all the sources that it draws on.

    `node` is a NODE of the command line. `allow`: patterns of the sources that it may draw on. `min_trust` is 0.9
    unless the policy guards the node; `policy` is a policy file, which the API has of its own. Raises
    `UntrustedSource`, `UsageError`, `DependencyError`.
    """
    allowed = _patterns(allow)
    demand = _demand({"allow": allowed, "min_trust": min_trust, "max_age_hours": max_age_hours})
    if is_api(url):
        if policy is not None:
            raise UsageError("policy: the API has one of its own; give allow, min_trust, max_age_hours")
        asked = [("node", node), *(("allow", each) for each in allowed)]
        asked += [(n, str(v)) for n, v in (("min_trust", min_trust), ("max_age_hours", max_age_hours)) if v is not None]
        verdict = _client(url, token, timeout_s).get("gates/provenance", asked, _read_provenance)
    else:
        verdict = _on_index(url, lambda index: _trust(index, node, demand, policy))
    if not verdict.ok:
        way = " ← ".join(_name(step) for step in verdict.path)
        raise UntrustedSource(f"{node} {verdict.reason}{f' (path: {way})' if way else ''}", verdict)
    return verdict


def require_impact(  # noqa: PLR0913  a change has as many parts
    *,
    manifest: Document | None = None,
    catalog: Document | None = None,
    base: Document | None = None,
    schema: Any = None,  # noqa: ANN401  any JSON
    dataset: str | None = None,
    namespace: str | None = None,
    deleted: bool = True,
    fail_on: FailOnName = "breaking",
    url: str | None = None,
    token: str | None = None,
    timeout_s: float = 60.0,
) -> ImpactVerdict:
    """Go on only if a proposed change breaks nobody downstream; see `ImpactQuestion` for what the parts are.

    Raises `BreakingChange`, `UsageError`, `DependencyError`.
    """
    documents = {"manifest": manifest, "catalog": catalog, "base": base}
    parts: dict[str, Any] = {name: _raw(name, each) for name, each in documents.items() if each is not None}
    parts |= {
        name: v for name, v in (("schema", schema), ("dataset", dataset), ("namespace", namespace)) if v is not None
    }
    parts |= {"deleted": deleted, "fail_on": fail_on}
    if is_api(url):
        verdict = _client(url, token, timeout_s).post("gates/impact", parts, _read_impact)
    else:
        question = _converted(parts)
        verdict = _on_index(url, lambda index: answer_impact(index.view, question, index.resolve))
    if not verdict.ok:
        met = next((change for change in verdict.changes if change.grade is Grade.BREAKING), verdict.changes[0])
        raise BreakingChange(met.summary, verdict)
    return verdict


def require_coverage(
    fail_under: float = TARGET_PERCENT,
    *,
    namespace: str | None = None,
    policy: Path | None = None,
    url: str | None = None,
    token: str | None = None,
    timeout_s: float = 300.0,
) -> CoverageVerdict:
    """Go on only if enough of the lineage is known: every share at least `fail_under` percent.

    Raises `LowCoverage`, `UsageError`, `DependencyError`.
    """
    if is_api(url):
        asked = [("fail_under", str(fail_under)), *([("namespace", namespace)] if namespace else [])]
        verdict = _client(url, token, timeout_s).get("gates/coverage", asked, _read_coverage)
    else:
        verdict = _on_index(url, lambda index: _coverage(index, fail_under, namespace, policy))
    if not verdict.ok:
        raise LowCoverage(f"below {fail_under:g} %: {', '.join(verdict.below)}", verdict)
    return verdict


# The index itself


class _Index:
    """The index, opened."""

    def __init__(self, settings: Settings, view: View) -> None:
        self.settings = settings
        self.view = view

    def resolve(self, text: str) -> Node:
        """The node that is meant. Raises `UsageError` with what is near."""
        from processor.index.resolve import UnknownNodeError, resolve  # noqa: PLC0415  only where the index is asked

        try:
            return resolve(self.view, text)
        except UnknownNodeError as error:
            near = ", ".join(map(str, error.candidates))
            raise UsageError(f"nothing is called {quoted(text)}{f'; near it: {near}' if near else ''}") from None

    def now_us(self) -> int:
        """The time to judge by."""
        wall_us = time.time_ns() // 1000
        reached_us = self.view.now_us(wall_us, self.settings.clock)
        return wall_us if reached_us is None else reached_us


def _on_index(url: str | None, ask: Callable[[_Index], _V]) -> _V:
    with _opened(url) as index:
        return ask(index)


@contextmanager
def _opened(url: str | None) -> Iterator[_Index]:
    from processor import settings, wiring  # noqa: PLC0415  loads every client there is
    from processor.home import with_redis  # noqa: PLC0415  as above

    given = settings.load()
    with with_redis(given if url is None else given.changed(redis_url=url)) as chosen:
        store = wiring.open_store(chosen)
        try:
            yield _Index(chosen, View(store))
        finally:
            store.close()


def _trust(index: _Index, node: str, demand: Demand, policy: Path | None) -> ProvenanceVerdict:
    from processor.alerter.policy_file import load_policy  # noqa: PLC0415  only where the index is asked

    rules = load_policy(policy or index.settings.policy)
    return may_be_fed(index.view, index.resolve(node), demand, rules, index.now_us())


def _coverage(index: _Index, fail_under: float, namespace: str | None, policy: Path | None) -> CoverageVerdict:
    from processor.alerter.policy_file import load_policy  # noqa: PLC0415  as above
    from processor.judging.coverage import measure  # noqa: PLC0415  as above
    from processor.judging.scope import Scope  # noqa: PLC0415  as above

    surveyed = measure(Scope(index.view, load_policy(policy or index.settings.policy), 0, lambda: None, set()))
    try:
        return coverage_verdict(of_namespace(surveyed, namespace), fail_under, surveyed.stumbled)
    except UnknownNamespaceError as error:
        raise UsageError(error.told) from None


# What was given


def _patterns(allow: Iterable[str]) -> tuple[str, ...]:
    if isinstance(allow, str):
        raise UsageError("allow: give a list of patterns, not one text")
    return tuple(allow)


def _demand(given: dict[str, Any]) -> Demand:
    try:
        return _read_demand(given)
    except msgspec.ValidationError as error:
        raise UsageError(in_words(error)) from None


def _converted(parts: dict[str, Any]) -> ImpactQuestion:
    try:
        return read_question(parts)
    except msgspec.ValidationError as error:
        raise UsageError(in_words(error, tuple(FailOn))) from None


def _raw(name: str, document: Document) -> msgspec.Raw:
    """A document as the bytes of its JSON."""
    if isinstance(document, Mapping):
        return msgspec.Raw(msgspec.json.encode(document))
    if isinstance(document, bytes) or (isinstance(document, str) and document.lstrip()[:1] == "{"):
        return msgspec.Raw(document)
    try:
        return msgspec.Raw(Path(document).read_bytes())
    except OSError as error:
        raise UsageError(f"{name}: {document} cannot be read: {error.strerror}") from error


def _client(url: str | None, token: str | None, timeout_s: float) -> ApiClient:
    return ApiClient(url or "", token, timeout_s)


def _name(step: NodeRef) -> str:
    return f"{step.name}.{step.field}" if step.field else step.name
