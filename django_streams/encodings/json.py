"""JSON as of RFC 8259, by msgspec, which is made strict here where it is not.

msgspec keeps the last of several equal names, and has no bound on depth but the interpreter's
stack. Both are looked at in a way that costs an item next to nothing if nothing is wrong with it.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from django_streams.exceptions import DecodeError

from .base import (
    MAX_DEPTH,
    Decode,
    Encode,
    Encoding,
    Special,
    damage,
    first_twice,
    plain,
    refusal,
    template,
    too_deep,
)
from .finite import refuse_nonfinite
from .shaping import shaper
from .types import names_in, required_names

__all__ = ["JSON"]


class JSON(Encoding):
    """JSON as of RFC 8259, in UTF-8, without white space and so without a line break."""

    name = "JSON"

    def encoder(
        self,
        type: Any = Any,
        *,
        prefix: bytes = b"",
        suffix: bytes = b"",
        special: Special | None = None,
    ) -> Encode:
        """As every encoding's; `special` may write a value that is no dict in a way of its own."""
        dumps = msgspec.json.Encoder(enc_hook=plain).encode
        framed = template(prefix, suffix)

        def encode(value: Any) -> bytes:
            if value.__class__ is not dict and special is not None:
                written = special(value)
                if written is not None:
                    return written
            try:
                data = dumps(value)
            except (TypeError, ValueError, RecursionError) as error:
                raise refusal(value, self, error) from error
            # msgspec writes a non-finite float as null: only then is it worth a second look. And
            # find(), because `in` on bytes first tries its operand as a number, which takes five
            # times as long.
            if data.find(b"null") >= 0:
                refuse_nonfinite(value)
            return framed % data

        return encode if type is Any else _shaped(encode, type, special)

    def decoder(self, type: Any = Any, *, max_depth: int = MAX_DEPTH) -> Decode:
        """As every encoding's; equal names in one object are refused (RFC 8259 section 4)."""
        loads = msgspec.json.Decoder(type).decode
        least_names = max(required_names(type), 1)
        shallow = 2 * max_depth  # Bytes, of which each level takes two.

        def decode(data: bytes) -> Any:
            if len(data) > shallow:
                _refuse_depth(data, max_depth)
            try:
                value = loads(data)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise damage(error) from error
            # Each name has a colon: with no more of them than names that differ, none is there
            # twice.
            if data.count(b":") > least_names:
                _refuse_equal_names(data, value, least_names)
            return value

        return decode


def _shaped(encode: Encode, type: Any, special: Special | None) -> Encode:
    shape = shaper(type)

    def encode_shaped(value: Any) -> bytes:
        written = special(value) if special is not None else None
        return encode(shape(value)) if written is None else written

    return encode_shaped


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A string, or one that never ends: not to be looked for again at each of its quotes."""
_BRACKET = re.compile(rb"[\[\]{}]")


def _refuse_depth(data: bytes, max_depth: int) -> None:
    if data.count(b"[") + data.count(b"{") <= max_depth:
        return
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        if depth > max_depth:
            raise too_deep(max_depth)


_SPACED_COLON = re.compile(rb"[ \t\r\n]:")


def _refuse_equal_names(data: bytes, value: Any, least_names: int) -> None:
    """Raises `DecodeError` for equal names in one object: parsers differ in which they believe."""
    least_names = max(least_names, names_in(value))
    if data.count(b":") <= least_names:
        return
    if data.count(b'":') <= least_names and not _SPACED_COLON.search(data):
        return  # The other colons stand in strings.
    try:
        json.loads(data, object_pairs_hook=_unique, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:  # In what a type passes over undecoded.
        raise damage(error) from error


def _unique(pairs: list[tuple[str, Any]]) -> None:
    twice = first_twice(name for name, _ in pairs)
    if twice is not None:
        raise DecodeError(f"the name {twice!r:.100} occurs twice in one object")
