"""The policy file, read again when it changes."""

from __future__ import annotations

from pathlib import Path

import structlog

from processor.detect.policy import Policy
from processor.detect.policy_text import PolicyError, parse_policy
from processor.model.errors import UsageError

_log = structlog.get_logger(__name__)

_Stamp = tuple[int, int, int]


def load_policy(path: Path | None) -> Policy:
    """Read a policy; the default one without a file. Raises UsageError with file, line and reason."""
    if path is None:
        return Policy()
    try:
        return parse_policy(path.read_text("utf-8"))
    except PolicyError as error:
        raise UsageError(f"{path}:{error.line}: {error.reason}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the policy {path} cannot be read: {error}") from error


class PolicyFile:
    """The policy in force. A bad file is refused, and the policy that was in force stays."""

    def __init__(self, path: Path | None) -> None:
        """Read the file for the first time; here a bad one raises UsageError."""
        self._path = path
        self._stamp = _stamp(path)
        self._policy = load_policy(path)

    def current(self) -> Policy:
        """Give the policy, from the file if that has changed."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            self._reload()
        return self._policy

    def _reload(self) -> None:
        try:
            self._policy = load_policy(self._path)
            _log.info("policy.loaded", file=str(self._path))
        except UsageError as error:
            _log.error("policy.refused", reason=str(error), kept="the policy that was in force")


def _stamp(path: Path | None) -> _Stamp | None:
    try:
        status = path.stat() if path else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None
