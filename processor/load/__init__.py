"""Events from files: reading them, and putting them into the index or onto the topic."""

from processor.load.reader import Entry, read, size_bytes

__all__ = ["Entry", "read", "size_bytes"]
