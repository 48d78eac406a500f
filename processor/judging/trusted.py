"""How far a dataset or a job is trusted under some guards: walked to its sources, with the drift on the way."""

from __future__ import annotations

from collections.abc import Sequence

from processor.detect import kinds
from processor.detect.knobs import Guarded
from processor.detect.policy import Policy
from processor.detect.schema_drift import Asking
from processor.detect.trust import Trust, judge
from processor.index.provenance import provenance
from processor.index.view import View
from processor.model.alert import Severity
from processor.model.identity import Node
from processor.model.pages import pages
from processor.model.provenance import Provenance

_ASKING = Asking(lambda _: False)
"""What is downstream does not matter here."""


def trust_under(view: View, subject: Node, guards: Sequence[Guarded], policy: Policy, now_us: int) -> list[Trust]:
    """The trust of a dataset or a job under each of these guards, in their order, whether or not they match it."""
    return trust_in(view, provenance(view, subject), guards, policy, now_us)


def trust_in(view: View, found: Provenance, guards: Sequence[Guarded], policy: Policy, now_us: int) -> list[Trust]:
    """The same of sources that were found already."""
    drifting = _drifting(view, found, policy, now_us)
    return [judge(found, guard, policy, now_us, drifting) for guard in guards]


def _drifting(view: View, found: Provenance, policy: Policy, now_us: int) -> frozenset[Node]:
    """Datasets on the way whose schema drifted in a way that may break their readers."""
    names = {name for trail in found.trails for stop in trail.stops for name in stop.names}
    return frozenset(
        dataset
        for page in pages(sorted(names))
        for dataset, lanes in view.lanes_of(page).items()
        if any(f.severity is not Severity.INFO for f in kinds.of_lanes(lanes, policy, now_us, _ASKING))
    )
