"""What a type says of its values before there are any: records, columns, names.

msgspec describes every type that it can decode; a description is made once for each type.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, get_type_hints

from msgspec import inspect

__all__ = [
    "RECORDS",
    "SERIES",
    "columns_of",
    "describe",
    "fields_of",
    "has_raw",
    "is_named",
    "is_nullable",
    "is_record",
    "names_in",
    "record_like",
    "record_of",
    "required_names",
]

RECORDS = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)
"""How msgspec describes what it makes of a mapping."""

SERIES = (inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType)
"""How it describes any number of parts of one type."""

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


def fields_of(type: Any) -> tuple[inspect.Field, ...]:
    """Returns the fields of a described record in the order of their declaration."""
    fields: tuple[inspect.Field, ...] = type.fields
    if isinstance(type, inspect.TypedDictType):  # msgspec sorts its keys.
        order = list(get_type_hints(type.cls))
        return tuple(sorted(fields, key=lambda field: order.index(field.name)))
    return fields


def record_of(type: inspect.Type | None) -> Any:
    """Returns the record that a type is, or may be beside what is no record; None if it is none."""
    if isinstance(type, inspect.Metadata):
        return record_of(type.type)
    if isinstance(type, inspect.UnionType):
        records = [record for record in map(record_of, type.types) if record is not None]
        return records[0] if len(records) == 1 else None
    return type if isinstance(type, RECORDS) else None


def record_like(value: Any) -> Any:
    """Returns the record that a value's own class is, None if it is no record."""
    info = _described(type(value))
    return info if isinstance(info, RECORDS) else None


def columns_of(type: Any) -> tuple[str, ...] | None:
    """Returns the names of a record type's fields, as a header has them; None for other types."""
    info = _described(type)
    record = info if isinstance(info, inspect.NamedTupleType) else record_of(info)
    return None if record is None else tuple(field.encode_name for field in fields_of(record))


def is_record(type: Any) -> bool:
    """Whether msgspec makes a `type` of a mapping: a Struct, dataclass, attrs class, TypedDict."""
    return record_of(_described(type)) is not None


def is_named(type: Any) -> bool:
    """Whether the cells of a `type` are told apart by their names, not by their places."""
    kinds = (inspect.AnyType, inspect.DictType, inspect.NamedTupleType)
    return isinstance(_described(type), kinds) or is_record(type)


def is_nullable(type: Any, name: str, place: int) -> bool:
    """Whether a cell of a row that becomes a `type` may be None, which is an empty cell."""
    info = _described(type)
    record = info if isinstance(info, inspect.NamedTupleType) else record_of(info)
    if record is not None:
        kinds = {field.encode_name: field.type for field in record.fields}
        return name in kinds and _admits_none(kinds[name])
    if isinstance(info, inspect.DictType):
        return _admits_none(info.value_type)
    if isinstance(info, inspect.TupleType):
        return place < len(info.item_types) and _admits_none(info.item_types[place])
    return isinstance(info, SERIES) and _admits_none(info.item_type)


def _admits_none(type: inspect.Type) -> bool:
    if isinstance(type, inspect.Metadata):
        return _admits_none(type.type)
    members = type.types if isinstance(type, inspect.UnionType) else (type,)
    return any(isinstance(member, inspect.NoneType) for member in members)


def has_raw(type: Any) -> bool:
    """Whether parts of a `type` are left undecoded, and so unchecked, by msgspec."""
    info = _described(type)
    return info is not None and _has_raw(info, set())


def _has_raw(node: Any, seen: set[int]) -> bool:
    """Looks through a description, which msgspec builds of its own classes and tuples."""
    if isinstance(node, inspect.RawType):
        return True
    if isinstance(node, tuple):
        return any(_has_raw(part, seen) for part in node)
    if not isinstance(node, (inspect.Type, inspect.Field)) or id(node) in seen:
        return False
    seen.add(id(node))
    return any(_has_raw(getattr(node, name), seen) for name in node.__struct_fields__)


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
