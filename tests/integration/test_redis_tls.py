"""Redis over TLS: the index works, and whoever is not who they should be is refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from processor import wiring
from processor.index.digest import digest
from processor.local import Valkey
from processor.model.errors import DependencyError
from processor.settings import Settings
from tests.support.certificates import Authority
from tests.support.command import Lineage
from tests.support.events import PIPELINE, fill, memory
from tests.support.tls import TlsFront

KEY_PASSWORD = "key-s3cret-4715"  # noqa: S105 - of a server that lives for a test


@dataclass(frozen=True, slots=True)
class Secured:
    """Two ways to one Valkey: by TLS, and by TLS for those with a certificate of their own."""

    folder: Path
    open: TlsFront
    closed: TlsFront

    def options(self, authority: str = "authority", client: str = "") -> dict[str, str]:
        own = {"ssl_certfile": f"{client}.crt", "ssl_keyfile": f"{client}.key"} if client else {}
        files = {"ssl_ca_certs": f"{authority}.crt", **own}
        password = {"ssl_password": KEY_PASSWORD} if client else {}
        return {**{name: str(self.folder / file) for name, file in files.items()}, **password}


def address(front: TlsFront, options: dict[str, str], host: str = "localhost") -> str:
    return f"rediss://{host}:{front.port}/0?" + "&".join(f"{name}={quote(text)}" for name, text in options.items())


@pytest.fixture(scope="module")
def secured(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("redis-tls")
    authority, stranger = Authority.make(folder, "authority"), Authority.make(folder, "stranger")
    certificate = authority.sign("server")
    authority.sign("client", KEY_PASSWORD)
    stranger.sign("intruder", KEY_PASSWORD)
    with (
        TlsFront(valkey.port, certificate) as public,
        TlsFront(valkey.port, certificate, clients=authority.file) as private,
    ):
        yield Secured(folder, public, private)


def test_the_index_by_tls_is_the_index(secured: Secured, redis_url: str, tmp_path: Path) -> None:
    assert redis_url
    store = wiring.open_store(Settings(redis_url=address(secured.open, secured.options())))
    fill(store, *PIPELINE[:2])
    store.close()
    lineage = Lineage(tmp_path, {"LINEAGE_REDIS_URL": address(secured.closed, secured.options(client="client"))})
    lineage.ok("load", "-", stdin=msgspec.json.encode(PIPELINE[2]))
    assert lineage.ok("digest", "-o", "json").json == {"digest": digest(memory(*PIPELINE))}


REFUSED = {
    "stranger's authority": ("open", "localhost", {"authority": "stranger"}, "certificate verify failed"),
    "another name": ("open", "127.0.0.2", {}, "certificate is not valid for '127.0.0.2'"),
    "no authority file": ("open", "localhost", {"authority": "nowhere"}, "no such file"),
    "no certificate": ("closed", "localhost", {}, "certificate required"),
    "stranger's certificate": ("closed", "localhost", {"client": "intruder"}, "unknown ca"),
}


@pytest.mark.parametrize(("front", "host", "how", "said"), REFUSED.values(), ids=REFUSED)
def test_who_is_not_known_is_refused(secured: Secured, front: str, host: str, how: dict[str, str], said: str) -> None:
    url = address(getattr(secured, front), secured.options(**how), host)
    with pytest.raises(DependencyError) as caught:
        wiring.open_store(Settings(redis_url=url))
    assert said in str(caught.value).lower().replace("_", " ")
    assert "\n" not in str(caught.value)
    assert KEY_PASSWORD not in str(caught.value)


def test_a_command_says_in_one_line_that_the_certificate_is_a_strangers(secured: Secured, tmp_path: Path) -> None:
    url = address(secured.open, secured.options("stranger"))
    done = Lineage(tmp_path, {"LINEAGE_REDIS_URL": url})("digest")
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert "certificate verify failed" in done.err


def test_plain_text_where_tls_is_wanted_and_tls_where_none_is_end_soon(
    secured: Secured, valkey: Valkey, tmp_path: Path
) -> None:
    for url in (f"redis://127.0.0.1:{secured.open.port}/0", f"rediss://127.0.0.1:{valkey.port}/0"):
        done = Lineage(tmp_path, {"LINEAGE_REDIS_URL": url, "LINEAGE_REDIS_TIMEOUT_S": "2"})("digest")
        assert (done.code, done.out, done.err.count("\n")) == (3, "", 1), done.err
