"""One value to bytes and back: JSON, MessagePack, text and bytes.

An encoding knows nothing of how items are laid end to end (`framing` does) nor of media types
(`formats` does). msgspec does the work; what it does not know by itself goes through `plain`, and
what neither knows is refused by name. Non-finite floats are refused by every structured encoding:
JSON has no spelling for them (RFC 8259 section 6), and an item must not depend on the format a
client chose.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import singledispatch
from typing import Any

import msgspec

from .exceptions import DecodeError, EncodeError

__all__ = ["JSON", "Bytes", "Encoding", "MessagePack", "Text", "plain"]

Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], Any]
Special = Callable[[Any], bytes | None]


class Encoding(ABC):
    """How one value is written as bytes and read back. Stateless."""

    name: str
    """What errors call it."""

    @abstractmethod
    def encoder(self, prefix: bytes = b"", suffix: bytes = b"") -> Encode:
        """Returns a function from one value to its bytes between `prefix` and `suffix`.

        Which raises `EncodeError`. The two belong to the framing; they are added here because
        another call for each item would cost as much as encoding it.
        """

    @abstractmethod
    def decoder(self, type: Any = Any) -> Decode:
        """Returns a function from the bytes of one whole item to a `type`; raises `DecodeError`."""


@singledispatch
def plain(value: Any) -> Any:
    """Returns something that can be encoded in place of `value`.

    Called for what msgspec does not know: it knows None, bool, int, float, str, bytes, list, tuple,
    set, dict, datetime, date, time, timedelta, UUID, Decimal, Enum, dataclasses, attrs,
    `TypedDict`, `NamedTuple` and `msgspec.Struct`. A function for one more type is added with
    `plain.register`:

        @plain.register
        def _(value: Money) -> str:
            return f"{value.amount} {value.currency}"

    Raises `EncodeError` for a type that it does not know either.
    """
    dump = getattr(
        value, "model_dump", None
    )  # pydantic, known by its shape: it need not be installed.
    if callable(dump):
        return dump()
    raise EncodeError(
        f"an object of type {_type_name(value)} cannot be encoded. Yield plain values (dict, list, "
        "str, int, float, bool, None), dates, UUID, Decimal, Enum, dataclasses or msgspec.Struct, "
        "or turn the object into one of these in to_item()."
    )


@plain.register
def _(value: str) -> str:
    # A subclass, such as Django's SafeString, whose own __str__ returns itself: slicing does not.
    return value[:]


def _type_name(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


class JSON(Encoding):
    """JSON as of RFC 8259, in UTF-8, without white space and so without a line break."""

    name = "JSON"

    def encoder(
        self, prefix: bytes = b"", suffix: bytes = b"", *, special: Special | None = None
    ) -> Encode:
        """As every encoding's; `special` may write a value that is no dict in a way of its own."""
        dumps = msgspec.json.Encoder(enc_hook=plain).encode
        framed = _template(prefix, suffix)

        def encode(value: Any) -> bytes:
            if special is not None and type(value) is not dict:
                written = special(value)
                if written is not None:
                    return written
            try:
                data = dumps(value)
            except (TypeError, ValueError, RecursionError) as error:
                raise _refusal(value, self, error) from error
            # msgspec writes a non-finite float as null: only then is it worth a second look. And
            # find(), because `in` on bytes first tries its operand as a number, which takes five
            # times as long.
            if data.find(b"null") >= 0:
                _refuse_nonfinite(value)
            return framed % data

        return encode

    def decoder(self, type: Any = Any) -> Decode:
        return _typed(msgspec.json.Decoder(type).decode)


class MessagePack(Encoding):
    """MessagePack, with an aware datetime as its timestamp extension."""

    name = "MessagePack"

    def encoder(self, prefix: bytes = b"", suffix: bytes = b"") -> Encode:
        dumps = msgspec.msgpack.Encoder(enc_hook=plain).encode
        framed = _template(prefix, suffix)

        def encode(value: Any) -> bytes:
            try:
                data = dumps(value)
            except (TypeError, ValueError, OverflowError, RecursionError) as error:
                raise _refusal(value, self, error) from error
            if data.find(b"\xcb\x7f") >= 0 or data.find(b"\xcb\xff") >= 0:
                _refuse_nonfinite(value)
            return framed % data

        return encode

    def decoder(self, type: Any = Any) -> Decode:
        return _typed(msgspec.msgpack.Decoder(type).decode)


