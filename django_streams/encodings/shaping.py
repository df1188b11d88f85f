"""What is to be encoded becomes an item type: mappings do, and any object with its attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from django_streams.exceptions import EncodeError

from .base import builtins, placed, shown
from .types import SERIES, describe, record_of

__all__ = ["shaper"]


def shaper(type: Any) -> Callable[[Any], Any]:
    """Returns a function that makes any value a `type`, for items that are about to be encoded.

    It raises `EncodeError` for what does not fit; what an attribute raises goes on, but for
    AttributeError, which is a missing field. Raises `TypeError` for a type of which msgspec makes
    nothing.
    """
    info = describe(type)

    def shape(value: Any) -> Any:
        try:
            given = value if value.__class__ is dict else _as_mappings(value, info)
            return msgspec.convert(given, type)
        except msgspec.ValidationError as error:
            return _shape_loosely(value, type, info, error)
        except RecursionError as error:
            raise EncodeError(f"{shown(value)} is nested too deeply") from error

    return shape


def _shape_loosely(value: Any, type: Any, info: inspect.Type, error: Exception) -> Any:
    """Tries again with what `plain` makes of the parts: lazy strings, objects within mappings."""
    try:
        return msgspec.convert(builtins(_as_mappings(value, info)), type)
    except (TypeError, ValueError, RecursionError):
        name = getattr(type, "__qualname__", None) or str(type)
        raise EncodeError(f"{shown(value)} is no {name}: {placed(error)}") from error


def _as_mappings(value: Any, type: inspect.Type) -> Any:
    """Returns a value with mappings in place of objects, where the type has records.

    msgspec reads attributes too, and takes whatever one raises for its absence: a failed query
    would become the field's default.
    """
    if isinstance(value, (str, bytes, int, float)) or value is None:
        return value
    record = record_of(type)
    if record is not None and not isinstance(value, (list, tuple)):
        return _as_mapping(value, record)
    if isinstance(type, SERIES) and isinstance(value, (list, tuple, set, frozenset)):
        return [_as_mappings(child, type.item_type) for child in value]
    if isinstance(type, inspect.DictType) and isinstance(value, Mapping):
        return {key: _as_mappings(child, type.value_type) for key, child in value.items()}
    return value


def _as_mapping(value: Any, record: Any) -> Any:
    if isinstance(value, record.cls if not isinstance(record, inspect.TypedDictType) else ()):
        return value
    if isinstance(value, Mapping):
        kinds = {field.encode_name: field.type for field in record.fields}
        return {
            key: _as_mappings(child, kinds[key]) if key in kinds else child
            for key, child in value.items()
        }
    given = ((field, getattr(value, field.name, _MISSING)) for field in record.fields)
    return {
        field.encode_name: _as_mappings(child, field.type)
        for field, child in given
        if child is not _MISSING
    }


_MISSING = object()
