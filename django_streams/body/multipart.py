"""The parts of a multipart/form-data body, while it arrives (RFC 7578, RFC 2046 5.1).

`parts` is the way in. What is held of a body is the chunk at hand, the beginning of a boundary and
the headers of one part; only `Part.read` and `Part.text` hold more, up to a limit. The splitting is
done by the push parser of the `multipart` library (see `multipart_parser`).

A `_charset_` field (RFC 7578 4.6) is a field as any other: what has no charset of its own is UTF-8.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from multipart import MultipartError, MultipartSegment, ParserLimitReached

from django_streams.exceptions import (
    HeadersTooLarge,
    MalformedBody,
    PartTooLarge,
    StreamError,
    TooManyParts,
    UnsupportedBody,
)

from .content import Content
from .multipart_headers import Head, boundary_of, head_of
from .multipart_parser import Event, FormParser

__all__ = ["Form", "Part", "PartLimits", "part_too_large", "parts"]


@dataclass(frozen=True, kw_only=True)
class PartLimits:
    """How much a form may have. Parts that nobody reads count as well."""

    max_parts: int = 1000
    """Parts of a form; as many fields as Django takes."""
    max_part_size: int | None = None
    """Bytes of a part with a file; None: as many as the body may have."""
    max_field_size: int = 2**20
    """Bytes of a part without a file; and of any part that is read at once."""
    max_header_size: int = 8 * 2**10
    """Bytes of all headers of a part together, line ends included."""
    max_headers: int = 16
    """Headers of a part. RFC 7578 4.8 knows three."""


class Part(Content):
    """One part of a form: an async iterator over the bytes of its content, as they come.

    To be read before the next part is asked for, which passes over what is left of it; later
    reading raises `RuntimeError`. What was read is not kept. Without a number of bytes, `read` and
    `text` take as many as a field may have.
    """

    name: str
    """The name of the form's field. Several parts may have the same."""
    filename: str | None
    """The file's name, cleaned (`clean_filename`); None for a field.

    It is "" for a file without a name, which is what browsers send for an `<input type="file">` in
    which none was chosen (Django makes an empty field of it), or with one that nothing is left of.
    """
    content_type: str
    """The media type, in lower case and without parameters; text/plain if none is said."""
    headers: Mapping[str, str]
    """The headers, by names in any case."""

    def __init__(self, form: Form, head: Head) -> None:
        self.name = head.name
        self.filename = head.filename
        self.content_type = head.content_type
        self.charset = head.charset
        self.headers = head.headers
        self._form = form

    @property
    def is_file(self) -> bool:
        """Whether the part is a file's, even if it has no name or no bytes (RFC 7578 4.2)."""
        return self.filename is not None

    def __repr__(self) -> str:
        return f"<Part {self.name!r} filename={self.filename!r} {self.content_type}>"

    async def __anext__(self) -> bytes:
        chunk = await self._form.next_chunk(self)
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    def _what(self) -> str:
        return f"part {self._form.count}"

    def _max_read(self) -> int:
        return self._form.limits.max_field_size

    def _too_large(self, max_bytes: int) -> PartTooLarge:
        return part_too_large(self._form.count, max_bytes)


class Form(Protocol):
    """What a part's content comes from, while it is the one at hand."""

    limits: PartLimits
    count: int
    """How many parts have begun."""

    async def next_chunk(self, part: Part) -> bytes | None:
        """Returns some bytes of the part, or None at its end."""


async def parts(
    chunks: AsyncIterable[bytes], content_type: str, limits: PartLimits
) -> AsyncGenerator[Part, None]:
    """Yields the parts of a multipart/form-data body, each as soon as its headers have come.

    `content_type` is the request's header. Whoever stops in the middle leaves the rest unread;
    after the last part, the rest of the body is read and dropped (RFC 2046 5.1.1: the epilogue).

    Raises, here or while a part is read, and again whenever more is asked for: `UnsupportedBody`,
    before anything is read; `MalformedBody`; `TooManyParts`, `PartTooLarge` and `HeadersTooLarge`
    by `limits`. The parts before the damage were yielded.
    """
    try:
        boundary = boundary_of(content_type)
    except ValueError as error:
        raise UnsupportedBody(str(error)) from error
    form = _StreamedForm(chunks, boundary, limits)
    while (part := await form.next_part()) is not None:
        yield part


