"""What is allowed, expected and patient.

`policy_text` reads it from one YAML file, which has a section for each kind of alert (its name), `sources`, and
`version: 1`; all of it is optional. Patterns are shell globs, compared with `namespace` and with `namespace:name`;
scheme and authority of a namespace are lowercase there.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from processor.detect.knobs import MissingSide, OrphanDataset, Pattern, SchemaDrift, Section, SilentJob, StuckRun
from processor.model.alert import AlertKind
from processor.model.identity import Node


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of it; the defaults are the default policy. `sources`: datasets that nobody need write."""

    version: Literal[1] = 1
    sources: tuple[Pattern, ...] = ()
    schema_drift: SchemaDrift = SchemaDrift()
    orphan_dataset: OrphanDataset = OrphanDataset()
    missing_inputs: MissingSide = MissingSide()
    missing_outputs: MissingSide = MissingSide()
    stuck_run: StuckRun = StuckRun()
    silent_job: SilentJob = SilentJob()

    def section(self, kind: AlertKind) -> Section:
        """The section of a kind of alert; it bears the kind's name."""
        section: Section = getattr(self, kind.value)
        return section

    def permits(self, kind: AlertKind, subject: Node) -> bool:
        """Whether that kind may be raised about that subject."""
        section = self.section(kind)
        return section.enabled and not matches(section.ignore, subject)

    def is_source(self, dataset: Node) -> bool:
        """Whether the policy declares the dataset a source."""
        return matches(self.sources, dataset)


def matches(patterns: Iterable[str], node: Node) -> bool:
    """Whether a pattern names the node, or its whole namespace."""
    full = f"{node.namespace}:{node.name}"
    return any(fnmatchcase(node.namespace, p) or fnmatchcase(full, p) for p in patterns)
