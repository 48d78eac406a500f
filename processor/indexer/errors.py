"""What ends the loop, beside a signal."""

from __future__ import annotations

from processor.model.errors import DependencyError, LineageError

__all__ = ["BrokenClientError", "StoppedError"]


class BrokenClientError(DependencyError):
    """A Kafka client cannot go on (fenced, fatal): trying again in this process does not help."""


class StoppedError(LineageError):
    """The process was asked to end while it waited for a broken world; what was not done was not committed."""
