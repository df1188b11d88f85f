"""MessagePack with structs as arrays of their fields, as Rust's `rmp_serde` writes them.

Reading takes arrays and maps, as `rmp_serde` does. A mapping has no order of fields that could be
relied on and stays a map; so does a struct with a tag, whose name would be lost.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import inspect

from django_streams.exceptions import DecodeError

from .base import MAX_DEPTH, Decode, Encode, damage, refusal
from .messagepack import MessagePack
from .shaping import shaper
from .types import RECORDS, SERIES, describe, fields_of

__all__ = ["StructArrays"]


class StructArrays(MessagePack):
    """MessagePack, whose structs are arrays of their fields in the order of their declaration."""

    def encoder(self, type: Any = Any, *, prefix: bytes = b"", suffix: bytes = b"") -> Encode:
        encode = super().encoder(prefix=prefix, suffix=suffix)
        shape: Callable[[Any], Any] = (lambda value: value) if type is Any else shaper(type)

        def encode_arrays(value: Any) -> bytes:
            value = shape(value)
            try:
                arrays = _to_arrays(value)
            except RecursionError as error:
                raise refusal(value, self, error) from error
            return encode(arrays)

        return encode_arrays

    def decoder(self, type: Any = Any, *, max_depth: int = MAX_DEPTH) -> Decode:
        """As every encoding's; a struct may be an array or a map."""
        decode = super().decoder(max_depth=max_depth)
        if type is Any:
            return decode
        info = describe(type)

        def decode_typed(data: bytes) -> Any:
            try:
                return msgspec.convert(_to_maps(decode(data), info), type)
            except msgspec.ValidationError as error:
                raise damage(error) from error

        return decode_typed


def _to_arrays(value: Any) -> Any:
    if isinstance(value, msgspec.Struct) and value.__struct_config__.tag is None:
        return [_to_arrays(getattr(value, name)) for name in value.__struct_fields__]
    if dataclasses.is_dataclass(value):
        return [_to_arrays(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if hasattr(value, "__attrs_attrs__"):
        return [_to_arrays(getattr(value, field.name)) for field in value.__attrs_attrs__]
    if isinstance(value, dict):
        return {key: _to_arrays(child) for key, child in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_to_arrays(child) for child in value]
    return value


def _to_maps(value: Any, type: inspect.Type) -> Any:
    """Returns decoded MessagePack with maps where a type has structs, for msgspec to convert."""
    if isinstance(type, inspect.Metadata):
        return _to_maps(value, type.type)
    if isinstance(type, inspect.UnionType):
        return _to_maps_of_union(value, type)
    if isinstance(type, inspect.DictType) and isinstance(value, dict):
        return {key: _to_maps(child, type.value_type) for key, child in value.items()}
    if isinstance(type, RECORDS):
        return _record(value, type)
    if isinstance(value, list) and isinstance(type, SERIES):
        return [_to_maps(child, type.item_type) for child in value]
    if isinstance(value, list) and isinstance(type, (inspect.TupleType, inspect.NamedTupleType)):
        kinds = [*_item_types(type), *[inspect.AnyType()] * len(value)]
        return [_to_maps(child, kind) for child, kind in zip(value, kinds, strict=False)]
    return value


def _item_types(type: Any) -> list[inspect.Type]:
    if isinstance(type, inspect.NamedTupleType):
        return [field.type for field in type.fields]
    return list(type.item_types)


def _record(value: Any, type: Any) -> Any:
    fields = fields_of(type)
    if isinstance(value, list) and not getattr(type, "array_like", False):
        if len(value) > len(fields):
            raise DecodeError(
                f"a {type.cls.__name__} has {len(fields)} fields; an array of {len(value)} came"
            )
        value = {field.encode_name: child for field, child in zip(fields, value, strict=False)}
    if isinstance(value, dict):
        kinds = {field.encode_name: field.type for field in fields}
        return {
            key: _to_maps(child, kinds[key]) if key in kinds else child
            for key, child in value.items()
        }
    return value


def _to_maps_of_union(value: Any, union: inspect.UnionType) -> Any:
    """Takes an array for a struct, if the union has one struct and no other kind of array."""
    records = _of_kind(union, RECORDS)
    if isinstance(value, list):
        kinds = _of_kind(union, (*SERIES, inspect.TupleType)) or records
    else:
        kinds = records or _of_kind(union, (inspect.DictType,))
    return _to_maps(value, kinds[0]) if len(kinds) == 1 else value


def _of_kind(union: inspect.UnionType, kinds: tuple[type, ...]) -> list[inspect.Type]:
    return [member for member in union.types if isinstance(member, kinds)]
