"""Encoding times framing is one media type: the table of formats, and the choice of one by Accept.

A new format is a row of the table at the end. Django's own types are made known to the encodings
here.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.http.request import MediaType
from django.utils.functional import Promise

from .encodings import JSON, Bytes, Encoding, MessagePack, Text, plain
from .events import Event, EventParser
from .exceptions import DecodeError, EncodeError, NotAcceptable
from .framing import CodePoints, Concatenated, Framing, Lines, Unframed

__all__ = [
    "BYTES",
    "EVENT_STREAM",
    "FORMATS",
    "JSONL",
    "MSGPACK",
    "TEXT",
    "EventStreamFormat",
    "Format",
    "ItemDecoder",
    "choose_format",
    "decode",
    "find_format",
    "is_choice",
]


@plain.register
def _(value: Promise) -> str:
    return str(value)[:]  # A lazy string may be a safe one, which msgspec knows as little.


@plain.register
def _(value: Model) -> Any:
    raise EncodeError(
        f"a model instance ({value._meta.label}, pk={value.pk!r}) is not sent as it is: what of it "
        "goes on the wire is the view's decision. Return that from to_item(), or stream "
        "queryset.values(...)."
    )


@dataclass(frozen=True)
class Format:
    """One media type: how an item is encoded and how items are laid end to end."""

    name: str
    content_type: str
    """The media type with its parameters, as the Content-Type header has it."""
    encoding: Encoding
    framing: Framing
    aliases: tuple[str, ...] = ()
    """Other names of the media type, which clients may ask for and senders may use."""
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

    @property
    def media_types(self) -> tuple[str, ...]:
        """The names by which clients may ask for it, the preferred one first."""
        return (self.content_type, *self.aliases)

    def __str__(self) -> str:
        return self.content_type.partition(";")[0]

    def encoder(self) -> Callable[[Any], bytes]:
        """Returns a function from one item to its framed bytes, which raises `EncodeError`."""
        return self.encoding.encoder(suffix=self.framing.suffix)

    def encode(self, item: Any) -> bytes:
        """Returns the framed bytes of one item; raises `EncodeError`."""
        return self.encoder()(item)

    def encode_error(self, item: Any) -> bytes:
        """Returns the bytes that tell of a failure midway, b"" if the format cannot."""
        return self.encode(item) if self.tells_errors else b""

    def decoder(self, type: Any = Any, *, max_item: int = 2**20) -> ItemDecoder:
        """Returns a new incremental decoder, which refuses items of more than `max_item` bytes."""
        return ItemDecoder(self, type, max_item)


class ItemDecoder:
    """Reads one stream of items, incrementally; sans-IO.

    Both methods are generators, to be exhausted: the items before a damage are yielded before it
    raises a `DecodeError`, which names the item's index.
    """

    def __init__(self, format: Format, type: Any, max_item: int) -> None:
        self._splitter = format.framing.splitter(max_item)
        self._decode = format.encoding.decoder(type)
        self._index = 0

    def feed(self, data: bytes) -> Iterator[Any]:
        """Takes some bytes of the stream; yields the items that are whole by now."""
        return self._items(self._splitter.feed(data))

    def close(self) -> Iterator[Any]:
        """Says that the stream has ended; yields the last items, or raises `TruncatedStream`."""
        return self._items(self._splitter.close())

    def _items(self, pieces: Iterator[bytes]) -> Iterator[Any]:
        try:
            for piece in pieces:
                yield self._decode(piece)
                self._index += 1
        except DecodeError as error:
            raise type(error)(f"item {self._index}: {error}") from error


def _event(item: Any) -> bytes | None:
    """Returns an `Event` or text as it is sent; None for any other value, which is data in JSON."""
    if isinstance(item, Event):
        return item.encode()
    if isinstance(item, (str, Promise)):
        return Event(item if isinstance(item, str) else str(item)).encode()
    return None


class EventStreamFormat(Format):
    """Server-Sent Events: an `Event`, a str as its data, any other value as its data in JSON."""

    def encoder(self) -> Callable[[Any], bytes]:
        return JSON().encoder(b"data: ", b"\n\n", special=_event)

    def encode_error(self, item: Any) -> bytes:
        event = item if isinstance(item, Event) else Event.json(item, event="error")
        return event.encode()

    def decoder(self, type: Any = Any, *, max_item: int = 2**20) -> Any:
        """Returns an `EventParser`; its events' `json(type)` decodes their data."""
        return EventParser(max_event=max_item)


