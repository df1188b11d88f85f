"""`Format`: one media type, written item by item and read incrementally."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_streams.encodings import MAX_DEPTH, Decode, Encode, Encoding
from django_streams.exceptions import DecodeError
from django_streams.framing import Framing, Splitter

__all__ = ["MAX_ITEM", "Format", "ItemDecoder", "decode"]

MAX_ITEM = 2**20
"""Bytes of an item that is received: what an item of a stream seldom has, and memory always."""


@dataclass(frozen=True, repr=False)
class Format:
    """One media type: how an item is encoded and how items are laid end to end."""

    name: str
    """What `?format=` calls it."""
    content_type: str
    """The media type with its parameters, as the Content-Type header has it."""
    encoding: Encoding
    framing: Framing
    aliases: tuple[str, ...] = ()
    """Other names of the media type, which clients may ask for and senders may use."""
    extension: str = ""
    """What the name of a file ends with that holds such a stream."""
    head: bytes = b""
    """What comes before the first item."""
    tail: bytes = b""
    """What comes after the last one."""
    heartbeat: bytes = b""
    """What an idle stream may send; b"" if the format has nothing that readers pass over."""
    beats_by_default: bool = False
    """Whether it does without being asked to."""
    tells_errors: bool = True
    """Whether a failure midway can be told as an item."""
    breaks_off: bool = True
    """Whether a failure midway breaks the body off, so that no reader takes it for whole."""
    joins_items: bool = True
    """Whether items that are ready together may share a body message. Some readers put nothing
    together again: they want each item in a message of its own, and no empty one."""

    @property
    def media_types(self) -> tuple[str, ...]:
        """The names by which clients may ask for it, the preferred one first."""
        return (self.content_type, *self.aliases)

    def __str__(self) -> str:
        return self.content_type.partition(";")[0]

    def __repr__(self) -> str:
        return f"<Format {self.name}: {self}>"

    def opening(self, item_type: Any = None) -> bytes:
        """Returns what comes before the first item of a stream of `item_type`."""
        return self.head

    def encoder(self, item_type: Any = None) -> Encode:
        """Returns a function from one item to its framed bytes, for one stream.

        Which raises `EncodeError`. With an `item_type` every item becomes one: a mapping or any
        object with its attributes does. Raises `ImproperlyConfigured` if the format needs a type or
        a library that is not there.
        """
        with self._configured():
            return self.framing.encoder(self.encoding, Any if item_type is None else item_type)

    def encode(self, item: Any, item_type: Any = None) -> bytes:
        """Returns the framed bytes of one item; raises `EncodeError`."""
        return self.encoder(item_type)(item)

    def encode_error(self, item: Any) -> bytes:
        """Returns the bytes that tell of a failure midway, b"" if the format cannot."""
        return self.encode(item) if self.tells_errors else b""

    def decoder(
        self, type: Any = Any, *, max_item: int = MAX_ITEM, max_depth: int = MAX_DEPTH
    ) -> ItemDecoder:
        """Returns a new incremental decoder of items to `type`, which may be all msgspec decodes.

        It refuses items of more than `max_item` bytes or `max_depth` levels of arrays and maps.
        """
        with self._configured():
            decode = self.encoding.decoder(type, max_depth=max_depth)
            return ItemDecoder(self.framing.splitter(max_item), decode)

    @contextmanager
    def _configured(self) -> Iterator[None]:
        try:
            yield
        except (ImportError, TypeError) as error:
            raise ImproperlyConfigured(f"{self}: {error}") from error


class ItemDecoder:
    """Reads one stream of items, incrementally; sans-IO.

    Both methods are generators, to be exhausted: the items before a damage are yielded before it
    raises a `DecodeError`, which names the item's index.
    """

    def __init__(self, splitter: Splitter, decode: Decode) -> None:
        self._splitter = splitter
        self._decode = decode
        self._index = 0

    def feed(self, data: bytes) -> Iterator[Any]:
        """Takes some bytes of the stream; yields the items that are whole by now."""
        if data.__class__ is not bytes:
            data = bytes(data)  # Some servers and clients hand out views of a buffer of theirs.
        return self._items(self._splitter.feed(data))

    def close(self) -> Iterator[Any]:
        """Says that the stream has ended; yields the last items, or raises `TruncatedStream`."""
        return self._items(self._splitter.close())

    def _items(self, pieces: Iterator[bytes]) -> Iterator[Any]:
        decode, index = self._decode, self._index  # Local: each is used once an item.
        try:
            for piece in pieces:
                yield decode(piece)
                index += 1
        except DecodeError as error:
            raise type(error)(f"item {index}: {error}") from error
        finally:
            self._index = index


async def decode(
    chunks: AsyncIterable[bytes],
    format: Format,
    type: Any = Any,
    *,
    max_item: int = MAX_ITEM,
    max_depth: int = MAX_DEPTH,
) -> AsyncIterator[Any]:
    """Yields the items of a stream of bytes, such as httpx's `response.aiter_bytes()`.

    Raises a `DecodeError` that names the item, after the items before it were yielded.
    """
    decoder = format.decoder(type, max_item=max_item, max_depth=max_depth)
    async for chunk in chunks:
        for item in decoder.feed(chunk):
            yield item
    for item in decoder.close():
        yield item
