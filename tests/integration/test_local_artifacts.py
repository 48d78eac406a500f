"""Archives are fetched whole and right, or not at all; the repository here is a small HTTP server of the test's own."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from processor.local.artifacts import Artifact, fetch
from processor.local.errors import LocalServiceError

CONTENT = {"first": b"1" * 50_000, "second": b"2" * 70_000}


class Repository(ThreadingHTTPServer):
    """Serves two archives; `cut` are those whose connection breaks half way, `wrong` those with other bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cut: set[str] = set()
        self.wrong: set[str] = set()
        self.requests: Counter[str] = Counter()

    def body(self, name: str) -> bytes:
        content = CONTENT[name]
        return content[::-1].replace(b"1", b"x") if name in self.wrong else content


class Handler(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        name = self.path.split("/")[-3]
        if not self.path.endswith(".jar"):
            self.send_error(404)
            return
        self.server.requests[name] += 1
        body = self.server.body(name)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if name in self.server.cut else body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        pass


def pinned(name: str) -> Artifact:
    return Artifact(f"org.example:{name}:1.0", hashlib.sha256(CONTENT[name]).hexdigest(), len(CONTENT[name]))


BOTH = [pinned("first"), pinned("second")]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    with Repository() as server:
        config = tmp_path / "jgo.conf"
        config.write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_port}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def fetch_both(folder: Path) -> list[tuple[str, float | None]]:
    told: list[tuple[str, float | None]] = []
    paths = fetch(BOTH, folder, "two archives", lambda message, fraction: told.append((message, fraction)))
    assert [path.read_bytes() for path in paths] == [CONTENT["first"], CONTENT["second"]]
    return told


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_progress_runs_up_to_the_whole(repository: Repository, folder: Path) -> None:
    told = fetch_both(folder)
    fractions = [fraction for _, fraction in told if fraction is not None]
    assert fractions == sorted(fractions)
    assert told[-1] == ("Fetching two archives (0 MB, once)", 1.0)
    assert sum(repository.requests.values()) == 2


def test_what_is_there_is_not_fetched_again(repository: Repository, folder: Path) -> None:
    fetch_both(folder)
    assert fetch_both(folder) == []
    assert sum(repository.requests.values()) == 2


def test_a_broken_connection_is_told_and_made_good_the_next_time(repository: Repository, folder: Path) -> None:
    repository.cut = {"second"}
    with pytest.raises(LocalServiceError, match=r"cannot fetch org\.example:second:1\.0(?s:.*)Check the network"):
        fetch_both(folder)
    assert names(folder) <= {"first-1.0.jar"}
    repository.cut = set()
    fetch_both(folder)
    assert names(folder) == {"first-1.0.jar", "second-1.0.jar"}


def test_other_bytes_than_the_pinned_ones_are_refused(repository: Repository, folder: Path) -> None:
    repository.wrong = {"first"}
    with pytest.raises(LocalServiceError, match=r"org\.example:first:1\.0 arrived damaged"):
        fetch_both(folder)
    assert "first-1.0.jar" not in names(folder)


def test_a_file_cut_short_by_other_hands_is_fetched_again(repository: Repository, folder: Path) -> None:
    fetch_both(folder)
    (folder / "first-1.0.jar").write_bytes(b"1" * 10)
    fetch_both(folder)
    assert repository.requests == {"first": 2, "second": 1}


def test_an_archive_that_nobody_has_is_told_by_name(repository: Repository, folder: Path) -> None:
    unknown = Artifact("org.example:first:1.0:sources:zip", "0" * 64, 10)
    with pytest.raises(LocalServiceError, match=r"cannot fetch org\.example:first:1\.0:sources:zip"):
        fetch([unknown], folder, "it", lambda *_: None)
    assert not repository.requests


def test_without_a_network_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "jgo.conf"
    config.write_text("[repositories]\ncentral = http://127.0.0.1:9\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
    with pytest.raises(LocalServiceError, match="Check the network and run it again"):
        fetch_both(tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(LocalServiceError, match="set XDG_CACHE_HOME"):
        fetch_both(tmp_path / "cache")
