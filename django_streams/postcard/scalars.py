"""Postcard's values without parts: numbers, text, bytes, enumerations, and the widths to choose.

Python's int is an i64 and its float an f64 unless a marker says otherwise. What Postcard does not
know, such as a date, is the text that it is in JSON.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from .codec import (
    TRUNCATED,
    Codec,
    NotFinite,
    Problem,
    as_plain,
    mismatch,
    read_index,
    read_length,
    shown,
    varint_reader,
    write_varint,
)


@dataclass(frozen=True, repr=False)
class Width:
    """How wide a number is on the wire, as in `Annotated[int, U8]`."""

    name: str
    kind: type
    """The Python type that it may annotate."""

    def __repr__(self) -> str:
        return self.name


U8, U16, U32, U64, U128 = (Width(f"U{bits}", int) for bits in (8, 16, 32, 64, 128))
I8, I16, I32, I64, I128 = (Width(f"I{bits}", int) for bits in (8, 16, 32, 64, 128))
F32, F64 = Width("F32", float), Width("F64", float)
Char = Width("Char", str)


def _whole(value: Any, low: int, high: int) -> int:
    """Returns `value` as an int of the range, or raises the problem that it is none."""
    expected = f"an int from {low} to {high}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise mismatch(expected, value)
    if not low <= value <= high:
        raise Problem(f"expected {expected}, got {shown(value)}")
    return int(value)


def unsigned(bits: int) -> Codec:
    """Returns the codec of an unsigned integer, a varint."""
    high = (1 << bits) - 1
    read_varint = varint_reader(bits)

    def write(out: bytearray, value: Any) -> None:
        if type(value) is not int or not 0 <= value <= high:
            value = _whole(value, 0, high)
        if value < 0x80:
            out.append(value)
        else:
            write_varint(out, value)

    def read(data: bytes, position: int, _depth: int) -> tuple[int, int]:
        if position < len(data) and data[position] < 0x80:
            return data[position], position + 1
        return read_varint(data, position)

    return Codec(write, read)


def signed(bits: int) -> Codec:
    """Returns the codec of a signed integer: zigzagged, so that small ones stay short."""
    high = (1 << bits - 1) - 1
    low = ~high
    read_varint = varint_reader(bits)

    def write(out: bytearray, value: Any) -> None:
        if type(value) is not int or not low <= value <= high:
            value = _whole(value, low, high)
        value = value << 1 if value >= 0 else ~value << 1 | 1
        if value < 0x80:
            out.append(value)
        else:
            write_varint(out, value)

    def read(data: bytes, position: int, _depth: int) -> tuple[int, int]:
        number, position = read_varint(data, position)
        return (number >> 1) ^ -(number & 1), position

    return Codec(write, read)


def _write_u8(out: bytearray, value: Any) -> None:
    if type(value) is not int or not 0 <= value <= 0xFF:
        value = _whole(value, 0, 0xFF)
    out.append(value)


def _read_u8(data: bytes, position: int, _depth: int) -> tuple[int, int]:
    try:
        return data[position], position + 1
    except IndexError:
        raise Problem(TRUNCATED) from None


def _write_i8(out: bytearray, value: Any) -> None:
    out.append(_whole(value, -0x80, 0x7F) & 0xFF)


def _read_i8(data: bytes, position: int, depth: int) -> tuple[int, int]:
    number, position = _read_u8(data, position, depth)
    return (number ^ 0x80) - 0x80, position


def floating(layout: struct.Struct, highest: float) -> Codec:
    """Returns the codec of a float of this layout, which may also be written from an int."""
    size, pack, unpack = layout.size, layout.pack, layout.unpack_from
    expected = f"a float from {-highest:.8g} to {highest:.8g}"

    def write(out: bytearray, value: Any) -> None:
        if type(value) is not float and (
            not isinstance(value, (int, float)) or isinstance(value, bool)
        ):
            raise mismatch("float", value)
        try:
            if not math.isfinite(value):
                raise NotFinite(repr(value))
            out += pack(value)
        except OverflowError:
            raise Problem(f"expected {expected}, got {shown(value)}") from None

    def read(data: bytes, position: int, _depth: int) -> tuple[float, int]:
        if position + size > len(data):
            raise Problem(TRUNCATED)
        value: float = unpack(data, position)[0]
        if not math.isfinite(value):
            raise Problem(f"{value!r} is not allowed")
        return value, position + size

    return Codec(write, read)


def _write_bool(out: bytearray, value: Any) -> None:
    if not isinstance(value, bool):
        raise mismatch("bool", value)
    out.append(value)


def _read_bool(data: bytes, position: int, depth: int) -> tuple[bool, int]:
    byte, position = _read_u8(data, position, depth)
    if byte > 1:
        raise Problem(f"expected 00 or 01 for a bool, got {byte:02x}")
    return byte == 1, position


def _write_none(_out: bytearray, value: Any) -> None:
    if value is not None:
        raise mismatch("None", value)


def _read_none(_data: bytes, position: int, _depth: int) -> tuple[None, int]:
    return None, position


def _write_bytes(out: bytearray, value: Any) -> None:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise mismatch("bytes", value)
    data = bytes(value)
    write_varint(out, len(data))
    out += data


def _read_bytes(data: bytes, position: int, _depth: int) -> tuple[bytes, int]:
    length, position = read_length(data, position)
    return bytes(data[position : position + length]), position + length


def _write_str(out: bytearray, value: Any) -> None:
    if not isinstance(value, str):
        text = as_plain(value)
        if not isinstance(text, str):
            raise mismatch("str", value)
        value = text
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        raise Problem(f"{shown(value)} is not UTF-8: {error.reason}") from error
    length = len(data)
    if length < 0x80:
        out.append(length)
    else:
        write_varint(out, length)
    out += data


def _read_str(data: bytes, position: int, _depth: int) -> tuple[str, int]:
    length, position = read_length(data, position)
    try:
        return data[position : position + length].decode(), position + length
    except UnicodeDecodeError as error:
        raise Problem(f"invalid UTF-8: {error.reason} at byte {error.start}") from error


def _write_char(out: bytearray, value: Any) -> None:
    if isinstance(value, str) and len(value) != 1:
        raise Problem(f"expected one character, got {shown(value)}")
    _write_str(out, value)


def _read_char(data: bytes, position: int, depth: int) -> tuple[str, int]:
    text, position = _read_str(data, position, depth)
    if len(text) != 1:
        raise Problem(f"expected one character, got {len(text)}")
    return text, position


def spelled(kind: type) -> Codec:
    """Returns the codec of a type that travels as the text that msgspec's JSON has for it."""

    def write(out: bytearray, value: Any) -> None:
        # A datetime is a date to isinstance, but its text is no date's.
        if not isinstance(value, kind) or (kind is dt.date and isinstance(value, dt.datetime)):
            raise mismatch(kind.__name__, value)
        try:
            _write_str(out, msgspec.to_builtins(value))
        except (TypeError, ValueError) as error:
            raise Problem(f"{shown(value)} cannot be written: {error}") from error

    def read(data: bytes, position: int, depth: int) -> tuple[Any, int]:
        text, position = _read_str(data, position, depth)
        try:
            return msgspec.convert(text, kind), position
        except msgspec.ValidationError as error:
            raise Problem(str(error)) from error

    return Codec(write, read)


