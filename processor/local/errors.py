"""What a local service can fail with."""

__all__ = ["LocalServiceError"]


class LocalServiceError(RuntimeError):
    """A service could not be fetched, started or stopped here; the message says what to do about it."""
