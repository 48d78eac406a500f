"""How long answers take about an index of a million edges, as whoever asks over HTTP sees it; and taking events in."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPConnection
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from processor.collector import spare_the_collector
from processor.index.impact import impact
from processor.index.view import View
from tests.bench.cases.large import SIZES
from tests.bench.company import NAMES, Company, Shape
from tests.bench.figures import Findings, Mark
from tests.bench.seeding import EDGES_OF_JOB, completed, forest, seed, tree
from tests.bench.site import Room, Site, Worker, until
from tests.support.events import ds

WIDE_COLUMNS = 100_000
SEARCHES = 300
SENT_EVENTS, BATCH, SENDERS = 20_000, 100, 4
_TREE_JOBS = 340

T = TypeVar("T")


def reading(site: Site, found: Findings) -> None:
    """Over HTTP about 10⁶ edges: downstream of at most 1,000 nodes, search, events taken in; impact of 10⁵ columns."""
    with site.room(api={"port": 0}) as room:
        edges = site.sized(SIZES[0], 2 * EDGES_OF_JOB * _TREE_JOBS)
        seed(room, (sent.value for sent in completed(forest(edges))))
        seed(room, (sent.value for sent in completed(_wide(site.sized(WIDE_COLUMNS, 400)), 1 << 50)))
        roots = [f"wood{number}.t" for number in range(edges // EDGES_OF_JOB // _TREE_JOBS)]
        with room.worker("api") as api:
            _ask_downstream(found, api, [*roots, *roots])
            _ask_search(found, api, site.sized(SEARCHES, 20), len(roots))
            _send(site, found, api)
        _ask_impact(site, found, room)


def _wide(columns: int) -> Iterator[Shape]:
    """Tables with about so many columns, which all derive from the first one of `wide.t`."""
    shapes = islice(tree("wide", 17, 3), columns // len(NAMES) - 1)
    return (shape._replace(of=NAMES[0]) if shape.inputs == ("wide.t",) else shape for shape in shapes)


def _ask_downstream(found: Findings, api: Worker, roots: Sequence[str]) -> None:
    asked = list(roots)
    random.Random(1).shuffle(asked)
    paths = [f"/api/v2/nodes/{quote(str(ds(root)), safe='')}/downstream?limit=1000" for root in asked]
    answers, times_ms = _timed_all(api, paths)
    name = f"downstream of a node, {max(len(answer['nodes']) for answer in answers)} nodes"
    _add(found, name, times_ms, 20, 5)
    for share in range(1, 100):
        found.draw("reading", "reading", name, (share, times_ms[len(times_ms) * share // 100]))


def _ask_search(found: Findings, api: Worker, count: int, trees: int) -> None:
    """Names that one has, that few have, that most have, that none has."""
    chance = random.Random(2)
    texts = [chance.choice((f"wood{chance.randrange(trees)}.{n % 4}", "t", "job", "3.3", "none")) for n in range(count)]
    _, times_ms = _timed_all(api, [f"/api/v2/search?{urlencode({'q': text})}" for text in texts])
    _add(found, "search", times_ms, 30, 10)


def _timed_all(api: Worker, paths: Sequence[str]) -> tuple[list[Any], list[float]]:
    """The answers, and how long each took, sorted; what is asked first is asked before, for it opens and reads."""
    connection = _connection(api)
    until(lambda: _answers(connection, paths[0]), api)
    timed = [_timed(lambda path=path: _asked(connection, path)) for path in paths]  # type: ignore[misc]  # of this turn
    connection.close()
    return [msgspec.json.decode(answer) for answer, _ in timed], sorted(spent_ms for _, spent_ms in timed)


def _answers(connection: HTTPConnection, path: str) -> bool:
    """Whether it does: a large index may take longer to be read for the first time than a question may take."""
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status == HTTPStatus.OK


def _asked(connection: HTTPConnection, path: str, body: bytes | None = None) -> bytes:
    connection.request("GET" if body is None else "POST", path, body)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status not in {200, 201}:
        raise RuntimeError(f"{path} is answered with {answer.status}: {said[:300]!r}")
    return said


def _connection(api: Worker) -> HTTPConnection:
    url = str(api.logged("serving the API")[0]["url"])
    return HTTPConnection(urlsplit(url).netloc, timeout=60)


def _add(found: Findings, name: str, times_ms: Sequence[float], must_ms: float, aim_ms: float) -> None:
    found.add("reading", Mark(f"{name}: p50", "ms"), times_ms[len(times_ms) // 2])
    found.add("reading", Mark(f"{name}: p99", "ms", must_ms, aim_ms), times_ms[len(times_ms) * 99 // 100])


def _send(site: Site, found: Findings, api: Worker) -> None:
    """Until Kafka has confirmed each batch, by some clients at a time."""
    events = [sent.value for sent in Company(200).events(site.sized(SENT_EVENTS, 400))]
    bodies = [b"[" + b",".join(events[at : at + BATCH]) + b"]" for at in range(0, len(events), BATCH)]

    def send(part: Sequence[bytes]) -> None:
        connection = _connection(api)
        for body in part:
            _asked(connection, "/api/v1/lineage", body)
        connection.close()

    send(bodies[:1])
    with ThreadPoolExecutor(SENDERS) as pool:
        _, spent_ms = _timed(lambda: list(pool.map(send, [bodies[start::SENDERS] for start in range(SENDERS)])))
    mark = Mark(f"events taken in over HTTP, in batches of {BATCH}", "events/s", 3_000, 10_000, more=True)
    found.add("reading", mark, 1000 * len(events) / spent_ms)


def _ask_impact(site: Site, found: Findings, room: Room) -> None:
    """In this process, with the collector as every command and the API have it."""
    spare_the_collector()
    spent, columns = [], 0
    with room.store() as store:
        for _ in range(site.rounds):
            reached, spent_ms = _timed(lambda: impact(View(store), ds("wide.t"), [NAMES[0]], limit=1_000_000))
            columns = len(reached.columns)
            spent.append(spent_ms / 1000)
    found.add("reading", Mark(f"full impact of a column ({columns:,} columns)", "s", 2, 0.5), *spent)


def _timed(ask: Callable[[], T]) -> tuple[T, float]:
    begun_s = time.perf_counter()
    answer = ask()
    return answer, 1000 * (time.perf_counter() - begun_s)