def find_format(content_type: str) -> Format | None:
    """Returns the format that a Content-Type names, by any of its names, or None."""
    media_type = content_type.partition(";")[0].strip().lower()
    for format in FORMATS:
        if media_type in (name.partition(";")[0] for name in format.media_types):
            return format
    return None


async def decode(
    chunks: AsyncIterable[bytes], format: Format, type: Any = Any
) -> AsyncIterator[Any]:
    """Yields the items of a stream of bytes, such as httpx's `response.aiter_bytes()`.

    Raises a `DecodeError` that names the item, after the items before it were yielded.
    """
    decoder = format.decoder(type)
    async for chunk in chunks:
        for item in decoder.feed(chunk):
            yield item
    for item in decoder.close():
        yield item


def is_choice(formats: Any) -> bool:
    """Whether it is what `formats` takes: a tuple or list of at least one `Format`."""
    is_sequence = isinstance(formats, (tuple, list)) and bool(formats)
    return is_sequence and all(isinstance(format, Format) for format in formats)


def choose_format(accept: str | None, formats: Sequence[Format]) -> Format:
    """Returns the format that an Accept header likes best, under the name it asks by.

    Quality decides, and among equals the order of `formats`; without a header it is the first one.
    The most specific range counts for each media type, so that `q=0` excludes it (RFC 9110 12.5.1).
    Raises `NotAcceptable`, which lists what there is.
    """
    if not is_choice(formats):
        raise ImproperlyConfigured(
            f"formats is {formats!r}; it takes a tuple or list of Format, one at least. For one "
            "format there is format."
        )
    if not accept:
        return formats[0]
    ranges = _media_ranges(accept)
    offers = [(format, name) for format in formats for name in format.media_types]
    qualities = [_quality(name, ranges) for _, name in offers]
    best = max(qualities)
    if best > 0:
        format, name = offers[qualities.index(best)]
        return format if name == format.content_type else replace(format, content_type=name)
    raise NotAcceptable(
        f"Accept: {accept[:200]} admits none of the formats there are: "
        + ", ".join(map(str, formats))
    )


def _media_ranges(accept: str) -> list[MediaType]:
    try:
        ranges = [MediaType(token.strip().lower()) for token in accept.split(",") if token.strip()]
    except ValueError as error:
        raise NotAcceptable(f"Accept: {accept[:200]} is no list of media ranges") from error
    for media_range in ranges:
        media_range.params.pop("charset", None)  # All our text is UTF-8, whatever a client prefers.
    return ranges


def _quality(name: str, ranges: Sequence[MediaType]) -> float:
    offered = MediaType(name)
    matching = [wanted for wanted in ranges if offered.match(wanted)]  # type: ignore[arg-type]
    if not matching:
        return 0
    return max(matching, key=lambda wanted: wanted.specificity).quality


TEXT = Format("text", "text/plain; charset=utf-8", Text(), CodePoints(), tells_errors=False)
BYTES = Format("bytes", "application/octet-stream", Bytes(), Unframed(), tells_errors=False)
JSONL = Format(
    "jsonl",
    "application/jsonl",
    JSON(),
    Lines(),
    aliases=("application/x-ndjson",),
    heartbeat=b"\n",
)
MSGPACK = Format(
    "msgpack",
    "application/vnd.msgpack",
    MessagePack(),
    Concatenated(),
    aliases=("application/msgpack", "application/x-msgpack"),
)
EVENT_STREAM = EventStreamFormat(
    "event-stream",
    "text/event-stream",
    JSON(),
    Unframed(),
    heartbeat=b":\n\n",
    beats_by_default=True,
    breaks_off=False,
)

FORMATS: tuple[Format, ...] = (TEXT, BYTES, JSONL, MSGPACK, EVENT_STREAM)
"""Every format there is."""
