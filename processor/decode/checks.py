"""What a run found when it checked a dataset that it read (`dataQualityAssertions`): the newest word of each job.

Rules kept here:
- the spec wants checks among an input's own facets, dbt sends them among the dataset's too: both are read;
- several tools may check one dataset, so each job's word is kept by itself, under the facet's name and the job's:
  a check that passes takes back only what the same job had found;
- bounded: what failed is kept, at most `KEPT_CHECKS`, those that block first, and how many checks there were.
Source: OpenLineage DataQualityAssertionsDatasetFacet 1-1-0.
"""

from __future__ import annotations

from typing import Any

from processor.decode.explicit import Part
from processor.decode.node import canonical_json
from processor.model.identity import Node
from processor.model.observation import CHECKS, Facets

KEPT_CHECKS = 50
_CHARS = 200
_WARN = "warn"


def checks_of(part: Part, own: Node) -> Facets:
    """The facet that an input's checks are kept under; none where it was not checked."""
    facet = part.inputFacets.dataQualityAssertions or part.facets.dataQualityAssertions
    if facet is None or facet.assertions is None:
        return {}
    failed = sorted((_kept(a) for a in facet.assertions if not a.success), key=lambda a: (not a["blocks"], str(a)))
    job = {"namespace": own.namespace, "name": own.name}
    record = {"checks": len(facet.assertions), "failed": failed[:KEPT_CHECKS], "job": job}
    return {f"{CHECKS}@{own.namespace}:{own.name}": canonical_json(record)}


def _kept(assertion: Part) -> dict[str, Any]:
    severity = (assertion.severity or "").lower()
    texts = {"assertion": assertion.assertion, "column": assertion.column, "name": assertion.name}
    cut = {name: text[:_CHARS] for name, text in texts.items() if text}
    return {**cut, "blocks": severity != _WARN}