class _StreamedForm:
    """The one place that reads the chunks, on behalf of `parts` and of the part at hand.

    A class rather than a generator, which is spent when a read is cancelled, by a timeout say: the
    next would take that for the end of the body.
    """

    def __init__(self, chunks: AsyncIterable[bytes], boundary: str, limits: PartLimits) -> None:
        self.limits = limits
        self.count = 0
        """How many parts have begun."""
        self._chunks = aiter(chunks)
        self._parser = FormParser(
            boundary, max_header_size=limits.max_header_size, max_headers=limits.max_headers
        )
        self._events: Iterator[Event] = iter(())
        self._part: Part | None = None
        self._is_ended = False
        self._received = 0
        self._max_size: int | None = None
        self._failure: StreamError | None = None

    async def next_part(self) -> Part | None:
        """Passes over the rest of the part at hand; returns the next, or None after the last."""
        self._part = None
        async for event in self:
            if isinstance(event, Part):
                self._part, self._is_ended = event, False
                return event
        return None

    async def next_chunk(self, part: Part) -> bytes | None:
        """Returns some bytes of the part at hand, or None at its end."""
        if part is not self._part:
            raise RuntimeError(
                f"{part!r} can no longer be read: the next part was asked for. Read each part "
                "inside the loop over parts, before it goes on."
            )
        if self._is_ended:
            return None
        event = await anext(self)
        if isinstance(event, bytes):
            return event
        self._is_ended = True
        return None

    def __aiter__(self) -> AsyncIterator[Part | bytes | None]:
        return self

    async def __anext__(self) -> Part | bytes | None:
        """Returns a part that begins, some bytes of it, or None at its end; fails for good."""
        if self._failure is not None:
            raise self._failure
        try:
            return self._checked(await self._next_event())
        except MultipartError as error:
            self._failure = self._explained(error)
            raise self._failure from error
        except StreamError as error:
            self._failure = error
            raise

    async def _next_event(self) -> Event:
        while True:
            for event in self._events:
                return event
            chunk = await anext(self._chunks, None)
            if chunk is None:
                self._parser.end()
                raise StopAsyncIteration
            self._events = self._parser.feed(chunk)

    def _checked(self, event: Event) -> Part | bytes | None:
        if isinstance(event, MultipartSegment):
            return self._begun(event)
        if event is not None:
            self._received += len(event)
            if self._max_size is not None and self._received > self._max_size:
                raise part_too_large(self.count, self._max_size)
        return event

    def _begun(self, segment: MultipartSegment) -> Part:
        limits = self.limits
        self.count += 1
        if self.count > limits.max_parts:
            raise TooManyParts(f"the form has more than the {limits.max_parts} parts allowed")
        try:
            part = Part(self, head_of(segment.headerlist))
        except ValueError as error:
            raise MalformedBody(f"part {self.count} of the form is malformed: {error}") from error
        self._received = 0
        self._max_size = limits.max_part_size if part.is_file else limits.max_field_size
        return part

    def _explained(self, error: MultipartError) -> StreamError:
        if isinstance(error, ParserLimitReached):
            return HeadersTooLarge(
                f"part {self.count + 1} of the form has more than the {self.limits.max_headers} "
                f"headers or the {self.limits.max_header_size} bytes of headers allowed"
            )
        return MalformedBody(f"the form is malformed after {self.count} parts: {error.args[0]}")


def part_too_large(number: int, max_bytes: int) -> PartTooLarge:
    """Returns the error that says so of a part."""
    return PartTooLarge(f"part {number} of the form has more than the {max_bytes} bytes allowed")
