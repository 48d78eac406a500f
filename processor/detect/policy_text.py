"""The policy file as YAML: read whole, or refused with a line and a reason."""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec
import yaml

from processor.detect.policy import Policy
from processor.model.errors import UsageError
from processor.model.text import quoted


class PolicyError(UsageError):
    """The policy file was refused. `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"policy, line {line}: {reason}")
        self.line = line
        self.reason = reason


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
