"""Resolves the Java archives anew and prints their lock.

``python -m processor.local.relock kafka > processor/local/kafka.lock``, and the same with ``registry``.
"""

import sys
import tempfile
from pathlib import Path
from typing import Final

from processor.local.artifacts import resolve, sha256_of

# 4.4.0 is listed, but one of its parts is missing from the repository.
KAFKA: Final = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-simple:1.7.36"
REGISTRY: Final = "io.apicurio:apicurio-registry-app:3.3.3:all:tar.gz"


def coordinates_of(name: str) -> list[str]:
    """Return the coordinates of every archive that the service needs."""
    import jgo

    if name == "registry":
        return [REGISTRY]
    return sorted(f"{each.groupId}:{each.artifactId}:{each.version}" for each in jgo.resolve(KAFKA))


def lock_line(coordinates: str) -> str:
    """Return an archive's line of the lock: coordinates, SHA-256, bytes."""
    with tempfile.TemporaryDirectory() as repository:
        path = resolve(coordinates, Path(repository))
        return f"{coordinates} {sha256_of(path)} {path.stat().st_size}"


if __name__ == "__main__":
    sys.stdout.write("# Made by: python -m processor.local.relock\n")
    for found in coordinates_of(sys.argv[1]):
        sys.stdout.write(f"{lock_line(found)}\n")
