"""NaN and Infinity are refused, in every encoding and both ways.

JSON has no spelling for them (RFC 8259 section 6), and an item must not depend on the format that a
client chose.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from django_streams.exceptions import DecodeError, EncodeError

from .base import plain

__all__ = ["refuse_nonfinite", "refuse_nonfinite_received"]

_NONFINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
"""How MessagePack begins a binary64 that is infinite or no number (IEEE 754: all exponent bits
set)."""

_binary = msgspec.msgpack.Encoder(enc_hook=plain).encode


def refuse_nonfinite(value: Any) -> None:
    """Raises `EncodeError` with the place of a NaN or an Infinity, if there is one.

    The MessagePack of the value answers at the speed of C for nearly every item; only bytes that
    look like such a float are worth a walk.
    """
    try:
        if not _NONFINITE.search(_binary(value)):
            return
    except OverflowError:
        pass  # An int beyond 64 bits, which JSON has and MessagePack has not: walk.
    parts = msgspec.to_builtins(value, enc_hook=_plain_or_none, builtin_types=(bytes,))
    for path, number in _nonfinite(parts, "$"):
        raise EncodeError(
            f"{number!r} at {path} has no form in JSON, so no format carries it. Send None or a "
            "str instead."
        )


def refuse_nonfinite_received(value: Any) -> None:
    """Raises `DecodeError` with the place of a NaN or an Infinity in builtins that were decoded."""
    for path, number in _nonfinite(value, "$"):
        raise DecodeError(f"{path}: {number!r} is not allowed")


def _plain_or_none(value: Any) -> Any:
    try:
        return plain(value)
    except EncodeError:  # It is of one encoding alone, such as MessagePack's Ext: no float.
        return None


def _nonfinite(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float):
        if not math.isfinite(value):
            yield path, value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _nonfinite(key, path)
            yield from _nonfinite(child, f"{path}.{key}")
    elif isinstance(value, (list, tuple, set, frozenset)):
        for index, child in enumerate(value):
            yield from _nonfinite(child, f"{path}[{index}]")