class Text(Encoding):
    """Text in UTF-8."""

    name = "text"

    def encoder(self, prefix: bytes = b"", suffix: bytes = b"") -> Encode:
        def encode(value: Any) -> bytes:
            text = value if isinstance(value, str) else _as(str, value, self)
            try:
                return prefix + text.encode() + suffix
            except UnicodeEncodeError as error:
                raise _refusal(value, self, error) from error

        return encode

    def decoder(self, type: Any = Any) -> Decode:
        def decode(data: bytes) -> str:
            try:
                return data.decode()
            except UnicodeDecodeError as error:
                raise DecodeError(f"invalid UTF-8: {error.reason} at byte {error.start}") from error

        return decode


class Bytes(Encoding):
    """Bytes as they are."""

    name = "bytes"

    def encoder(self, prefix: bytes = b"", suffix: bytes = b"") -> Encode:
        def encode(value: Any) -> bytes:
            if isinstance(value, (bytes, bytearray, memoryview)):
                return (
                    prefix + bytes(value) + suffix
                )  # A copy if the producer may write into it again.
            raise EncodeError(
                f"a stream of bytes cannot carry {value!r:.200}, which is {_article(value)}. Yield "
                "bytes, bytearray or memoryview."
            )

        return encode

    def decoder(self, type: Any = Any) -> Decode:
        return bytes


def _template(prefix: bytes, suffix: bytes) -> bytes:
    """Returns what puts bytes between the two by `template % data`, in half the time of two `+`."""
    return prefix.replace(b"%", b"%%") + b"%b" + suffix.replace(b"%", b"%%")


def _as(kind: type[str], value: Any, encoding: Encoding) -> str:
    """Returns `value` as text if `plain` makes text of it; numbers are no text by accident."""
    try:
        text = plain(value)
    except EncodeError:
        text = value
    if isinstance(text, kind):
        return text
    raise EncodeError(
        f"a stream of {encoding.name} cannot carry {value!r:.200}, which is {_article(value)}. "
        "Yield str, or choose a format for values, such as JSONL."
    )


def _article(value: Any) -> str:
    name = type(value).__name__
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def _typed(decode: Decode) -> Decode:
    def typed(data: bytes) -> Any:
        try:
            return decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(str(error)) from error

    return typed


def _refusal(value: Any, encoding: Encoding, error: Exception) -> EncodeError:
    if isinstance(error, EncodeError):  # From `plain`, which has named the object and the way out.
        return error
    return EncodeError(f"{value!r:.200} cannot be encoded as {encoding.name}: {error}")


_NONFINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
"""How MessagePack begins a binary64 that is infinite or no number (IEEE 754: all exponent bits
set)."""

_binary = msgspec.msgpack.Encoder(enc_hook=plain).encode


def _refuse_nonfinite(value: Any) -> None:
    """Raises `EncodeError` with the place of a NaN or an Infinity, if there is one.

    The MessagePack of the value answers at the speed of C for nearly every item; only bytes that
    look like such a float are worth a walk.
    """
    try:
        if not _NONFINITE.search(_binary(value)):
            return
    except OverflowError:
        pass  # An int beyond 64 bits, which JSON has and MessagePack has not: walk.
    for path, number in _floats(
        msgspec.to_builtins(value, enc_hook=plain, builtin_types=(bytes,)), "$"
    ):
        if not math.isfinite(number):
            raise EncodeError(
                f"{number!r} at {path} has no form in JSON, so no format carries it. Send None or "
                "a str instead."
            )


def _floats(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float):
        yield path, value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _floats(child, f"{path}.{key}")
    elif isinstance(value, (list, tuple, set, frozenset)):
        for index, child in enumerate(value):
            yield from _floats(child, f"{path}[{index}]")
