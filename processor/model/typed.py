"""Types to read into, learnt as the module that names them is imported.

msgspec learns a type when it is first read into, and a second thread that reads into it at that very moment finds it
half learnt: the process dies (SIGSEGV; seen with 0.22, for classes of its own as for dataclasses). So nothing here
reads into a type that was not learnt before there are threads: a module makes a `Decoder`, or what this makes, when it
is imported, and the functions that take a type with each call (`msgspec.json.decode` and its like) are banned by the
linter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

__all__ = ["converter"]

_T = TypeVar("_T")


def converter(form: type[_T]) -> Callable[[Any], _T]:
    """What turns plain values into a type. It raises `msgspec.ValidationError` for values that do not fit.

    Call it where a module is imported.
    """
    msgspec.json.Decoder(form)

    def converted(value: Any) -> _T:  # noqa: ANN401  whatever a document may hold
        return msgspec.convert(value, form)  # noqa: TID251  learnt above

    return converted
