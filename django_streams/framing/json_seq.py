"""JSON text sequences: each JSON text between a record separator and a line feed.

Specification: RFC 7464.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from django_streams.exceptions import TruncatedStream

from .base import Framing, Splitter
from .json_text import COMMON_SCALAR, COMMON_VALUE, JSONSplitter, unexpected

__all__ = ["RecordSeparated"]

_RS, _LF = b"\x1e\n"

_COMMON_TEXT = re.compile(rb"\x1e++(%b|%b)\n" % (COMMON_VALUE, COMMON_SCALAR))
_NO_BLANK = re.compile(rb"[^ \t\r]")


class RecordSeparated(Framing):
    """JSON text sequences (RFC 7464): RS, one JSON text, LF.

    A text is delivered as soon as an LF has come behind its end, where RFC 7464 2.1 would allow to
    wait for the next RS: a live stream must not lag by one item. A text may have LFs inside, as
    white space. The splitter is not spent by a damaged text: `feed` and `close` go on with those
    behind it (2.1, 2.3), also when the generator was given up because an item could not be decoded.
    `feed(b"")` goes on with what has come already.
    """

    prefix = b"\x1e"
    suffix = b"\n"

    def splitter(self, max_item: int) -> Splitter:
        return _TextSplitter(max_item)


class _TextSplitter(JSONSplitter):
    def __init__(self, max_item: int) -> None:
        super().__init__(max_item, _TextSplitter._between)

    def _last(self) -> Iterator[bytes]:
        step, self._step = self._step, _TextSplitter._between
        if step is _TextSplitter._behind:
            yield self._item.take()
        elif step is _TextSplitter._inside:
            raise TruncatedStream(
                f"the stream ends inside a JSON text, {len(self._item)} bytes into it"
            )

    def _give_up(self) -> None:
        self._item.drop()
        self._step = _TextSplitter._damaged

    def _between(self, data: bytes) -> bytes | None:
        """Before the first RS, and behind the LF of a text."""
        match = _COMMON_TEXT.match(data, self._position)
        if match:
            self._position = match.end()
            return self._item.take(match[1])
        byte = self._next_byte(data)
        if byte is None:
            return None
        if byte != _RS:
            raise unexpected(byte, "RS before a JSON text (RFC 7464 2.2)")
        self._position += 1
        self._step = _TextSplitter._before
        return None

    def _damaged(self, data: bytes) -> None:
        """In what is left of a damaged text: nothing but RS is of interest."""
        found = data.find(_RS, self._position)
        if found < 0:
            self._position = len(data)
        else:
            self._position = found + 1
            self._step = _TextSplitter._before

    def _before(self, data: bytes) -> bytes | None:
        """Behind an RS. Another one denotes no empty text in between (RFC 7464 2.1)."""
        byte = self._next_byte(data)
        if byte is None:
            return None
        if byte == _RS:
            self._position += 1
            return None
        self._begin(byte, "a JSON text")
        self._step = _TextSplitter._inside
        return self._inside(data)

    def _inside(self, data: bytes) -> bytes | None:
        start = self._position
        found = data.find(_RS, start)
        stop = found if found >= 0 else len(data)
        end = self._value.end(data, start, stop)
        self._position = end if end >= 0 else stop
        self._item.add(data[start : self._position])
        if end >= 0:
            self._step = _TextSplitter._behind
        elif found >= 0:
            # Also a number, true, false or null without white space behind it (RFC 7464 2.4).
            raise TruncatedStream(f"a JSON text is cut off by RS after {len(self._item)} bytes")
        return None

    def _behind(self, data: bytes) -> bytes | None:
        """Behind the end of a text, before its LF. The RS of the next text will do too."""
        match = _NO_BLANK.search(data, self._position)
        if not match:
            self._position = len(data)
            return None
        self._position = match.end()
        byte = data[match.start()]
        if byte == _LF:
            self._step = _TextSplitter._between
        elif byte == _RS:
            self._step = _TextSplitter._before
        else:
            raise unexpected(byte, "LF behind a JSON text (RFC 7464 2.2)")
        return self._item.take()
