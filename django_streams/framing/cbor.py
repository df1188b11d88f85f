"""CBOR items one after the other, found by a scanner of our own that resumes where bytes ran out.

cbor2 cannot resume, and to try again from the start with every chunk takes time that grows with the
square of the item. The scanner reads heads alone; the bytes of a string are passed over by their
number. It refuses what is not well-formed, and leaves it to the decoder what is valid.

Specifications: RFC 8742 (CBOR sequences); RFC 8949 (CBOR) section 3 and appendix C.
"""

from __future__ import annotations

from django_streams.exceptions import DecodeError

from .base import Framing, Splitter, too_large
from .sized import SizedSplitter

__all__ = ["CBORSequence"]

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
"""Major types (RFC 8949 3.1)."""

_ONE_BYTE, _INDEFINITE = 24, 31
"""Additional information (RFC 8949 3): the argument is in the next byte; there is none."""

_ARGUMENT_SIZES = (*[0] * _ONE_BYTE, 1, 2, 4, 8, None, None, None, 0)
"""The bytes of the argument for each additional information; 28 to 30 are reserved."""

_NOTHING, _MAP_VALUE = 0, 1
"""What may be open besides what the major types name: a map after a key."""


def _small_head(initial: int) -> tuple[int, int]:
    """Returns what a head whose first byte says it all passes over, and how many items it adds.

    The item itself is no longer to come, its contents are. Other heads pass 0 bytes over here.
    """
    major, info = initial >> 5, initial & 31
    if info < _ONE_BYTE:
        size = 1 + info if major in (_BYTES, _TEXT) else 1
        return size, {_ARRAY: info, _MAP: 2 * info, _TAG: 1}.get(major, 0) - 1
    if major in (_UNSIGNED, _NEGATIVE) or (major == _SIMPLE and info > _ONE_BYTE):
        size = _ARGUMENT_SIZES[info] or 0  # Neither what is reserved, nor what is indefinite.
        return (1 + size, -1) if size else (0, 0)
    return 0, 0


_SMALL_SIZES, _SMALL_GAINS = zip(*map(_small_head, range(256)), strict=True)


class CBORSequence(Framing):
    """CBOR items one after the other (RFC 8742): each says itself where it ends."""

    def splitter(self, max_item: int) -> Splitter:
        return _CBORSplitter(max_item)


class _CBORSplitter(SizedSplitter):
    """Counts the items still to come until that one is whole in which all others are.

    An array or map of known size adds to their number, so it takes no stack, however deep. An
    indefinite one sets the number aside until its break.
    """

    def __init__(self, max_item: int) -> None:
        super().__init__(max_item)
        self._read = 0  # Where in the item the next head is; a string may end beyond what has come.
        self._missing = 1  # Items to come before the break of what is open.
        self._open = _NOTHING  # The innermost indefinite item.
        self._outer: list[int] = []  # `_missing` and `_open` of those around it, in one int each.

    def _end(self, held: bytes | bytearray, start: int) -> int:
        while self._pass_small_heads(held, start) and self._pass_head(held, start):
            pass
        end = start + self._read
        if self._missing or self._open or end > len(held):
            return 0
        self._read, self._missing = 0, 1
        return end

    def _pass_small_heads(self, held: bytes | bytearray, start: int) -> bool:
        """Passes over what heads of one byte begin; returns whether another head has come.

        Raises `ItemTooLarge` if what is missing cannot fit: each item takes a byte at least, so a
        forged length or number is refused at once.
        """
        sizes, gains = _SMALL_SIZES, _SMALL_GAINS
        head, missing, stop = start + self._read, self._missing, len(held)
        while missing and head < stop and (size := sizes[held[head]]):
            missing += gains[held[head]]
            head += size
        self._read, self._missing = head - start, missing
        if self._read + missing + len(self._outer) > self._max_item:
            raise too_large(self._max_item)
        return head < stop and (missing > 0 or self._open != _NOTHING)

    def _pass_head(self, held: bytes | bytearray, start: int) -> bool:
        """Passes any head over, and the bytes of a string; False if it has not come whole."""
        head = start + self._read
        major, info = held[head] >> 5, held[head] & 31
        argument_size = _ARGUMENT_SIZES[info]
        if argument_size is None:
            raise _malformed(f"additional information {info} is reserved", "3")
        behind = head + 1 + argument_size
        if behind > len(held):
            return False
        argument = int.from_bytes(held[head + 1 : behind], "big") if argument_size else info
        self._read = behind - start
        if info == _INDEFINITE:
            self._pass_indefinite(major)
        else:
            self._pass_definite(major, info, argument)
        return True

    def _pass_definite(self, major: int, info: int, argument: int) -> None:
        self._count(major, info)
        if major in (_BYTES, _TEXT):
            self._read += argument
        elif major == _ARRAY:
            self._missing += argument
        elif major == _MAP:
            self._missing += 2 * argument
        elif major == _TAG:
            self._missing += 1
        elif major == _SIMPLE and info == _ONE_BYTE and argument < 32:
            raise _malformed(f"simple value {argument} is written in two bytes", "3.3")

    def _pass_indefinite(self, major: int) -> None:
        if major == _SIMPLE:
            self._pass_break()
        elif major in (_BYTES, _TEXT, _ARRAY, _MAP):
            self._count(major, _INDEFINITE)
            self._outer.append(self._missing << 3 | self._open)
            self._missing, self._open = 0, major
        else:
            raise _malformed(f"major type {major} has no indefinite length", "3.2")

    def _pass_break(self) -> None:
        if self._missing or not self._open:
            raise _malformed('a "break" ends nothing', "3.2.1")
        if self._open == _MAP_VALUE:
            raise _malformed('a "break" stands in place of the value of a key', "3.2.2")
        outer = self._outer.pop()
        self._missing, self._open = outer >> 3, outer & 7

    def _count(self, major: int, info: int) -> None:
        """Counts one item that begins."""
        if self._missing:
            self._missing -= 1
        elif self._open == _MAP:
            self._open = _MAP_VALUE
        elif self._open == _MAP_VALUE:
            self._open = _MAP
        elif self._open != _ARRAY and (major != self._open or info == _INDEFINITE):
            raise _malformed("a string has a chunk that is no definite string of its type", "3.2.3")


def _malformed(reason: str, section: str) -> DecodeError:
    return DecodeError(f"invalid CBOR: {reason} (RFC 8949 {section})")
