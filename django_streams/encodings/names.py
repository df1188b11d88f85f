"""How many names the objects of a document have at least: what tells quickly that none repeats."""

from __future__ import annotations

from typing import Any

from msgspec import inspect

__all__ = ["names_in", "required_names"]


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
    try:
        return _required_names(inspect.type_info(type), frozenset())
    except TypeError:  # A type that msgspec takes, and does not describe.
        return 0


_RECORDS = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)


def _required_names(type: inspect.Type, above: frozenset[int]) -> int:
    if isinstance(type, inspect.Metadata):
        return _required_names(type.type, above)
    if isinstance(type, inspect.UnionType):
        return min(_required_names(member, above) for member in type.types)
    if not isinstance(type, _RECORDS) or id(type) in above:
        return 0
    if isinstance(type, inspect.StructType) and type.array_like:
        return 0
    above |= {id(type)}
    required = [field for field in type.fields if field.required]
    return len(required) + sum(_required_names(field.type, above) for field in required)
