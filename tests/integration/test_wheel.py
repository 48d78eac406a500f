"""The built wheel stands on its own: installed into an empty environment, it indexes a file and answers."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]

EVENT = {
    "eventType": "COMPLETE",
    "eventTime": "2026-03-01T10:00:00Z",
    "producer": "https://example.com/producer",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run": {"runId": "01957a3c-0000-7000-8000-000000000001"},
    "job": {"namespace": "airflow", "name": "load_orders"},
    "inputs": [{"namespace": "s3://raw", "name": "orders.csv"}],
    "outputs": [{"namespace": "postgres://db:5432", "name": "shop.public.orders"}],
}
SOURCE = {"kind": "dataset", "namespace": "s3://raw", "name": "orders.csv"}
JOB = {"kind": "job", "namespace": "airflow", "name": "load_orders"}
TARGET = {"kind": "dataset", "namespace": "postgres://db:5432", "name": "shop.public.orders"}


def run(*command: str | Path, cwd: Path, home: Path | None = None) -> str:
    """Run a command as a stranger would: none of this session's settings, not in the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LINEAGE_", "PYTHON"))}
    given = {"LINEAGE_HOME": str(home)} if home else {}
    done = subprocess.run(command, cwd=cwd, env={**kept, **given}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bin_dir(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs of an environment that has the wheel and, from this one, what it depends on."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "--quiet", "--disable-pip-version-check"]
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    [packages] = folder.glob("lib/python*/site-packages")
    # A path that comes from a .pth file is searched, but its own .pth files are not read: so the dependencies are
    # found there and the checkout that is installed beside them is not.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def test_the_wheel_has_what_is_no_python(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    wanted = {f"processor/schemas/{path.name}" for path in (ROOT / "schemas").glob("*.avsc")}
    wanted |= {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "processor").rglob("*")
        if path.suffix in {".lua", ".lock", ".typed"}
    }
    assert "processor/schemas/lineage_event.avsc" in wanted
    assert wanted <= names


def test_it_is_the_wheel_that_is_found(bin_dir: Path, tmp_path: Path) -> None:
    program = (
        "import processor, processor.resources as r; print(processor.__file__); r.schema_text('lineage_event.avsc')"
    )
    assert run(bin_dir / "python", "-c", program, cwd=tmp_path).startswith(str(bin_dir.parent))


def test_a_file_is_indexed_and_its_edges_exported(bin_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_text(json.dumps(EVENT) + "\n")
    home = tmp_path / "home"
    run(bin_dir / "lineage", "load", "events.ndjson", cwd=tmp_path, home=home)
    lines = run(bin_dir / "lineage", "export", "edges", "-o", "ndjson", cwd=tmp_path, home=home).splitlines()
    edges = [(edge["type"], edge["from"], edge["to"]) for edge in map(json.loads, lines)]
    assert sorted(edges, key=str) == [("reads", SOURCE, JOB), ("writes", JOB, TARGET)]
