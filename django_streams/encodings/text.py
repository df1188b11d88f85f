"""Text and bytes: items that have no structure."""

from __future__ import annotations

from typing import Any

from django_streams.exceptions import EncodeError

from .base import MAX_DEPTH, Decode, Encode, Encoding, article, damage, plain, refusal, shown

__all__ = ["Bytes", "Text"]


class Text(Encoding):
    """Text in UTF-8."""

    name = "text"

    def encoder(self, type: Any = Any, *, prefix: bytes = b"", suffix: bytes = b"") -> Encode:
        def encode(value: Any) -> bytes:
            text = value if isinstance(value, str) else _text(value)
            try:
                return prefix + text.encode() + suffix
            except UnicodeEncodeError as error:
                raise refusal(value, self, error) from error

        return encode

    def decoder(self, type: Any = Any, *, max_depth: int = MAX_DEPTH) -> Decode:
        def decode(data: bytes) -> str:
            try:
                return data.decode()
            except UnicodeDecodeError as error:
                raise damage(error) from error

        return decode


class Bytes(Encoding):
    """Bytes as they are."""

    name = "bytes"

    def encoder(self, type: Any = Any, *, prefix: bytes = b"", suffix: bytes = b"") -> Encode:
        def encode(value: Any) -> bytes:
            if isinstance(value, (bytes, bytearray, memoryview)):
                # A copy if the producer may write into it again.
                return prefix + bytes(value) + suffix
            raise EncodeError(
                f"a stream of bytes cannot carry {shown(value)}, which is {article(value)}. Yield "
                "bytes, bytearray or memoryview."
            )

        return encode

    def decoder(self, type: Any = Any, *, max_depth: int = MAX_DEPTH) -> Decode:
        return bytes


def _text(value: Any) -> str:
    """Returns `value` as text if `plain` makes text of it; numbers are no text by accident."""
    try:
        text = plain(value)
    except EncodeError:
        text = value
    if isinstance(text, str):
        return text
    raise EncodeError(
        f"a stream of text cannot carry {shown(value)}, which is {article(value)}. Yield str, or "
        "choose a format for values, such as JSONL."
    )
