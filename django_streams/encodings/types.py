"""What a type says of its values before there are any: records, columns, names.

msgspec describes every type that it can decode; a description is made once for each type.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from msgspec import inspect

__all__ = [
    "RECORDS",
    "columns_of",
    "describe",
    "is_named",
    "is_record",
    "names_in",
    "nullable_columns",
    "required_names",
]

RECORDS = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)
"""How msgspec describes what it makes of a mapping."""

_describe = lru_cache(maxsize=256)(inspect.type_info)  # More types than a project streams.


def describe(type: Any) -> inspect.Type:
    """Returns msgspec's description of a type; raises `TypeError` for one that it cannot decode."""
    try:
        return _describe(type)
    except TypeError:  # No type, or only one without a hash.
        return inspect.type_info(type)


def _described(type: Any) -> inspect.Type | None:
    try:
        return describe(type)
    except TypeError:
        return None


def columns_of(type: Any) -> tuple[str, ...] | None:
    """Returns the names of a record type's fields, as a header has them; None for other types."""
    info = _described(type)
    if isinstance(info, RECORDS):
        return tuple(field.encode_name for field in info.fields)
    return tuple(type._fields) if isinstance(info, inspect.NamedTupleType) else None


def is_record(type: Any) -> bool:
    """Whether msgspec makes a `type` of a mapping: a Struct, dataclass, attrs class, TypedDict."""
    return isinstance(_described(type), RECORDS)


def is_named(type: Any) -> bool:
    """Whether the cells of a `type` are told apart by their names, not by their places."""
    info = _described(type)
    return isinstance(info, (inspect.AnyType, inspect.DictType, inspect.NamedTupleType, *RECORDS))


def nullable_columns(type: Any) -> frozenset[str]:
    """Returns the columns of a record type that may be None, which is an empty cell."""
    info = _described(type)
    fields = info.fields if isinstance(info, RECORDS) else ()
    return frozenset(field.encode_name for field in fields if _admits_none(field.type))


def _admits_none(type: inspect.Type) -> bool:
    members = type.types if isinstance(type, inspect.UnionType) else (type,)
    return any(isinstance(member, inspect.NoneType) for member in members)


def names_in(value: Any) -> int:
    """Returns how many names the dicts of a decoded value have."""
    if value.__class__ is dict:
        below = [child for child in value.values() if child.__class__ in (dict, list)]
        return len(value) + sum(map(names_in, below))
    if value.__class__ is list:
        return sum(map(names_in, value))
    return 0


def required_names(type: Any) -> int:
    """Returns how many names any document of a type has at least."""
    info = _described(type)
    return 0 if info is None else _required_names(info, frozenset())


def _required_names(type: inspect.Type, above: frozenset[int]) -> int:
    if isinstance(type, inspect.Metadata):
        return _required_names(type.type, above)
    if isinstance(type, inspect.UnionType):
        return min(_required_names(member, above) for member in type.types)
    if not isinstance(type, RECORDS) or id(type) in above:
        return 0
    if isinstance(type, inspect.StructType) and type.array_like:
        return 0
    above |= {id(type)}
    required = [field for field in type.fields if field.required]
    return len(required) + sum(_required_names(field.type, above) for field in required)
