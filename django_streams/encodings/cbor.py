"""CBOR as of RFC 8949, by cbor2 (the extra `cbor`), without the tags that build objects.

What is written has no tags but those of ints beyond 64 bits: dates, UUID and Decimal are the text
that JSON has for them, so an item looks the same in every format. What is read may have those of
`TAGS`, which stand for plain values.
cbor2 is given one whole item each time: a decoder of it that has met the end of its input must not
be used again.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import partial
from io import BytesIO
from types import ModuleType
from typing import Any

import msgspec

from django_streams.exceptions import DecodeError, EncodeError

from .base import MAX_DEPTH, Decode, Encode, Encoding, builtins, damage, refusal, shown
from .finite import refuse_nonfinite, refuse_nonfinite_received
from .shaping import shaper
from .types import describe

__all__ = ["CBOR"]

TAGS = frozenset({0, 1, 2, 3, 55799})
"""Date and time as text and as a number, large ints, and the one that says "this is CBOR" (RFC 8949
3.4)."""

MAX_BIGNUM_BYTES = 1785
"""Of a large int: what Python turns into decimal digits (4,300 of them), as JSON's may have."""

_OBJECT_TAGS = (4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000)
"""Those of which cbor2 would build an object."""


class CBOR(Encoding):
    """CBOR, structs as maps."""

    name = "CBOR"

    def encoder(self, type: Any = Any, *, prefix: bytes = b"", suffix: bytes = b"") -> Encode:
        cbor2 = _library()
        shape = None if type is Any else shaper(type)

        def encode(value: Any) -> bytes:
            if shape is not None:
                value = shape(value)
            try:
                parts = builtins(value)
                data: bytes = cbor2.dumps(parts)
            except (TypeError, ValueError, RecursionError, cbor2.CBORError) as error:
                raise refusal(value, self, error) from error
            if _NONFINITE.search(data):
                refuse_nonfinite(value)
            if _LONG_BIGNUM.search(data):
                _refuse_long_ints(parts)
            return prefix + data + suffix

        return encode

    def decoder(self, type: Any = Any, *, max_depth: int = MAX_DEPTH) -> Decode:
        """As every encoding's; equal keys in one map and tags beyond `TAGS` are refused."""
        loads = _loader(_library(), max_depth)
        describe(type)

        def decode(data: bytes) -> Any:
            try:
                value = loads(data)
                if _NONFINITE.search(data):
                    refuse_nonfinite_received(value)
                # A look at all of it: `undefined`, simple values and the like end here.
                value = msgspec.to_builtins(value, builtin_types=(bytes, dt.datetime))
                return value if type is Any else msgspec.convert(value, type)
            except (msgspec.ValidationError, TypeError, RecursionError) as error:
                raise damage(error) from error

        return decode


_NONFINITE = re.compile(
    rb"\xf9[\x7c-\x7f\xfc-\xff]|\xfa[\x7f\xff][\x80-\xff]|\xfb[\x7f\xff][\xf0-\xff]"
)
"""How a binary16, a binary32 or a binary64 begins that is infinite or no number."""


_LONG_BIGNUM = re.compile(rb"[\xc2\xc3][\x59\x5a\x5b]")
"""How a large int begins that has more than 255 bytes."""


def _refuse_long_ints(value: Any) -> None:
    """Raises `EncodeError` for an int that this package's own decoder would refuse."""
    # What is written of a negative one is -1 - n: see `_bignum`.
    if isinstance(value, int) and max(value, -1 - value).bit_length() > 8 * MAX_BIGNUM_BYTES:
        raise EncodeError(
            f"{shown(value)} has more than the {MAX_BIGNUM_BYTES} bytes that readers take."
        )
    if isinstance(value, dict):
        for pair in value.items():
            _refuse_long_ints(pair)
    elif isinstance(value, (list, tuple)):
        for child in value:
            _refuse_long_ints(child)


def _library() -> ModuleType:
    try:
        import cbor2  # noqa: PLC0415 - Optional.
    except ImportError as error:
        raise ImportError("CBOR needs cbor2: pip install 'django-stream-views[cbor]'") from error
    return cbor2


def _loader(cbor2: ModuleType, max_depth: int) -> Decode:
    """Returns a function from the bytes of one item to a value; raises `DecodeError`."""
    options = {
        "max_depth": max_depth,
        "allow_duplicate_keys": False,
        "semantic_decoders": {
            2: partial(_bignum, sign=1),
            3: partial(_bignum, sign=-1),
            **{tag: partial(_refuse_tag, tag) for tag in _OBJECT_TAGS},
        },
        "tag_hook": lambda tag, *_: _refuse_tag(tag.tag),
    }

    def loads(data: bytes) -> Any:
        file = BytesIO(data)
        try:
            value = cbor2.CBORDecoder(file, **options).decode()
        except (cbor2.CBORError, ValueError, OverflowError) as error:
            raise _ours(error) from error
        if (rest := len(data) - file.tell()) > 0:
            raise DecodeError(f"{rest} bytes follow the item")
        return value

    return loads


def _bignum(digits: Any, *_: Any, sign: int) -> int:
    """Reads a large int (RFC 8949 3.4.3): n, or -1 - n for the negative ones."""
    if not isinstance(digits, bytes):
        raise DecodeError("a large int is not made of bytes")
    if len(digits) > MAX_BIGNUM_BYTES:
        raise DecodeError(f"an int of {len(digits)} bytes; {MAX_BIGNUM_BYTES} are allowed")
    magnitude = int.from_bytes(digits)
    return magnitude if sign > 0 else -1 - magnitude


def _refuse_tag(tag: int, *_: Any) -> Any:
    allowed = ", ".join(map(str, sorted(TAGS)))
    raise DecodeError(f"tag {tag} is not allowed; {allowed} are")


def _ours(error: BaseException) -> DecodeError:
    """Returns the `DecodeError` that cbor2 has wrapped, or one with the reason that it gives."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, DecodeError):
        cause = cause.__cause__
    return cause if cause is not None else DecodeError(f"invalid CBOR: {error}")
