"""What was decoded before need not be decoded again: producers repeat themselves."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Memo(Generic[V]):
    """Bytes → what they decode to, within a budget of bytes: what each put says that it costs, or a key of bytes takes.

    Two generations instead of a list by age: a look-up is one dict access, and what is in use
    survives each turn. A memo never changes a result, only how soon it is there.

    Several threads may share one under the interpreter's lock. A look-up is one access to a dict, never a look whether
    something is there and then another; who meets a turn half done finds less, and puts it again.

    CPython lets another thread go on at a call, at a jump back, and in a finalizer as garbage is collected,
    which may begin where a container is made. Nothing of that is in adding a cost up, so no cost is lost. Between the
    comparison with the budget and that, containers are made: what another puts then may be forgotten at once, or be
    beyond the budget until the next turn. What two put at once is counted twice, and forgotten the sooner.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._half = budget_bytes // 2
        self._young: dict[tuple[str, Hashable], tuple[V, int]] = {}
        self._old: dict[tuple[str, Hashable], tuple[V, int]] = {}
        self._young_bytes = 0

    def get(self, kind: str, key: Hashable) -> V | None:
        """What was put under (kind, key), if it is still here."""
        found = self._young.get((kind, key))
        if found is None:
            found = self._old.get((kind, key))
            if found is None:
                return None
            self.put(kind, key, *found)
        return found[0]

    def put(self, kind: str, key: Hashable, value: V, cost_bytes: int | None = None) -> None:
        """Keep `value`; forgets the older half when the budget is reached."""
        cost = len(key) if cost_bytes is None and isinstance(key, bytes) else cost_bytes or 0
        if cost > self._half:
            return
        if self._young_bytes + cost > self._half:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        self._young[kind, key] = value, cost
        self._young_bytes += cost
