"""Postcard's values with parts: options, sequences, maps, tuples, records and unions of records.

Only these open a level of depth, and only these add a step to the path of a `Problem`. The readers
check `depth` before they read on, so that input can nest no deeper than its decoder allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .codec import (
    TRUNCATED,
    Codec,
    Problem,
    Read,
    TooDeep,
    Write,
    as_plain,
    mismatch,
    read_index,
    read_length,
    shown,
    write_varint,
)

_UNREAD = object()

Make = Callable[[list[Any]], Any]
"""Builds a container from its parts; may raise `Problem`."""


class Field(NamedTuple):
    """One field of a record."""

    name: str
    """Its attribute."""
    key: str
    """What it is called in a dict and in errors: in JSON."""
    codec: Codec
    default: Callable[[], Any] | None = None
    """Returns what a mapping without the key means; None if it has to be there."""


def option(inner: Codec) -> Codec:
    """Returns the codec of `X | None`."""
    write_inner, read_inner = inner.write, inner.read

    def write(out: bytearray, value: Any) -> None:
        if value is None:
            out.append(0)
        else:
            out.append(1)
            write_inner(out, value)

    def read(data: bytes, position: int, depth: int) -> tuple[Any, int]:
        if position >= len(data):
            raise Problem(TRUNCATED)
        byte = data[position]
        if byte == 0:
            return None, position + 1
        if byte == 1:
            return read_inner(data, position + 1, depth)
        raise Problem(f"expected 00 or 01 for an option, got {byte:02x}")

    return Codec(write, read)


def sequence(item: Codec, accepted: Any, make: Make) -> Codec:
    """Returns the codec of elements in a row: of a list, a set and the like.

    Args:
        item: the codec of an element.
        accepted: the types of which a value may be written. The first one names them.
        make: builds the value from the list of its elements.
    """
    write_item, read_item = item.write, item.read

    def write(out: bytearray, value: Any) -> None:
        if not isinstance(value, accepted):
            raise mismatch(accepted[0].__name__, value)
        write_varint(out, len(value))
        for index, element in enumerate(value):
            try:
                write_item(out, element)
            except Problem as problem:
                problem.steps.append(f"[{index}]")
                raise

    def read(data: bytes, position: int, depth: int) -> tuple[Any, int]:
        if depth < 1:
            raise TooDeep
        length, position = read_length(data, position)
        items: list[Any] = []
        for index in range(length):
            try:
                element, position = read_item(data, position, depth - 1)
            except Problem as problem:
                problem.steps.append(f"[{index}]")
                raise
            items.append(element)
        return make(items), position

    return Codec(write, read)


def distinct(kind: type) -> Make:
    """Returns what builds a set or a frozenset of elements that differ."""

    def make(items: list[Any]) -> Any:
        try:
            found = kind(items)
        except TypeError as error:
            raise Problem(f"cannot be a {kind.__name__}: {error}") from error
        if len(found) < len(items):
            raise Problem(f"{len(items) - len(found)} elements are duplicates")
        return found

    return make


def mapping(key: Codec, item: Codec) -> Codec:
    """Returns the codec of a dict, whose keys must differ."""
    write_key, read_key = key.write, key.read
    write_item, read_item = item.write, item.read

    def write(out: bytearray, value: Any) -> None:
        if not isinstance(value, (dict, Mapping)):
            raise mismatch("dict", value)
        write_varint(out, len(value))
        for name, element in value.items():
            try:
                write_key(out, name)
                write_item(out, element)
            except Problem as problem:
                problem.steps.append(_entry(name))
                raise

    def read(data: bytes, position: int, depth: int) -> tuple[dict[Any, Any], int]:
        if depth < 1:
            raise TooDeep
        length, position = read_length(data, position)
        found: dict[Any, Any] = {}
        name: Any = _UNREAD
        for index in range(length):
            try:
                name = _UNREAD
                name, position = read_key(data, position, depth - 1)
                _check_new(name, found)
                found[name], position = read_item(data, position, depth - 1)
            except Problem as problem:
                problem.steps.append(f"[{index}]" if name is _UNREAD else _entry(name))
                raise
        return found, position

    return Codec(write, read)


def _entry(key: Any) -> str:
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{shown(key)}]"


def _check_new(key: Any, found: dict[Any, Any]) -> None:
    try:
        known = key in found
    except TypeError as error:
        raise Problem(f"cannot be a key: {error}") from error
    if known:
        raise Problem("the key is a duplicate")


def fixed(name: str, accepted: Any, parts: Sequence[tuple[str, Codec]], make: Make) -> Codec:
    """Returns the codec of parts of different types, by position: of a tuple or a NamedTuple.

    Args:
        name: what errors call the type.
        accepted: the types of which a value may be written.
        parts: of each one, its step in a path, and its codec.
        make: builds the value from the list of its parts.
    """
    writes = [(step, codec.write) for step, codec in parts]

    def write(out: bytearray, value: Any) -> None:
        if not isinstance(value, accepted):
            raise mismatch(name, value)
        if len(value) != len(writes):
            raise Problem(f"expected {name} of {len(writes)} elements, got {len(value)}")
        for (step, write_part), part in zip(writes, value, strict=True):
            try:
                write_part(out, part)
            except Problem as problem:
                problem.steps.append(step)
                raise

    is_empty = all(codec.is_empty for _, codec in parts)
    return Codec(write, _parts_reader(parts, make), is_empty)


def _parts_reader(parts: Sequence[tuple[str, Codec]], make: Make) -> Read:
    reads = [(step, codec.read) for step, codec in parts]

    def read(data: bytes, position: int, depth: int) -> tuple[Any, int]:
        if depth < 1:
            raise TooDeep
        values: list[Any] = []
        for step, read_part in reads:
            try:
                value, position = read_part(data, position, depth - 1)
            except Problem as problem:
                problem.steps.append(step)
                raise
            values.append(value)
        return make(values), position

    return read


def record(kind: type, fields: Sequence[Field], make: Make) -> Codec:
    """Returns the codec of a class with fields."""
    write_like = _like_writer(kind.__name__, fields)
    writes = [(field.name, f".{field.key}", field.codec.write) for field in fields]

    def write(out: bytearray, value: Any) -> None:
        if not isinstance(value, kind):
            write_like(out, value)
            return
        for name, step, write_field in writes:
            try:
                write_field(out, getattr(value, name))
            except Problem as problem:
                problem.steps.append(step)
                raise

    return _record(write, fields, make)


def dict_record(name: str, fields: Sequence[Field], make: Make) -> Codec:
    """Returns the codec of a `TypedDict`."""
    return _record(_like_writer(name, fields), fields, make)


def _record(write: Write, fields: Sequence[Field], make: Make) -> Codec:
    parts = [(f".{field.key}", field.codec) for field in fields]
    return Codec(write, _parts_reader(parts, make), all(field.codec.is_empty for field in fields))


def _like_writer(name: str, fields: Sequence[Field]) -> Write:
    """Returns a writer of what may be used in place of a record, as in every encoding.

    Which is a mapping, where a missing key gets the field's default, or any object that has all of
    the attributes. What there is beyond the fields is not written.
    """
    writes = [(field.key, field.codec.write, field.default) for field in fields]

    def write(out: bytearray, value: Any) -> None:
        values = value if isinstance(value, dict) else _as_mapping(value, name, fields)
        for key, write_field, default in writes:
            try:
                if key in values:
                    write_field(out, values[key])
                elif default is not None:
                    write_field(out, default())
                else:
                    raise Problem(f"missing in the {type(value).__name__} for {name}")
            except Problem as problem:
                problem.steps.append(f".{key}")
                raise

    return write


def _as_mapping(value: Any, name: str, fields: Sequence[Field]) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    # A number has attributes too, and is no record by accident.
    if type(value).__module__ != "builtins":
        if all(hasattr(value, field.name) for field in fields):
            return {field.key: getattr(value, field.name) for field in fields}
        values = as_plain(value)
        if isinstance(values, dict):
            return values
    raise mismatch(name, value)


def union(members: Sequence[tuple[type, Codec]]) -> Codec:
    """Returns the codec of a union of records: the index of the class, then the record."""
    indexes = {kind: index for index, (kind, _) in enumerate(members)}
    codecs = [codec for _, codec in members]
    expected = " or ".join(kind.__name__ for kind, _ in members)

    def write(out: bytearray, value: Any) -> None:
        # An object of a subclass is written as the nearest class that has a place here.
        for kind in value.__class__.__mro__:
            if kind in indexes:
                index = indexes[kind]
                write_varint(out, index)
                codecs[index].write(out, value)
                return
        raise mismatch(expected, value)

    def read(data: bytes, position: int, depth: int) -> tuple[Any, int]:
        index, position = read_index(data, position)
        if index >= len(codecs):
            raise Problem(f"{index} is no index of {expected}")
        return codecs[index].read(data, position, depth)

    return Codec(write, read)
