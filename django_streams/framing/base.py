"""What every framing and every splitter promises, and what splitters share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from django_streams.encodings import Encode, Encoding
from django_streams.exceptions import ItemTooLarge

__all__ = ["Framing", "Splitter"]


class Splitter(ABC):
    """Cuts one stream into the bytes of its items.

    Both methods return a generator, to be exhausted: so the items before a damage are delivered
    before a `DecodeError` is raised. Whether a stream is fed whole or byte by byte makes no
    difference to its items, nor to the error and its place among them. At most `max_item` bytes of
    an unfinished item are held, and a few that say how long it is.

    A splitter that has raised is spent, unless its framing says otherwise.
    """

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Takes some bytes of the stream; yields the items that are whole by now, in order."""

    @abstractmethod
    def close(self) -> Iterator[bytes]:
        """Says that the stream has ended; yields the last items, or raises `TruncatedStream`."""


class Framing(ABC):
    """How the items of a stream are told apart. Stateless; one instance serves every stream."""

    prefix: bytes = b""
    """What goes before the bytes of every item."""
    suffix: bytes = b""
    """What follows the bytes of every item."""

    def encoder(self, encoding: Encoding, type: Any = Any) -> Encode:
        """Returns a function from one item to its place in the stream; a new one for each stream.

        Which raises `EncodeError`, as the encoding's own does.
        """
        return encoding.encoder(type, prefix=self.prefix, suffix=self.suffix)

    @abstractmethod
    def splitter(self, max_item: int) -> Splitter:
        """Returns a new splitter that refuses items of more than `max_item` bytes."""


def too_large(max_item: int) -> ItemTooLarge:
    return ItemTooLarge(f"an item has more than the {max_item} bytes that are allowed")
