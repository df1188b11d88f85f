"""MessagePack, by msgspec, which is made strict here where it is not."""

from __future__ import annotations

import re
from typing import Any

import msgpack
import msgspec

from django_streams.exceptions import DecodeError

from .base import (
    MAX_DEPTH,
    Decode,
    Encode,
    Encoding,
    damage,
    first_twice,
    plain,
    refusal,
    template,
    too_deep,
)
from .finite import refuse_nonfinite, refuse_nonfinite_received
from .shaping import shaper
from .types import has_raw

__all__ = ["MessagePack"]

_dumps = msgspec.msgpack.Encoder(enc_hook=plain).encode


class MessagePack(Encoding):
    """MessagePack, with an aware datetime as its timestamp extension."""

    name = "MessagePack"

    def encoder(self, type: Any = Any, *, prefix: bytes = b"", suffix: bytes = b"") -> Encode:
        framed = template(prefix, suffix)

        def encode(value: Any) -> bytes:
            try:
                data = _dumps(value)
            except (TypeError, ValueError, OverflowError, RecursionError) as error:
                raise refusal(value, self, error) from error
            if data.find(b"\xcb\x7f") >= 0 or data.find(b"\xcb\xff") >= 0:
                refuse_nonfinite(value)
            return framed % data

        if type is Any:
            return encode
        shape = shaper(type)
        return lambda value: encode(shape(value))

    def decoder(self, type: Any = Any, *, max_depth: int = MAX_DEPTH) -> Decode:
        """As every encoding's; equal keys in one map are refused."""
        loads = msgspec.msgpack.Decoder(type).decode
        leaves_parts = has_raw(type)

        def decode(data: bytes) -> Any:
            # Each level takes a byte at least, and only some bytes begin one.
            may_be_deep = len(data) > max_depth and _containers(data) > max_depth
            is_inspected = leaves_parts or may_be_deep
            if is_inspected:
                _inspect(data, max_depth)
            try:
                value = loads(data)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise damage(error) from error
            if not is_inspected and not _is_ours(data, value):
                _inspect(data, max_depth)
            if _NONFINITE.search(data):
                _refuse_nonfinite(data)
            return value

        return decode


_NONFINITE = re.compile(rb"\xca[\x7f\xff][\x80-\xff]|\xcb[\x7f\xff][\xf0-\xff]")
"""How a binary32 or a binary64 begins that is infinite or no number."""

_CONTAINERS = bytes([*range(0x80, 0xA0), *range(0xDC, 0xE0)])
"""What begins an array or a map."""


def _is_ours(data: bytes, value: Any) -> bool:
    """Whether it is what our own encoder would write, which has no equal keys."""
    try:
        return _dumps(value) == data
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False  # The type has made something of it that cannot be encoded.


def _refuse_nonfinite(data: bytes) -> None:
    try:
        refuse_nonfinite_received(msgspec.msgpack.decode(data))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise damage(error) from error


def _containers(data: bytes) -> int:
    """Returns how many arrays and maps there are at most."""
    return len(data) - len(data.translate(None, _CONTAINERS))


class _Levels(int):
    """Stands for an array or a map: how many levels it has."""

    __slots__ = ()


def _inspect(data: bytes, max_depth: int) -> None:
    """Raises `DecodeError` for equal keys in one map, and for more than `max_depth` levels."""

    def array(children: list[Any]) -> _Levels:
        levels = 1 + max((child for child in children if isinstance(child, _Levels)), default=0)
        if levels > max_depth:
            raise too_deep(max_depth)
        return _Levels(levels)

    def mapping(pairs: list[tuple[Any, Any]]) -> _Levels:
        twice = first_twice(key for key, _ in pairs if not isinstance(key, _Levels))
        if twice is not None:
            raise DecodeError(f"the key {twice!r:.100} occurs twice in one map")
        return array([child for pair in pairs for child in pair])

    try:
        msgpack.unpackb(data, list_hook=array, object_pairs_hook=mapping, strict_map_key=False)
    except UnicodeDecodeError as error:
        raise damage(error) from error
    except (msgpack.UnpackException, ValueError) as error:
        raise DecodeError(f"invalid MessagePack: {error}") from error