def _indexed(values: list[Any], index_of: Callable[[Any], int], name: str) -> Codec:
    def write(out: bytearray, value: Any) -> None:
        write_varint(out, index_of(value))

    def read(data: bytes, position: int, _depth: int) -> tuple[Any, int]:
        index, position = read_index(data, position)
        if index >= len(values):
            raise Problem(f"{index} is no index of {name}, which has {len(values)}")
        return values[index], position

    return Codec(write, read)


def enumeration(kind: type[enum.Enum]) -> Codec:
    """Returns the codec of an Enum: the index of its member, in the order of declaration.

    A member's value is accepted in its place, as a dict is for a record: it is what a database row
    holds, and what JSON shows.
    """
    members = list(kind)
    indexes = {member: index for index, member in enumerate(members)}

    def index_of(value: Any) -> int:
        if isinstance(value, kind):
            return indexes[value]
        try:
            member = kind(value)
        except ValueError:
            raise Problem(f"expected {kind.__name__}, got {shown(value)}") from None
        if type(member.value) is not type(value):  # True is no 1.
            raise mismatch(kind.__name__, value)
        return indexes[member]

    return _indexed(members, index_of, kind.__name__)


def literal(values: list[Any]) -> Codec:
    """Returns the codec of a Literal: the index of its value, as if it were an Enum."""
    expected = f"one of {', '.join(map(repr, values))}"

    def index_of(value: Any) -> int:
        for index, known in enumerate(values):
            same_kind = isinstance(value, bool) == isinstance(known, bool)
            if same_kind and isinstance(value, type(known)) and value == known:
                return index
        raise Problem(f"expected {expected}, got {shown(value)}")

    return _indexed(values, index_of, expected)


MARKED = {
    U8: Codec(_write_u8, _read_u8),
    U16: unsigned(16),
    U32: unsigned(32),
    U64: unsigned(64),
    U128: unsigned(128),
    I8: Codec(_write_i8, _read_i8),
    I16: signed(16),
    I32: signed(32),
    I64: signed(64),
    I128: signed(128),
    F32: floating(struct.Struct("<f"), (2 - 2**-23) * 2.0**127),
    F64: floating(struct.Struct("<d"), (2 - 2**-52) * 2.0**1023),
    Char: Codec(_write_char, _read_char),
}

PLAIN: dict[Any, Codec] = {
    int: MARKED[I64],
    float: MARKED[F64],
    bool: Codec(_write_bool, _read_bool),
    str: Codec(_write_str, _read_str),
    bytes: Codec(_write_bytes, _read_bytes),
    type(None): Codec(_write_none, _read_none, is_empty=True),
    **{
        kind: spelled(kind)
        for kind in (dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID, Decimal)
    },
}
