"""Lines, and text and bytes that have no items.

Lines are those of JSON Lines (jsonlines.org).
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from django_streams.exceptions import DecodeError, TruncatedStream

from .base import Framing, Splitter, too_large

__all__ = ["CodePoints", "Lines", "Unframed"]


class Lines(Framing):
    """One item a line, ended by LF, as in JSON Lines (jsonlines.org)."""

    suffix = b"\n"

    def splitter(self, max_item: int) -> Splitter:
        return LineSplitter(max_item)


class Unframed(Framing):
    """Bytes without items: a reader gets them as they come."""

    def splitter(self, max_item: int) -> Splitter:
        return _Passage()


class CodePoints(Framing):
    """Text without items: a reader gets it as it comes, but no code point in two pieces."""

    def splitter(self, max_item: int) -> Splitter:
        return _CodePointSplitter()


class LineSplitter(Splitter):
    """Ends lines at LF or CRLF; passes blank lines over; a last line need not be ended.

    A line costs little more than `bytes.split` and a turn of a generator do: what all lines of a
    chunk have in common is found out once, and only the first is joined with what was held.
    """

    def __init__(self, max_item: int) -> None:
        self._max_item = max_item
        self._begun = bytearray()  # The line whose end has not come.

    def feed(self, data: bytes) -> Iterator[bytes]:
        lines = self._cut(data)
        rest = lines.pop()
        if lines:
            if self._begun:
                lines[0] = bytes(self._begun) + lines[0]
                self._begun.clear()
            if data.find(b"\r") >= 0 or lines[0].endswith(b"\r"):
                lines = [line.removesuffix(b"\r") for line in lines]
            is_within = len(data) <= self._max_item and len(lines[0]) <= self._max_item
            yield from filter(None, lines) if is_within else self._checked(lines)
        self._begun += rest
        if len(self._begun) - self._begun.endswith(b"\r") > self._max_item:
            raise too_large(self._max_item)

    def close(self) -> Iterator[bytes]:
        line = bytes(self._begun).removesuffix(b"\r")
        self._begun.clear()
        if line:
            yield line

    def _cut(self, data: bytes) -> list[bytes]:
        """Returns the lines that end in `data`, without their LF, and what is behind the last."""
        return data.split(b"\n")

    def _checked(self, lines: list[bytes]) -> Iterator[bytes]:
        """Yields the lines that are not blank, up to one that is too large."""
        for line in lines:
            if len(line) > self._max_item:
                raise too_large(self._max_item)
            if line:
                yield line


class _Passage(Splitter):
    def feed(self, data: bytes) -> Iterator[bytes]:
        if data:
            yield bytes(data)

    def close(self) -> Iterator[bytes]:
        yield from ()


class _CodePointSplitter(Splitter):
    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            text = self._decoder.decode(data)
        except UnicodeDecodeError as error:
            if error.start:
                yield error.object[: error.start]
            raise DecodeError(f"invalid UTF-8: {error.reason}") from error
        if text:
            yield text.encode()

    def close(self) -> Iterator[bytes]:
        pending, _ = self._decoder.getstate()
        if pending:
            raise TruncatedStream("the stream ends inside a code point")
        yield from ()
