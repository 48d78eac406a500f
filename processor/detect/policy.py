"""What is allowed, expected and patient.

`policy_text` reads it from one YAML file, which has a section for each kind of alert (its name), `sources`,
`overrides`, and `version: 1`; all of it is optional. Patterns are shell globs, compared with `namespace` and with
`namespace:name`; scheme and authority of a namespace are lowercase there.

Rules kept here:
- an override sets single knobs for the subjects that it matches, and leaves the others as they are;
- of several that match, each is laid over those before it: the last one wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec

from processor.detect.catalogue import ENTRY
from processor.detect.knobs import (
    AlertStorm,
    BrokenLineage,
    Damping,
    FragmentedNamespace,
    Guarded,
    LowCoverage,
    MissingColumnLineage,
    MissingSide,
    MuteRule,
    OrphanDataset,
    Pattern,
    SchemaDrift,
    SchemaFlapping,
    Section,
    SilentDataset,
    SilentJob,
    StuckRun,
    UntrackedPipeline,
    UntrustedSource,
)
from processor.detect.overriding import overlaid, override_of
from processor.model.alert import AlertKind
from processor.model.identity import Node


class Sections(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A section for each kind of alert, under the kind's name."""

    schema_drift: SchemaDrift = SchemaDrift()
    schema_flapping: SchemaFlapping = SchemaFlapping()
    orphan_dataset: OrphanDataset = OrphanDataset()
    missing_inputs: MissingSide = MissingSide()
    missing_outputs: MissingSide = MissingSide()
    broken_lineage: BrokenLineage = BrokenLineage()
    missing_column_lineage: MissingColumnLineage = MissingColumnLineage()
    untracked_pipeline: UntrackedPipeline = UntrackedPipeline()
    fragmented_namespace: FragmentedNamespace = FragmentedNamespace()
    stuck_run: StuckRun = StuckRun()
    silent_job: SilentJob = SilentJob()
    silent_dataset: SilentDataset = SilentDataset()
    untrusted_source: UntrustedSource = UntrustedSource()
    low_coverage: LowCoverage = LowCoverage()
    alert_storm: AlertStorm = AlertStorm()


Expected = Annotated[str, msgspec.Meta(pattern=ENTRY)]
_Override: Any = override_of(Sections, match=Annotated[tuple[Pattern, ...], msgspec.Meta(min_length=1)])


class Policy(Sections, frozen=True, forbid_unknown_fields=True, kw_only=True, cache_hash=True):
    """All of it; the defaults are the default policy.

    `sources`: datasets that nobody need write. `expected`: jobs and datasets that must send lineage, as
    `job:NAMESPACE:NAME` or `dataset:NAMESPACE:NAME`. `catalogues`: files of such, or dbt's manifest.json, by their path
    from this file. `mutes`: what is to be told nobody for a while. `damping`: of what comes and goes. `guarded`:
    datasets and jobs whose sources have to be trusted. `overrides`: other thresholds for the subjects that `match`.
    """

    version: Literal[1] = 1
    sources: tuple[Pattern, ...] = ()
    expected: tuple[Expected, ...] = ()
    catalogues: tuple[Pattern, ...] = ()
    mutes: tuple[MuteRule, ...] = ()
    damping: Damping = Damping()
    guarded: tuple[Guarded, ...] = ()
    overrides: tuple[_Override, ...] = ()

    def for_(self, subject: Node) -> Policy:
        """The policy that holds for one subject: with the overrides that match it, and none left."""
        if not self.overrides:
            return self
        which = tuple(n for n, override in enumerate(self.overrides) if matches(override.match, subject))
        return _with_overrides(self, which)

    def section(self, kind: AlertKind, subject: Node | None = None) -> Section:
        """The section of a kind of alert, for that subject if one is named; it bears the kind's name."""
        policy = self if subject is None else self.for_(subject)
        section: Section = getattr(policy, kind.value)
        return section

    def permits(self, kind: AlertKind, subject: Node) -> bool:
        """Whether that kind may be raised about that subject."""
        section = self.section(kind, subject)
        return section.enabled and not matches(section.ignore, subject)

    def is_source(self, dataset: Node) -> bool:
        """Whether the policy declares the dataset a source."""
        return matches(self.sources, dataset)


def matches(patterns: tuple[str, ...], node: Node) -> bool:
    """Whether a pattern names the node, or its whole namespace."""
    if not patterns:
        return False
    match = _matcher(patterns)
    return bool(match(node.namespace) or match(f"{node.namespace}:{node.name}"))


@lru_cache(maxsize=1024)
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], object]:
    """All as one: `fnmatch` keeps a few hundred compiled, and every subject is held against all that there are."""
    return re.compile("|".join(map(translate, patterns))).match


@lru_cache(maxsize=256)
def _with_overrides(policy: Policy, which: tuple[int, ...]) -> Policy:
    held = overlaid(policy, [policy.overrides[n] for n in which])
    return msgspec.structs.replace(held, overrides=())
