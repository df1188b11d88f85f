"""How items are laid end to end, and how they are found again.

A framing turns the bytes of one item into its place in the stream, and cuts a stream back into the
bytes of its items. It works on bytes alone, so no code point is ever split, and knows nothing of
what they mean. A splitter is sans-IO and bounded: it holds at most `max_item` bytes of an
unfinished item, and gives the same items whether it is fed whole or byte by byte.
"""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Iterator

import msgpack

from .exceptions import DecodeError, ItemTooLarge, TruncatedStream

__all__ = ["CodePoints", "Concatenated", "Framing", "Lines", "Splitter", "Unframed"]


class Splitter(ABC):
    """Cuts one stream into the bytes of its items.

    Both methods are generators, to be exhausted: so the items before a damage are delivered before
    it is raised.
    """

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Takes some bytes of the stream; yields the items that are whole by now, in order."""

    @abstractmethod
    def close(self) -> Iterator[bytes]:
        """Says that the stream has ended; yields the last items, or raises `TruncatedStream`."""


class Framing(ABC):
    """How the items of a stream are told apart. Stateless; one instance serves every stream."""

    suffix: bytes = b""
    """What follows the bytes of every item."""

    @abstractmethod
    def splitter(self, max_item: int) -> Splitter:
        """Returns a new splitter that refuses items of more than `max_item` bytes."""


class Lines(Framing):
    """One item a line, ended by LF, as in JSON Lines (jsonlines.org)."""

    suffix = b"\n"

    def splitter(self, max_item: int) -> Splitter:
        return _LineSplitter(max_item)


class Concatenated(Framing):
    """MessagePack items one after the other: each says itself where it ends."""

    def splitter(self, max_item: int) -> Splitter:
        return _MessagePackSplitter(max_item)


class Unframed(Framing):
    """Bytes without items: a reader gets them as they come."""

    def splitter(self, max_item: int) -> Splitter:
        return _Passage()


class CodePoints(Framing):
    """Text without items: a reader gets it as it comes, but no code point in two pieces."""

    def splitter(self, max_item: int) -> Splitter:
        return _CodePointSplitter()


class _LineSplitter(Splitter):
    """Ends lines at LF or CRLF; passes blank lines over; a last line need not be ended."""

    def __init__(self, max_item: int) -> None:
        self._max_item = max_item
        self._begun: list[
            bytes
        ] = []  # The pieces of a line whose end has not come, joined only once.
        self._size = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._begin(end)
            yield from self.close()
        self._begin(rest)

    def close(self) -> Iterator[bytes]:
        line = b"".join(self._begun).removesuffix(b"\r")
        self._begun, self._size = [], 0
        if len(line) > self._max_item:
            raise _too_large(self._max_item)
        if line:
            yield line

    def _begin(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._max_item + 1:  # One more for the CR that may end it.
            raise _too_large(self._max_item)
        self._begun.append(piece)


class _MessagePackSplitter(Splitter):
    """Finds each item's end with msgpack's `Unpacker`, which resumes where bytes ran out."""

    def __init__(self, max_item: int) -> None:
        self._max_item = max_item
        self._unpacker = msgpack.Unpacker(max_buffer_size=0)
        self._begun = bytearray()  # From the first byte of the item that has not ended.
        self._start = 0  # Where in the stream that is.

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._unpacker.feed(data)
        self._begun += data
        position = 0
        while position < len(self._begun) and self._skip():
            end = self._unpacker.tell() - self._start
            yield self._checked(self._begun[position:end])
            position = end
        del self._begun[:position]
        self._start += position
        if len(self._begun) > self._max_item:
            raise _too_large(self._max_item)

    def close(self) -> Iterator[bytes]:
        if self._begun:
            raise TruncatedStream(
                f"the stream ends inside an item, {len(self._begun)} bytes into it"
            )
        yield from ()

    def _checked(self, item: bytearray) -> bytes:
        if len(item) > self._max_item:
            raise _too_large(self._max_item)
        return bytes(item)

    def _skip(self) -> bool:
        try:
            self._unpacker.skip()
        except msgpack.OutOfData:
            return False
        except (msgpack.UnpackException, ValueError) as error:
            raise DecodeError(f"invalid MessagePack: {error}") from error
        return True


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
            raise DecodeError(f"invalid UTF-8: {error.reason}") from error
        if text:
            yield text.encode()

    def close(self) -> Iterator[bytes]:
        pending, _ = self._decoder.getstate()
        if pending:
            raise TruncatedStream("the stream ends inside a code point")
        yield from ()


def _too_large(max_item: int) -> ItemTooLarge:
    return ItemTooLarge(f"an item has more than the {max_item} bytes that are allowed")
