"""Binary items that say themselves where they end: MessagePack, and the frames of Dioxus.

Specifications: https://github.com/msgpack/msgpack/blob/master/spec.md; RFC 6455 section 5.2, whose
frames those of Dioxus are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack

from django_streams.encodings import Encode, Encoding
from django_streams.exceptions import DecodeError

from .base import Framing, Splitter, too_large
from .sized import HoldingSplitter, SizedSplitter

__all__ = ["Concatenated", "Frames"]

_BINARY_FRAME = 0x82
"""FIN and opcode 2."""
_LENGTH_16, _LENGTH_64 = 126, 127
"""Say that the length stands in the next two or eight bytes; what is less is the length itself."""
_SHORT_HEADS = [bytes((_BINARY_FRAME, length)) for length in range(_LENGTH_16)]


class Concatenated(Framing):
    """MessagePack items one after the other: each says itself where it ends."""

    def splitter(self, max_item: int) -> Splitter:
        return _MessagePackSplitter(max_item)


class Frames(Framing):
    """The frames of a Dioxus stream: 0x82, the length, the payload.

    It is a WebSocket frame (RFC 6455 5.2) with FIN, opcode 2 and no mask, and there is no other.
    """

    def encoder(self, encoding: Encoding, type: Any = Any) -> Encode:
        encode_payload = encoding.encoder(type)

        def encode(value: Any) -> bytes:
            payload = encode_payload(value)
            return _frame_head(len(payload)) + payload

        return encode

    def splitter(self, max_item: int) -> Splitter:
        return _FrameSplitter(max_item)


class _MessagePackSplitter(HoldingSplitter):
    """Finds each item's end with msgpack's `Unpacker`, which resumes where bytes ran out.

    That keeps the bytes of the item too. A forged length costs no more than they do: nothing is
    allocated for an item that is only skipped.
    """

    def __init__(self, max_item: int) -> None:
        super().__init__(max_item)
        self._unpacker = msgpack.Unpacker(max_buffer_size=0)
        self._held_start = 0  # In the stream.

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._unpacker.feed(data)
        held, start = self._joined(data), 0
        try:
            while start < len(held):
                self._unpacker.skip()
                end = self._unpacker.tell() - self._held_start
                if end - start > self._max_item:
                    raise too_large(self._max_item)
                item = held[start:end]
                start = end
                yield bytes(item)
        except msgpack.OutOfData:
            self._check(len(held) - start)
        except (msgpack.UnpackException, ValueError) as error:
            # It may have been too large before it was invalid.
            self._check(self._unpacker.tell() - self._held_start - start)
            # msgpack says nothing about bytes that begin no item.
            reason = str(error) or type(error).__name__
            raise DecodeError(f"invalid MessagePack: {reason}") from error
        self._keep(held, start)
        self._held_start += start

    def _check(self, size: int) -> None:
        if size > self._max_item:
            raise too_large(self._max_item)


class _FrameSplitter(SizedSplitter):
    def _end(self, held: bytes | bytearray, start: int) -> int:
        came = len(held) - start
        if came and held[start] != _BINARY_FRAME:
            raise DecodeError(f"a frame begins with 0x{held[start]:02X}; it takes 0x82")
        if came < 2:
            return 0
        length = held[start + 1]
        self._head_size = 2
        if length > _LENGTH_64:
            raise DecodeError("a frame is masked, which a server's never is (RFC 6455 5.1)")
        if length >= _LENGTH_16:
            self._head_size = 4 if length == _LENGTH_16 else 10
            if came < self._head_size:
                return 0
            length = _long_length(held[start + 1 : start + self._head_size])
        if length > self._max_item:
            raise too_large(self._max_item)
        end = start + self._head_size + length
        return end if end <= len(held) else 0


def _long_length(field: bytes | bytearray) -> int:
    """Returns the length that stands in two or eight bytes behind the mark that says which."""
    length = int.from_bytes(field[1:], "big")
    if length < (_LENGTH_16 if field[0] == _LENGTH_16 else 2**16):
        raise DecodeError(
            f"a frame's length of {length} is not in its shortest form (RFC 6455 5.2)"
        )
    return length


def _frame_head(length: int) -> bytes:
    if length < _LENGTH_16:
        return _SHORT_HEADS[length]
    if length < 2**16:
        return b"\x82\x7e" + length.to_bytes(2, "big")
    return b"\x82\x7f" + length.to_bytes(8, "big")
