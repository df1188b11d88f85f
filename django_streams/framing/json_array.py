"""The elements of one JSON array, each found as soon as it is whole.

Specification: RFC 8259 section 5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django_streams.encodings import Encode, Encoding
from django_streams.exceptions import TruncatedStream

from .base import Framing, Splitter
from .json_text import COMMON_SCALAR, COMMON_VALUE, JSONSplitter, unexpected

__all__ = ["Elements"]

_BEGIN_ARRAY, _COMMA, _END_ARRAY = b"[,]"

_COMMON_ELEMENT = re.compile(
    rb",[ \t\n\r]*+(%b|%b(?=[ \t\n\r,\]]))" % (COMMON_VALUE, COMMON_SCALAR)
)


class Elements(Framing):
    """The elements of one JSON array (RFC 8259 5); the brackets are the format's head and tail.

    Objects, arrays and strings are delivered as soon as they end; a number, true, false and null as
    soon as something else has come behind them.
    """

    def encoder(self, encoding: Encoding, type: Any = Any) -> Encode:
        first, further = encoding.encoder(type), encoding.encoder(type, prefix=b",")
        next_one = first

        def encode(value: Any) -> bytes:
            nonlocal next_one
            data = next_one(value)
            next_one = further  # Not before: a first item that is refused has not been the first.
            return data

        return encode

    def splitter(self, max_item: int) -> Splitter:
        return _ElementSplitter(max_item)


class _ElementSplitter(JSONSplitter):
    def __init__(self, max_item: int) -> None:
        super().__init__(max_item, _ElementSplitter._open)

    def _last(self) -> Iterator[bytes]:
        if self._step is not _ElementSplitter._ended:
            raise TruncatedStream('the stream ends before the "]" of its JSON array')
        yield from ()

    def _open(self, data: bytes) -> None:
        byte = self._next_byte(data)
        if byte is None:
            return
        if byte != _BEGIN_ARRAY:  # A byte order mark too: RFC 8259 8.1 lets it be refused.
            raise unexpected(byte, '"[" before a JSON array')
        self._position += 1
        self._step = _ElementSplitter._first

    def _first(self, data: bytes) -> bytes | None:
        if self._next_byte(data) != _END_ARRAY:
            return self._before(data)
        self._position += 1
        self._step = _ElementSplitter._ended
        return None

    def _before(self, data: bytes) -> bytes | None:
        byte = self._next_byte(data)
        if byte is None:
            return None
        self._begin(byte, "an element of a JSON array")
        self._step = _ElementSplitter._inside
        return self._inside(data)

    def _inside(self, data: bytes) -> bytes | None:
        start = self._position
        end = self._value.end(data, start, len(data))
        if end < 0:
            self._position = len(data)
            self._item.add(data[start:])
            return None
        self._position = end
        self._step = _ElementSplitter._behind
        return self._item.take(data[start:end])

    def _behind(self, data: bytes) -> bytes | None:
        match = _COMMON_ELEMENT.match(data, self._position)
        if match:
            self._position = match.end()
            return self._item.take(match[1])
        byte = self._next_byte(data)
        if byte is None:
            return None
        if byte not in (_COMMA, _END_ARRAY):
            raise unexpected(byte, '"," or "]" behind an element of a JSON array')
        self._position += 1
        self._step = _ElementSplitter._before if byte == _COMMA else _ElementSplitter._ended
        return None

    def _ended(self, data: bytes) -> None:
        byte = self._next_byte(data)
        if byte is not None:
            raise unexpected(byte, 'nothing behind the "]" of a JSON array')
