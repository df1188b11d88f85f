"""Postcard, the compact encoding of Rust's embedded world, with a Python type as its schema.

Nothing in the bytes tells what they are: both sides have to know the type, field for field and in
the same order. Python's int is Rust's i64 and its float f64, unless a marker says otherwise:

    class Dog(msgspec.Struct):
        name: str
        age: Annotated[int, U8]

A Struct, dataclass, attrs class, `TypedDict`, `NamedTuple` or tuple is a struct or tuple; list, set
and frozenset are sequences, dict is a map, `X | None` an option; an Enum or a Literal is an enum
without payloads, and a union of classes, in the order in which it is written, one with a payload.
datetime, date, time, timedelta, UUID and Decimal are strings, as in JSON.

Give a union its order in one place, as in `Animal = Dog | Cat`. To `typing`, `Dog | Cat` equals
`Cat | Dog`: what it makes of them, such as `Optional[Dog | Cat]` or a generic class's
`Box[Dog | Cat]`, it makes once, of whichever it has met first.

The wire format, version 1: https://postcard.jamesmunns.com/wire-format
"""

from __future__ import annotations

from typing import Any

from django_streams.encodings import MAX_DEPTH, Decode, Encode, Encoding
from django_streams.exceptions import DecodeError, EncodeError

from .codec import Problem, TooDeep
from .hints import codec_for
from .scalars import (
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    Char,
)

__all__ = [
    "F32",
    "F64",
    "I8",
    "I16",
    "I32",
    "I64",
    "I128",
    "U8",
    "U16",
    "U32",
    "U64",
    "U128",
    "Char",
    "Postcard",
]


class Postcard(Encoding):
    """Postcard, version 1. Both functions need a type, and raise `TypeError` for others."""

    name = "Postcard"

    def encoder(self, type: Any = Any, *, prefix: bytes = b"", suffix: bytes = b"") -> Encode:
        """As every encoding's; what does not fit `type` is refused with its place."""
        write = codec_for(type).write

        def encode(value: Any) -> bytes:
            out = bytearray(prefix)
            try:
                write(out, value)
            except Problem as problem:
                raise EncodeError(str(problem)) from problem
            except RecursionError as error:
                raise EncodeError(
                    "the value is nested too deeply to be encoded as Postcard, or contains itself: "
                    f"{error}"
                ) from error
            out += suffix
            return bytes(out)

        return encode

    def decoder(self, type: Any = Any, *, max_depth: int = MAX_DEPTH) -> Decode:
        """As every encoding's. Input is refused unless it is a `type` and nothing else.

        Zeros that pad a varint are accepted, as the specification has it. Constraints of
        `msgspec.Meta` hold for what is returned.
        """
        read = codec_for(type).read

        def decode(data: bytes) -> Any:
            try:
                value, end = read(data, 0, max_depth)
            except TooDeep as problem:
                raise DecodeError(f"nested more than {max_depth} levels deep") from problem
            except Problem as problem:
                raise DecodeError(str(problem)) from problem
            except RecursionError as error:
                raise DecodeError("nested too deeply") from error
            if end < len(data):
                raise DecodeError(f"{len(data) - end} bytes follow the item")
            return value

        return decode
