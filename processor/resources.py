"""Files that ship with the processor, found from a source checkout and from an installed wheel alike."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

__all__ = ["released_texts", "schema_text", "schemas_dir"]


def schemas_dir() -> Traversable:
    """Return the folder of the Avro schemas: inside the package when installed, beside it in a checkout."""
    packaged = files("processor") / "schemas"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "schemas"


def schema_text(name: str) -> str:
    """Return the text of a schema file, such as ``lineage_event.avsc``.

    Raises `FileNotFoundError` when no such schema ships, or the name leads out of the folder.
    """
    found = schemas_dir() / name
    if "/" in name or "\\" in name or not found.is_file():
        raise FileNotFoundError(f"no schema {name!r} in {schemas_dir()}")
    return found.read_text(encoding="utf-8")


def released_texts(name: str) -> tuple[str, ...]:
    """Return the texts of a schema as it was released, version by version; none where it never was."""
    released = schemas_dir() / "released"
    versions = sorted(released.iterdir(), key=lambda entry: entry.name) if released.is_dir() else []
    return tuple((version / name).read_text("utf-8") for version in versions if (version / name).is_file())
