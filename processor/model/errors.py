"""One tree of exceptions, and the value that says a record was rejected.

Rules kept here:
- bad data is a value (`Rejected`) and ends as a dead letter with its bytes untouched;
- a broken world is an exception (`DependencyError`): pause, back off, go on, never a dead letter;
- a wrong setting or argument is a `UsageError`: one line that says which and what to do, exit 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LineageError(Exception):
    """Root of every exception this project raises on purpose."""


class UsageError(LineageError):
    """The caller asked for something that cannot be; the message says what to do. Exit code 2."""


class DependencyError(LineageError):
    """Kafka, Redis or a registry did not do its part; trying again later may help. Exit code 3."""

    def __init__(self, dependency: str, detail: str) -> None:
        super().__init__(f"{dependency}: {detail}")
        self.dependency = dependency
        self.detail = detail


class StoreWentBackError(LineageError):
    """The index lacks what it had been told before: a failover, an old snapshot, a server that was emptied."""


class IndexVersionError(UsageError):
    """The index in Redis was written in a format that this version does not speak."""


class Stage(StrEnum):
    """Where in the pipeline a record was rejected."""

    CONSUME = "consume"
    DECODE = "decode"
    VALIDATE = "validate"
    NORMALIZE = "normalize"


class Reason(StrEnum):
    """Why a record was rejected; also the bounded label of the dead-letter counter."""

    EMPTY = "empty"
    NULL = "null"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    NOT_UTF8 = "not_utf8"
    BAD_HEADERS = "bad_headers"
    NOT_JSON = "not_json"
    UNKNOWN_FORMAT = "unknown_format"
    BAD_AVRO = "bad_avro"
    TRAILING_BYTES = "trailing_bytes"
    UNKNOWN_SCHEMA = "unknown_schema"
    SCHEMA_REFUSED = "schema_refused"
    CONTRACT = "contract"
    BAD_TIME = "bad_time"
    FUTURE_TIME = "future_time"
    BAD_RUN_ID = "bad_run_id"
    BAD_NAME = "bad_name"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that cannot be used, and why.

    `pointer` is an RFC 6901 JSON pointer into the value, "" for the whole of it; `detail` is one
    sentence for a person and may quote the input only when shortened and escaped.
    """

    reason: Reason
    stage: Stage
    pointer: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FacetProblem:
    """A facet that broke its own record: it was dropped, the rest of its event was kept."""

    pointer: str
    facet: str
    detail: str
