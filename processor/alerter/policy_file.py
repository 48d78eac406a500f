"""The policy file and the catalogues that it names, read again when one of them changes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import structlog

from processor.detect.catalogue import CatalogueError, parse_catalogue
from processor.detect.policy import Policy
from processor.detect.policy_text import PolicyError, parse_policy
from processor.model.errors import UsageError

_log = structlog.get_logger(__name__)

_Stamp = tuple[int, int, int] | None


def load_policy(path: Path | None) -> Policy:
    """Read a policy with what its catalogues declare; the default one without a file.

    Raises UsageError with file, line and reason.
    """
    return Policy() if path is None else _with_catalogues(path, _read_policy(path))


def _with_catalogues(path: Path, policy: Policy) -> Policy:
    """The policy with what its catalogues declare among what is expected."""
    declared = (entry for name in policy.catalogues for entry in _entries(path.parent / name))
    return msgspec.structs.replace(policy, expected=tuple(dict.fromkeys((*policy.expected, *declared))))


def _entries(catalogue: Path) -> tuple[str, ...]:
    try:
        return parse_catalogue(catalogue.read_text("utf-8"))
    except CatalogueError as error:
        raise UsageError(f"{catalogue}:{error.line}: {error.reason}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the catalogue {catalogue} cannot be read: {_why(error)}") from error


def _read_policy(path: Path) -> Policy:
    try:
        return parse_policy(policy_text(path))
    except PolicyError as error:
        raise UsageError(f"{path}:{error.line}: {error.reason}") from error


def policy_text(path: Path) -> str:
    """What stands in a policy file. Raises `UsageError` when it cannot be read."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the policy {path} cannot be read: {_why(error)}") from error


def _why(error: OSError | UnicodeDecodeError) -> str:
    """Without the number and the path that an `OSError` says once more."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


class PolicyFile:
    """The policy in force. A bad file is refused, and the policy that was in force stays."""

    def __init__(self, path: Path | None) -> None:
        """Read the file for the first time; here a bad one raises UsageError."""
        self._path = path
        self._catalogues: tuple[str, ...] = ()
        self._stamps = self._look()
        self._policy = self._read()

    def current(self) -> Policy:
        """Give the policy, from the files if one of them has changed."""
        stamps = self._look()
        if stamps != self._stamps:
            self._stamps = stamps
            self._reload()
        return self._policy

    def _look(self) -> dict[Path, _Stamp]:
        """What tells whether one of the files has changed since: also of catalogues that were refused."""
        if self._path is None:
            return {}
        paths = (self._path, *(self._path.parent / name for name in self._catalogues))
        return {path: _stamp(path) for path in paths}

    def _reload(self) -> None:
        try:
            self._policy = self._read()
            _log.info("policy.loaded", file=str(self._path))
        except UsageError as error:
            _log.error("policy.refused", reason=str(error), kept="the policy that was in force")

    def _read(self) -> Policy:
        if self._path is None:
            return Policy()
        policy = _read_policy(self._path)
        self._catalogues = policy.catalogues
        # Looked at before they are read: a change in between is seen the next time.
        self._stamps = {path: self._stamps.get(path, stamp) for path, stamp in self._look().items()}
        return _with_catalogues(self._path, policy)


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
