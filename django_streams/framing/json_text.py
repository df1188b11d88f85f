"""JSON texts in pieces: where a value ends, and the machine of the splitters that ask for it.

Values are found by their bytes: brackets outside strings are counted, all else is left to the
decoder. What has been looked at is not looked at again with the next piece, however small the
pieces are.

Specification: RFC 8259.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from django_streams.exceptions import DecodeError

from .base import Splitter, too_large

_QUOTE = 0x22
_SCALARS = b"-0123456789ftn"
_FIRST_BYTES = b'{["' + _SCALARS
"""What a value begins with: an object, array, string, number, false, true or null (section 3)."""

NO_SPACE = re.compile(rb"[^ \t\n\r]")
"""The end of white space (section 2)."""

# The quantifiers are possessive: what has been matched is not tried again in another way.
_BRACKET = re.compile(
    rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+["{}\[\]]', re.DOTALL
)
"""Past whole strings to the next bracket, or to the quote of a string that does not end here."""
_STRING_END = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+["\\]', re.DOTALL)
"""To the quote that ends a string, or to a backslash that is the last byte."""
_SCALAR_END = re.compile(rb"[ \t\n\r,\]\x1e]")


def _common_value(levels: int) -> bytes:
    r"""Returns a pattern of strings, and of arrays and objects at most `levels` deep.

    Without the byte 0x1E, which belongs in no JSON text and ends one in a sequence of them. Scalars
    are not in it: whoever uses it knows what has to follow them.
    """
    string = rb'"[^"\\\x1e]*+(?:\\[^\x1e][^"\\\x1e]*+)*+"'
    between = rb'[^"{}\[\]\x1e]*+'
    value = string
    for _ in range(levels):
        container = rb"[{\[]%b(?:%b%b)*+[}\]]" % (between, value, between)
        value = rb"(?:%b|%b)" % (string, container)
    return value


COMMON_VALUE = _common_value(levels=3)
"""Most values, when they come in one piece: one match in place of several steps."""
COMMON_SCALAR = rb"[%b][^ \t\n\r,\]\x1e]*+" % _SCALARS


class Value:
    """Follows one JSON value to its end, through all the pieces it comes in.

    Brackets are counted and not matched: a value like [} is found, and the decoder refuses it.
    """

    def __init__(self) -> None:
        self._is_scalar = False
        self._is_quoted = False
        self._is_escaped = False
        self._depth = 0

    def begin(self, first: int) -> None:
        """Makes ready for a value that begins with the byte `first`, which `end` gets too."""
        self._is_scalar = first in _SCALARS
        self._is_quoted = self._is_escaped = False
        self._depth = 0

    def end(self, data: bytes, position: int, stop: int) -> int:
        """Returns where the value ends in `data[position:stop]`, its next piece, or -1.

        A number, true, false or null ends where something else begins, which has to be seen.
        """
        if self._is_scalar:
            match = _SCALAR_END.search(data, position, stop)
            return match.start() if match else -1
        while position < stop:
            if self._is_quoted:
                position = self._string_end(data, position, stop)
            else:
                position = self._bracket(data, position, stop)
            if not self._depth and not self._is_quoted:
                return position
        return -1

    def _bracket(self, data: bytes, position: int, stop: int) -> int:
        if self._depth:
            match = _BRACKET.match(data, position, stop)
            if not match:
                return stop
            position = match.end() - 1
        if data[position] == _QUOTE:
            self._is_quoted = True
        else:
            self._depth += 1 if data[position] in b"{[" else -1
        return position + 1

    def _string_end(self, data: bytes, position: int, stop: int) -> int:
        if self._is_escaped:
            self._is_escaped = False
            position += 1
        match = _STRING_END.match(data, position, stop)
        if not match:
            return stop
        self._is_quoted = self._is_escaped = data[match.end() - 1] != _QUOTE
        return match.end()


class Unfinished:
    """The bytes of an item whose end has not come: gathered in one place, and cut once."""

    def __init__(self, max_item: int) -> None:
        self._max_item = max_item
        self._held = bytearray()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, piece: bytes) -> None:
        """Raises `ItemTooLarge` for one byte more than are allowed."""
        if len(self._held) + len(piece) > self._max_item:
            raise too_large(self._max_item)
        self._held += piece

    def take(self, last: bytes = b"") -> bytes:
        """Returns the item that `last` ends; what is added next begins another."""
        if self._held:
            self.add(last)
            last = bytes(self._held)
            self._held.clear()
        elif len(last) > self._max_item:
            raise too_large(self._max_item)
        return last

    def drop(self) -> None:
        """Gives up the item."""
        self._held.clear()


class JSONSplitter(Splitter):
    """A machine whose state is its next step; a step reads on and may find an item.

    What has not been read stands in the splitter and not in the generator, which may be given up.
    """

    def __init__(self, max_item: int, step: Callable[[Any, bytes], bytes | None]) -> None:
        self._unread: deque[bytes] = deque()
        self._position = 0  # In the first of them.
        self._step = step  # A plain function: a bound method would tie the splitter to itself.
        self._value = Value()
        self._item = Unfinished(max_item)

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._unread.append(data)
        return self._items()

    def close(self) -> Iterator[bytes]:
        yield from self._items()
        yield from self._last()

    def _items(self) -> Iterator[bytes]:
        while self._unread:
            data = self._unread[0]
            while self._position < len(data):
                try:
                    item = self._step(self, data)
                except DecodeError:
                    self._give_up()
                    raise
                if item is not None:
                    yield item
            self._unread.popleft()
            self._position = 0

    @abstractmethod
    def _last(self) -> Iterator[bytes]:
        """Yields what the end of the stream ends, or raises `TruncatedStream`."""

    def _give_up(self) -> None:
        """Called when a step raises an error about the item, before that gets out."""

    def _next_byte(self, data: bytes) -> int | None:
        """Passes white space over; returns the byte behind it, which is not passed over."""
        match = NO_SPACE.search(data, self._position)
        self._position = match.start() if match else len(data)
        return data[self._position] if match else None

    def _begin(self, first: int, expected: str) -> None:
        if first not in _FIRST_BYTES:
            raise unexpected(first, expected)
        self._value.begin(first)


def unexpected(byte: int, expected: str) -> DecodeError:
    """Returns an error about a byte that has no business where it stands."""
    return DecodeError(f"byte 0x{byte:02X} stands where {expected} was expected")
