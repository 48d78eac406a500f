"""Lineage processor: lineage events in, a graph in Redis and alerts out."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("lineage-processor")
except PackageNotFoundError:  # run from a source tree that nobody installed
    __version__ = "0+source"
