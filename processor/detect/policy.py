"""What is allowed, expected and patient: one YAML file, validated whole or refused.

The file has a section for each kind of alert (its name), `sources`, and `version: 1`; all of it is
optional. Patterns are shell globs, compared with `namespace` and with `namespace:name`; scheme and
authority of a namespace are lowercase there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, cast

import msgspec
import yaml

from processor.model.alert import AlertKind
from processor.model.errors import UsageError
from processor.model.identity import Node
from processor.model.text import quoted

Hours = Annotated[float, msgspec.Meta(gt=0, le=24 * 366)]
Factor = Annotated[float, msgspec.Meta(ge=1, le=1000)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Pattern = Annotated[str, msgspec.Meta(min_length=1)]


class PolicyError(UsageError):
    """The policy file was refused. `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"policy, line {line}: {reason}")
        self.line = line
        self.reason = reason


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every kind of alert has. `ignore`: subjects that never raise it."""

    enabled: bool = True
    ignore: tuple[Pattern, ...] = ()


class SchemaDrift(Section, frozen=True):
    """How patient drift is.

    `info_hours`: how long a merely added column is told. `min_readers`: how many readers must agree
    that a column is gone where nobody states to write the dataset.
    """

    info_hours: Hours = 24.0
    min_readers: Count = 2


class OrphanDataset(Section, frozen=True):
    """Where a writer is expected.

    `grace_hours`: time for a writer to show up. `min_siblings`, `sibling_share`: when a folder is a
    place where datasets have writers.
    """

    grace_hours: Hours = 1.0
    min_siblings: Count = 4
    sibling_share: Share = 0.9


class MissingSide(Section, frozen=True):
    """`min_runs`: completed runs to learn from. `share`: how many of them must have had the side."""

    min_runs: Count = 3
    share: Share = 0.8


class StuckRun(Section, frozen=True):
    """How long a run may take.

    Limit: `factor` times the p95 of at least `min_runs` durations, never below `floor_hours`; with fewer
    runs `default_hours`. `give_up_days` later the run counts as abandoned and is told no more.
    """

    floor_hours: Hours = 1.0
    factor: Factor = 3.0
    min_runs: Count = 3
    default_hours: Hours = 24.0
    give_up_days: Annotated[float, msgspec.Meta(gt=0, le=366)] = 7.0


class SilentJob(Section, frozen=True):
    """How long a job may be silent.

    Limit: the larger of `factor` times the p95 and `max_factor` times the largest of its gaps, never below
    `floor_hours`. `min_runs` starts and `known_hours` since the job was first seen make a cadence; one
    whose largest gap exceeds `irregular` times its median needs `irregular_runs`. A job silent for
    `retire_factor` times its p95 gap, and at least `retire_days`, counts as retired.
    """

    floor_hours: Hours = 1.0
    factor: Factor = 2.0
    max_factor: Factor = 1.5
    min_runs: Annotated[int, msgspec.Meta(ge=3, le=32)] = 4
    known_hours: Hours = 24.0
    irregular: Factor = 3.0
    irregular_runs: Annotated[int, msgspec.Meta(ge=3, le=32)] = 12
    retire_factor: Factor = 30.0
    retire_days: Annotated[float, msgspec.Meta(gt=0, le=366)] = 7.0


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


class _Loader(yaml.SafeLoader):
    """Without aliases: a few lines of them, each twice the one before, never end; and without tags."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node that stands where it is used, and is what it looks like."""
        event: Any = cast("Any", self).peek_event()
        tag = getattr(event, "tag", None)
        # What a tag forces a value into may be none at all, and YAML's own constructors break on some.
        if isinstance(event, yaml.AliasEvent) or tag:
            what = f"tags ({quoted(tag)})" if tag else "aliases (`*name`)"
            raise yaml.composer.ComposerError(None, None, f"{what} are not for a policy", event.start_mark)
        return super().compose_node(parent, index)


def parse_policy(text: str) -> Policy:
    """Read a policy; an empty text is the default one. Raises PolicyError with line and reason."""
    try:
        return _parse(text)
    except RecursionError:
        raise PolicyError(1, "nested too deeply") from None


def _parse(text: str) -> Policy:
    root, value = _load(text)
    if root is None or value is None:
        return Policy()
    _refuse_doubles(root)
    try:
        return msgspec.convert(value, Policy)
    except msgspec.ValidationError as error:
        raise _located(str(error), root) from None
    except ValueError as error:
        # Half a character without its other half; a number of more digits than Python reads.
        raise PolicyError(1, quoted(error)) from None


def _load(text: str) -> tuple[yaml.Node | None, object]:
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise PolicyError(line, error.problem or "not YAML") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise PolicyError(1, next(iter(str(error).splitlines()), "not YAML")) from None


def _refuse_doubles(node: yaml.Node) -> None:
    """YAML forbids a key twice; the loader would silently take the last."""
    if isinstance(node, yaml.MappingNode):
        known: set[object] = set()
        for key, value in node.value:
            if key.value in known:
                raise PolicyError(key.start_mark.line + 1, f"`{key.value}` stands here twice")
            known.add(key.value)
            _refuse_doubles(value)


_AT = re.compile(r"^(?P<reason>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<position>\d+)\]")
_UNKNOWN = re.compile(r"unknown field `(?P<key>.+)`")


def _located(message: str, root: yaml.Node) -> PolicyError:
    """A msgspec message, its path turned into a line."""
    found = _AT.match(message)
    reason, path = (message, "") if found is None else (found["reason"], found["path"] or "")
    unknown = _UNKNOWN.search(reason)
    if unknown:
        path = f"{path}.{unknown['key']}"
    where = path.lstrip(".")
    return PolicyError(_line(root, path), f"{where}: {reason}" if where and not unknown else reason)


def _line(node: yaml.Node, path: str) -> int:
    line = node.start_mark.line
    for step in _STEP.finditer(path):
        if isinstance(node, yaml.MappingNode):
            pair = next((p for p in node.value if p[0].value == step["key"]), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and step["position"]:
            node = node.value[int(step["position"])]
            line = node.start_mark.line
    return line + 1
