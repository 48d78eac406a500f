"""Column mappings: what one statement says an output dataset derives from.

A mapping is kept whole under its fingerprint, once for each job that states it. Its normal form is
sorted, so that the same statement has the same fingerprint however it was written down.
Source: OpenLineage facets `columnLineage` 1-2-0 and `lineage` 1-0-0.
"""

from __future__ import annotations

from collections import abc
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import msgspec

from processor.model.identity import Kind, Node


class Transformation(NamedTuple):
    """How an input reaches an output. DIRECT carries the value, INDIRECT only influences it."""

    direct: bool
    subtype: str = ""
    masking: bool = False


class Source(NamedTuple):
    """One input of an output column: `field` is None when the whole dataset is meant."""

    namespace: str
    name: str
    field: str | None
    transformations: tuple[Transformation, ...] = ()

    @property
    def node(self) -> Node:
        """The input column, or the input dataset when no field is named."""
        if self.field is None:
            return Node(Kind.DATASET, self.namespace, self.name)
        return Node(Kind.COLUMN, self.namespace, self.name, self.field)

    @property
    def direct(self) -> bool:
        """An input without stated transformations carries its value."""
        return not self.transformations or _carries(self.transformations)

    @property
    def dataset_id(self) -> bytes:
        """The id of the dataset that is named, with a column or without."""
        return _dataset_id(self.namespace, self.name)


@lru_cache(maxsize=4096)
def _carries(transformations: tuple[Transformation, ...]) -> bool:
    return any(transformation.direct for transformation in transformations)


@lru_cache(maxsize=65_536)
def _dataset_id(namespace: str, name: str) -> bytes:
    """Kept by the names alone: a walk over columns asks it of each source of each."""
    return Node(Kind.DATASET, namespace, name).id


class OutputField(NamedTuple):
    """One output column and its inputs, sorted."""

    field: str
    sources: tuple[Source, ...]


class Mapping(NamedTuple):
    """All that one job states for one output dataset.

    `fields`: each output column with its inputs. `every`: inputs of the whole output: they reach
    every column of it (the facet's `dataset` list).
    """

    fields: tuple[OutputField, ...] = ()
    every: tuple[Source, ...] = ()

    def datasets(self) -> frozenset[Node]:
        """The datasets that the output derives from."""
        return frozenset(source.node.dataset for source in self.sources())

    def sources(self) -> Iterator[Source]:
        """Every input of every output column, with repetitions."""
        for output in self.fields:
            yield from output.sources
        yield from self.every


EMPTY = Mapping()


def normal(fields: abc.Mapping[str, Iterable[Source]], every: Iterable[Source] = ()) -> Mapping:
    """Sort and merge a statement into its normal form."""
    outputs = (OutputField(name, _merged(fields[name])) for name in sorted(fields))
    return Mapping(tuple(outputs), _merged(every))


def together(one: Mapping, other: Mapping) -> Mapping:
    """Both statements as one."""
    fields: dict[str, list[Source]] = {output.field: list(output.sources) for output in one.fields}
    for output in other.fields:
        fields.setdefault(output.field, []).extend(output.sources)
    return normal(fields, [*one.every, *other.every])


def _merged(sources: Iterable[Source]) -> tuple[Source, ...]:
    sources = tuple(sources)
    if not sources or (len(sources) == 1 and len(sources[0].transformations) <= 1):
        return sources  # what most are, and sorted as it is
    together: dict[tuple[str, str, str | None], set[Transformation]] = {}
    for source in sources:
        together.setdefault(source[:3], set()).update(source.transformations)
    keys = sorted(together, key=lambda k: (k[0], k[1], k[2] is not None, k[2] or ""))
    return tuple(Source(*key, tuple(sorted(together[key]))) for key in keys)


def encode_mapping(mapping: Mapping) -> bytes:
    """Stored form: msgpack [datasets, ways, fields, every].

    An input is [number] or [number, column], no column where it is that of the output, null where the whole dataset is
    meant. The number names dataset and transformations (the way) by their places: dataset x ways + way.
    """
    datasets = sorted({source[:2] for source in mapping.sources()})
    ways = sorted({source.transformations for source in mapping.sources()})
    numbers = {(*pair, way): at * len(ways) + of for at, pair in enumerate(datasets) for of, way in enumerate(ways)}
    fields = [[output.field, [_packed(s, numbers, output.field) for s in output.sources]] for output in mapping.fields]
    every = [_packed(source, numbers) for source in mapping.every]
    return msgspec.msgpack.encode([datasets, ways, fields, every])


_PackedSource = tuple[int | str | None, ...]
_Packed = tuple[
    tuple[tuple[str, str], ...],
    tuple[tuple[tuple[bool, str, bool], ...], ...],
    tuple[tuple[str, tuple[_PackedSource, ...]], ...],
    tuple[_PackedSource, ...],
]
_decoder = msgspec.msgpack.Decoder(_Packed)


def decode_mapping(data: bytes) -> Mapping:
    """Inverse of `encode_mapping`."""
    datasets, packed_ways, fields, every = _decoder.decode(data)
    ways = [tuple(Transformation(*packed) for packed in way) for way in packed_ways]
    named = [(*pair, way) for pair in datasets for way in ways]
    outputs = (OutputField(name, _unpacked(sources, named, name)) for name, sources in fields)
    return Mapping(tuple(outputs), _unpacked(every, named))


_Named = tuple[str, str, tuple[Transformation, ...]]
"""Namespace and name of a dataset, and how it reaches the output."""


def _packed(source: Source, numbers: abc.Mapping[_Named, int], output: str | None = None) -> list[int | str | None]:
    number = numbers[source.namespace, source.name, source.transformations]
    return [number] if source.field == output and output is not None else [number, source.field]


def _unpacked(
    sources: Iterable[_PackedSource], named: abc.Sequence[_Named], output: str | None = None
) -> tuple[Source, ...]:
    found = []
    for number, *columns in sources:
        namespace, name, way = named[number]  # type: ignore[index]  # the first of a source is its number
        found.append(Source(namespace, name, columns[0] if columns else output, way))  # type: ignore[arg-type]
    return tuple(found)
