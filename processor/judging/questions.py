"""A question about a change, with all that belongs to it: the same from the command line, over HTTP and from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from processor.index.view import View
from processor.judging.changes import Proposed, judge_change, of_manifest, of_schema
from processor.judging.dbt import read_catalog, read_manifest
from processor.judging.schema_files import name_in, read_schema
from processor.judging.verdicts import FailOn, ImpactVerdict
from processor.model.errors import UsageError
from processor.model.identity import Kind, Node
from processor.model.text import quoted
from processor.model.typed import converter
from processor.model.wording import wrong_node

_NOTHING: Final = msgspec.Raw()


class ImpactQuestion(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a change would break.

    Either `manifest` (dbt's manifest.json; with `catalog`, the catalog.json of the same build, and `base`, the manifest
    before the change) or `schema` (Avro, JSON Schema or a list of columns) of `dataset`, a NODE. `namespace`: where
    dbt's relations are. `deleted`: whether models that are no longer in the manifest count.
    """

    manifest: msgspec.Raw = _NOTHING
    catalog: msgspec.Raw = _NOTHING
    base: msgspec.Raw = _NOTHING
    schema: Any = None
    dataset: str | None = None
    namespace: str | None = None
    deleted: bool = True
    fail_on: FailOn = FailOn.BREAKING


read_question: Final = converter(ImpactQuestion)
"""The question that these parts, by their names, make. Raises `msgspec.ValidationError` for parts that do not fit."""


class BadPartError(UsageError):
    """A part of a question cannot be used; `parameter` names it."""

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(detail)
        self.parameter = parameter


def answer_impact(
    view: View, question: ImpactQuestion, resolve: Callable[[str], Node], named: Mapping[str, str] | None = None
) -> ImpactVerdict:
    """What a change would break. Raises `BadPartError`, and as `resolve` does.

    `named`: how its parts are called in errors.
    """
    names = {"manifest": "the manifest", "catalog": "the catalog", "base": "the base manifest", **(named or {})}
    has_manifest, has_schema = bool(bytes(question.manifest)), question.schema is not None
    if has_manifest is has_schema:
        raise BadPartError("manifest", "give either dbt's manifest or the schema of a dataset")
    proposed = _of_dbt(view, question, names) if has_manifest else _of_schema(question, resolve, names)
    return judge_change(view, proposed, question.fail_on)


def _of_dbt(view: View, question: ImpactQuestion, names: Mapping[str, str]) -> Proposed:
    with_catalog, with_base = bytes(question.catalog), bytes(question.base)
    catalog = _part("catalog", lambda: read_catalog(with_catalog, names["catalog"])) if with_catalog else None
    manifest = _part("manifest", lambda: read_manifest(bytes(question.manifest), catalog, names["manifest"]))
    base = _part("base", lambda: read_manifest(with_base, None, names["base"])) if with_base else None
    return of_manifest(view, manifest, base=base, namespace=question.namespace, deleted=question.deleted)


def _of_schema(question: ImpactQuestion, resolve: Callable[[str], Node], names: Mapping[str, str]) -> Proposed:
    file = names.get("schema")
    proposal = _part("schema", lambda: read_schema(question.schema, file or "the schema", file))
    name = name_in(question.schema) if question.dataset is None else question.dataset
    if name is None:
        option = "--dataset raw.orders" if "dataset" in names else "`dataset`, a NODE"
        raise BadPartError("dataset", f"name the dataset that the schema is of: {option}")
    if (fault := wrong_node(name)) != "":
        raise BadPartError("dataset", fault)
    dataset = resolve(name)
    if dataset.kind is not Kind.DATASET:
        raise BadPartError("dataset", f"{quoted(name)} is a {dataset.kind.value}; name a dataset")
    return of_schema(dataset, proposal)


def _part(parameter: str, read: Callable[[], Any]) -> Any:  # noqa: ANN401  as `read` gives it
    try:
        return read()
    except UsageError as error:
        raise BadPartError(parameter, str(error)) from None
