"""The index, opened for one command."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from processor.cli.guard import NotFoundError
from processor.home import with_redis
from processor.model.errors import UsageError

if TYPE_CHECKING:
    from processor.index.redis import RedisStore
    from processor.index.view import View
    from processor.model.identity import Node
    from processor.settings import Settings


_BY_PART = "names by a part of them: lineage search TEXT"
_EMPTY = "the index is empty: fill it (lineage load FILE, lineage run), or name the right one (LINEAGE_REDIS_URL)"


class Opened(NamedTuple):
    """The index and the settings that it was found by."""

    settings: Settings
    store: RedisStore
    view: View


@contextmanager
def opened(at: str | None = None) -> Iterator[Opened]:
    """The index, wherever it is; with `at`, as it was at that time."""
    from processor import settings, wiring
    from processor.index.past import PastView
    from processor.index.view import View

    at_us = None if at is None else moment(at)
    with with_redis(settings.load()) as chosen:
        store = wiring.open_store(chosen)
        try:
            yield Opened(chosen, store, View(store) if at_us is None else PastView(store, at_us))
        finally:
            store.close()


def moment(text: str) -> int:
    """A time that a person gave, or an age counted back from now, in microseconds since 1970."""
    from processor.render.times import parse_moment

    return parse_moment(text, time.time_ns() // 1000)


def now_us(index: Opened) -> int:
    """The time to judge by: of what was read; the wall clock where nothing was."""
    wall_us = time.time_ns() // 1000
    reached_us = index.view.now_us(wall_us, index.settings.clock)
    return wall_us if reached_us is None else reached_us


def emptiness(view: View) -> str:
    """What to do about an index without a name, which is likely not the one that was meant; else nothing."""
    from processor.model.identity import Kind

    is_empty = not any(sum(view.sizes(kind)) for kind in (Kind.DATASET, Kind.JOB))
    return _EMPTY if is_empty else ""


def found(view: View, text: str) -> Node:
    """The node that a person means.

    Raises `NotFoundError` with what is near when there is none, `UsageError` with the candidates if it may be several.
    """
    from processor.index.resolve import AmbiguousNodeError, NotYetError, UnknownNodeError, resolve
    from processor.model.text import quoted, visible
    from processor.render.text import label

    try:
        return resolve(view, text)
    except NotYetError as error:
        raise NotFoundError(visible(str(error))) from error
    except UnknownNodeError as error:
        near = ", ".join(label(node) for node in error.candidates)
        said = f"near it: {near}" if near else emptiness(view) or _BY_PART
        raise NotFoundError(f"nothing is called {quoted(text)}; {said}") from error
    except AmbiguousNodeError as error:
        several = ", ".join(label(node) for node in error.candidates)
        raise UsageError(f"{quoted(text)} may be any of: {several}") from error
