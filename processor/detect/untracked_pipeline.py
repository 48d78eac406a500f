"""`untracked_pipeline`: something that the policy or a catalogue declares has never sent lineage.

Rules kept here:
- an entry is satisfied by anything the index knows that it names, be it gone by now; a pattern by any one;
- namespaces compare as everywhere (`identity`), names exactly;
- patience is what the index itself knows of time: `grace_hours` since the first event of all that it holds. What is
  declared later than that is missed at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from fnmatch import translate

from processor.detect.policy import Policy
from processor.detect.stats import hours_us
from processor.detect.words import node_words
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.identity import Kind, Node, canonical_namespace, hash_parts

_ANYWHERE = "*:"
_WILD = re.compile(r"[*?[]")
_ESCAPED = re.compile(r"\[([*?[])\]")
_URI = re.compile(r"^(?P<namespace>[^:/]+://[^:/]*(?::\d+)?(?:/[^:]*)?):(?P<name>.+)$")


class Roll:
    """The entries of a policy, of which those are ticked off that the index knows.

    `first_us`: when the first of all that was ticked off was seen.
    """

    def __init__(self, policy: Policy) -> None:
        """Take all entries; nothing is known yet."""
        self._policy = policy
        self._missing = dict.fromkeys(policy.expected)
        self._exact: dict[tuple[str, str], list[str]] = {}
        self._anywhere: dict[tuple[str, str], list[str]] = {}
        self._patterns: list[tuple[str, re.Pattern[str], str]] = []
        self.first_us: int | None = None
        for entry in self._missing:
            self._sort_in(entry)

    def tick_off(self, node: Node, first_seen_us: int) -> None:
        """The index knows this node, since then."""
        self.first_us = first_seen_us if self.first_us is None else min(first_seen_us, self.first_us)
        if self._missing:
            for entry in self._naming(node):
                self._missing.pop(entry, None)

    def findings(self, now_us: int) -> Iterator[Finding]:
        """What was never heard of, once all that the index knows is ticked off."""
        grace_us = hours_us(self._policy.untracked_pipeline.grace_hours)
        if self.first_us is None or now_us - self.first_us < grace_us:
            return
        for entry in self._missing:
            finding = _finding(entry, self.first_us, grace_us)
            if self._policy.permits(finding.kind, finding.subject):
                yield finding

    def _sort_in(self, entry: str) -> None:
        kind, _, rest = entry.partition(":")
        name = _ESCAPED.sub(r"\1", rest.removeprefix(_ANYWHERE))
        if not _WILD.search(_ESCAPED.sub("", rest)):
            for full in _spellings(_ESCAPED.sub(r"\1", rest)):
                self._exact.setdefault((kind, full), []).append(entry)
        elif rest.startswith(_ANYWHERE) and not _WILD.search(_ESCAPED.sub("", rest.removeprefix(_ANYWHERE))):
            self._anywhere.setdefault((kind, name), []).append(entry)
        else:
            self._patterns.append((kind, re.compile(translate(rest)), entry))

    def _naming(self, node: Node) -> Iterable[str]:
        kind, full = node.kind.value, f"{node.namespace}:{node.name}"
        yield from self._exact.get((kind, full), ())
        yield from self._anywhere.get((kind, node.name), ())
        for of_kind, pattern, entry in self._patterns:
            if of_kind == kind and entry in self._missing and pattern.match(full):
                yield entry


def _spellings(rest: str) -> set[str]:
    """`NAMESPACE:NAME` with the namespace in canonical form, wherever it ends."""
    colons = (at for at, letter in enumerate(rest) if letter == ":")
    return {f"{canonical_namespace(rest[:at])}{rest[at:]}" for at in colons}


def _subject(entry: str) -> Node:
    """The node that an entry names, as well as the text alone tells where its namespace ends."""
    kind, _, rest = entry.partition(":")
    plain = _ESCAPED.sub(r"\1", rest)
    uri = _URI.match(plain)
    namespace, name = (uri["namespace"], uri["name"]) if uri else plain.split(":", 1)
    return Node(Kind(kind), canonical_namespace(namespace), name)


def _finding(entry: str, first_us: int, grace_us: int) -> Finding:
    subject = _subject(entry)
    since = datetime.fromtimestamp(first_us / 1_000_000, UTC).date().isoformat()
    is_pattern = _WILD.search(_ESCAPED.sub("", entry.partition(":")[2].removeprefix(_ANYWHERE)))
    what = "nothing that matches it was" if is_pattern else "it was never"
    return Finding(
        alert_id=hash_parts(AlertKind.UNTRACKED_PIPELINE.value, entry).hex(),
        kind=AlertKind.UNTRACKED_PIPELINE,
        severity=Severity.WARNING,
        subject=subject,
        summary=(
            f"{subject.kind.value.capitalize()} {node_words(subject)} is declared, but {what} heard of in the lineage"
            f" that came in since {since}."
        ),
        since_us=first_us + grace_us,
    )
