"""The policy file as YAML: read whole, or refused with a line and a reason.

Rules kept here:
- a policy with one thing wrong is refused whole;
- to find everything that is wrong, what was found is taken out of the tree and the rest is looked at again; lines and
  positions stay those of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple, cast

import msgspec
import yaml

from processor.detect.policy import Policy
from processor.model.errors import UsageError
from processor.model.text import quoted
from processor.model.typed import converter

_converted = converter(Policy)


class PolicyError(UsageError):
    """The policy file was refused. `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"policy, line {line}: {reason}")
        self.line = line
        self.reason = reason


MOST_PROBLEMS = 20
"""More than this nobody reads at once."""


class _Loader(yaml.SafeLoader):
    """Without aliases: a few lines of them, each twice the one before, never end; and without tags."""

    yaml_implicit_resolvers = {  # noqa: RUF012  its base class's form
        # A day or a moment stays the text that it is.
        first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

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
        tree = _tree(text)
        for error in _problems(tree):
            raise error
        return _policy(tree)
    except RecursionError:
        raise _too_deep() from None


def problems_in(text: str) -> list[PolicyError]:
    """What is wrong with a policy, by line; at most `MOST_PROBLEMS`."""
    try:
        return sorted(islice(_problems(_tree(text)), MOST_PROBLEMS), key=lambda error: error.line)
    except PolicyError as error:
        return [error]
    except RecursionError:
        return [_too_deep()]


def _too_deep() -> PolicyError:
    return PolicyError(1, "nested too deeply")


def _tree(text: str) -> yaml.Node | None:
    try:
        return _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise PolicyError(line, error.problem or "not YAML") from None
    except (yaml.YAMLError, ValueError) as error:
        raise PolicyError(1, _first_line(error)) from None


def _problems(root: yaml.Node | None) -> Iterator[PolicyError]:
    """Everything that is wrong; what was told is taken out of the tree."""
    if root is None:
        return
    yield from _doubles(root)
    positions = dict(_positions(root))
    while True:
        try:
            _policy(root)
        except msgspec.ValidationError as error:
            found = _located(str(error), root, positions)
            yield found.error
            if not found.take_out(root):
                return
        except PolicyError as error:
            yield error
            return
        else:
            return


def _policy(root: yaml.Node | None) -> Policy:
    value = None if root is None else _value(root)
    try:
        return Policy() if value is None else _converted(value)
    except msgspec.ValidationError:
        raise
    except ValueError as error:
        # Half a character without its other half; a number of more digits than Python reads.
        raise PolicyError(1, quoted(error)) from None


def _value(root: yaml.Node) -> object:
    try:
        return _Loader("").construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise PolicyError(1 if mark is None else mark.line + 1, error.problem or "not YAML") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise PolicyError(1, _first_line(error)) from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "not YAML")


def _doubles(node: yaml.Node) -> Iterator[PolicyError]:
    """YAML forbids a key twice; the loader would silently take the last."""
    if isinstance(node, yaml.SequenceNode):
        for element in node.value:
            yield from _doubles(element)
    elif isinstance(node, yaml.MappingNode):
        known: set[object] = set()
        for pair in list(node.value):
            key, value = pair
            if not isinstance(key, yaml.ScalarNode):
                continue  # to be refused when it is read: no key of ours
            if key.value in known:
                node.value.remove(pair)
                yield PolicyError(key.start_mark.line + 1, f"`{key.value}` stands here twice")
            else:
                known.add(key.value)
                yield from _doubles(value)


def _positions(node: yaml.Node) -> Iterator[tuple[int, int]]:
    """Where each element of a list stands in it, by the identity of its node: others may be taken out."""
    children = node.value if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.MappingNode):
        children = [value for _, value in node.value]
    for position, child in enumerate(children):
        if isinstance(node, yaml.SequenceNode):
            yield id(child), position
        yield from _positions(child)


_AT = re.compile(r"^(?P<reason>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<position>\d+)\]")
_UNKNOWN = re.compile(r"unknown field `(?P<key>.+)`")


class _Found(NamedTuple):
    """What is wrong, and the entry of the tree that is to blame: a pair of a mapping, or an element of a list."""

    error: PolicyError
    parent: yaml.Node | None
    entry: Any

    def take_out(self, root: yaml.Node) -> bool:
        """Take it out of the tree; False when it is the whole of it."""
        if self.parent is None or self.entry is root:
            return False
        self.parent.value = [entry for entry in self.parent.value if entry is not self.entry]
        return True


def _located(message: str, root: yaml.Node, positions: dict[int, int]) -> _Found:
    """A msgspec message, its path turned into a line."""
    found = _AT.match(message)
    reason, path = (message, "") if found is None else (found["reason"], found["path"] or "")
    unknown = _UNKNOWN.search(reason)
    if unknown:
        path = f"{path}.{unknown['key']}"
    line, where, parent, entry = root.start_mark.line, "", None, root
    for line, name, parent, entry in _steps(root, path, positions):  # noqa: B007  the last one counts
        where += name
    where = where.lstrip(".")
    return _Found(PolicyError(line + 1, f"{where}: {reason}" if where and not unknown else reason), parent, entry)


def _steps(node: yaml.Node, path: str, positions: dict[int, int]) -> Iterator[tuple[int, str, yaml.Node, Any]]:
    """Line, name, parent and entry of each step of a path, as far as the tree has it."""
    for step in _STEP.finditer(path):
        if isinstance(node, yaml.MappingNode):
            pair = next((p for p in node.value if p[0].value == step["key"]), None)
            if pair is None:
                return
            yield pair[0].start_mark.line, f".{step['key']}", node, pair
            node = pair[1]
        elif isinstance(node, yaml.SequenceNode) and step["position"]:
            child = node.value[int(step["position"])]
            yield child.start_mark.line, f"[{positions.get(id(child), step['position'])}]", node, child
            node = child
