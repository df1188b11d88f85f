"""`BodyStream`: the body of a request, while it arrives.

Whoever wants it takes it chunk by chunk, whole, part by part, item by item or as a file, and once:
nothing is kept of what was handed out. What a client does wrong is a `StreamError` here, which says
so again to whoever asks for more.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from typing import Any, Protocol, runtime_checkable

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_streams.encodings import JSON
from django_streams.exceptions import (
    BodyTooLarge,
    DecodeError,
    MalformedBody,
    StreamError,
    UnsupportedBody,
)
from django_streams.formats import (
    BYTES,
    EVENT_STREAM,
    FORMATS,
    TEXT,
    Format,
    ItemDecoder,
    find_format,
)

from .content import Content
from .file import BodyFile, whole_number
from .limits import BodyLimits, limits_of_settings
from .multipart import Part, parts
from .multipart_headers import boundary_of, type_and_charset
from .patience import Patience

__all__ = ["BodySource", "BodyStream"]

PROGRESS_SECONDS = 0.25
"""How often progress is told: as often as a bar that moves smoothly needs."""

ITEM_FORMATS = tuple(format for format in FORMATS if format not in (TEXT, BYTES, EVENT_STREAM))
"""What items of a type are read from, unless a view names others."""


class BodySource(Protocol):
    """Where a body comes from: a connection, or a request that has been read already."""

    is_in_blocks: bool
    """Whether a chunk comes when so many bytes are there, and not as soon as there are some: so
    that waiting for one says nothing of a pause."""

    async def chunk(self) -> bytes | None:
        """Returns the next bytes, None at the end."""


@runtime_checkable
class ParsedSource(BodySource, Protocol):
    """A source that may have been taken apart already, as a form."""

    def form(self, limits: BodyLimits) -> AsyncIterator[Part] | None:
        """Returns its parts, or None if it has not."""


class BodyStream(Content):
    """The body of a request: an async iterator over its bytes, as they come.

    It raises `BodyTooLarge` (413) for more than `limits.max_size` bytes, `RequestTimeout` (408) for
    a client that pauses or dribbles, and Django's `RequestAborted` when the client leaves before
    the body is whole. `read`, `text` and `json` take as many bytes as Django's
    DATA_UPLOAD_MAX_MEMORY_SIZE, unless they are given a number.
    """

    received: int = 0
    """Bytes that have come so far."""

    def __init__(self, source: BodySource, meta: Mapping[str, Any]) -> None:
        self._source = source
        self._meta = meta
        content_type = self._header("CONTENT_TYPE") or "application/octet-stream"
        self.content_type, self.charset = type_and_charset(content_type)
        self.size = whole_number(self._header("CONTENT_LENGTH"))
        self._limits: BodyLimits | None = None
        self._patience: Patience | None = None
        self._put_back: deque[bytes] = deque()
        self._is_taken = False
        self._is_looked_into = False
        self._failure: StreamError | None = None
        self._progress: Callable[[BodyStream], Any] | None = None
        self._progress_seconds = PROGRESS_SECONDS
        self._told_at = 0.0

    def __repr__(self) -> str:
        return f"<BodyStream {self.content_type} {self.received}/{self.size}>"

    # What a view says of it.

    @property
    def limits(self) -> BodyLimits:
        """How much is taken, and how long is waited; the settings' unless a view has its own.

        Setting them raises `BodyTooLarge` if the client has announced more: before any is read.
        """
        if self._limits is None:
            self._limits = limits_of_settings()
        return self._limits

    @limits.setter
    def limits(self, limits: BodyLimits) -> None:
        if not isinstance(limits, BodyLimits):
            raise ImproperlyConfigured(
                f"The limits of a body are {limits!r}; they have to be BodyLimits, as what "
                "dataclasses.replace() makes of those that super().get_body_limits() returns."
            )
        self._limits = limits
        if self._patience is not None:
            self._patience.limit(*self._patience_limits())
        max_size = limits.max_size
        if max_size is not None and max(self.size or 0, self.received) > max_size:
            self._failure = self._too_large(max_size)
            raise self._failure

    def on_progress(
        self, callback: Callable[[BodyStream], Any], *, seconds: float = PROGRESS_SECONDS
    ) -> None:
        """Has `callback` called with the body, at most every so many seconds and at the end.

        It may be async; a sync one runs in the request's thread, so it may use the ORM. The body
        waits for it, and what it raises is raised to whoever reads.
        """
        self._progress = callback
        self._progress_seconds = seconds

    # What a view takes.

    async def __anext__(self) -> bytes:
        self._is_taken = True
        if self._put_back:
            return self._put_back.popleft()
        chunk = await self._next()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def json(self, type: Any = Any, max_bytes: int | None = None) -> Any:
        """Returns what `read` does, decoded from JSON (RFC 8259) to a `type` that msgspec knows.

        Raises `MalformedBody` for what is no JSON, or not of the type.
        """
        self._refuse_coding()
        decode = JSON().decoder(type)
        try:
            return decode(await self.read(max_bytes))
        except DecodeError as error:
            raise MalformedBody(f"the body is not as expected: {error}") from error

    def items(
        self, type: Any = Any, *, formats: Sequence[Format] | None = None
    ) -> AsyncIterator[Any]:
        """Returns an async iterator over the items of the body, each as soon as it has come.

        Content-Type says which of `formats` they are in: all that carry typed items, unless given.
        `type` is what each becomes, of those that msgspec knows. Raises `UnsupportedBody` (415) at
        once for another Content-Type, and while it is read a `DecodeError` (400 or 413) that names
        the item; those before it were yielded.
        """
        return self._items(self._decoder(type, formats))

    def parts(self) -> AsyncIterator[Part]:
        """Returns an async iterator over the parts of a form (multipart/form-data), as they begin.

        Raises `UnsupportedBody` (415) at once for another Content-Type; what else is raised is said
        at `multipart.parts`.
        """
        self._refuse_coding()
        try:
            boundary_of(self._header("CONTENT_TYPE"))
        except ValueError as error:
            raise UnsupportedBody(str(error), accept="multipart/form-data") from error
        self._take()
        if isinstance(self._source, ParsedSource) and (form := self._source.form(self.limits)):
            return self._parsed(form)
        return self.parts_of(self)

    def parts_of(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[Part, None]:
        """Returns the parts of what is read of it by somebody else."""
        return parts(chunks, self._header("CONTENT_TYPE"), self.limits)

    def file(self) -> BodyFile:
        """Returns the body as one file; raises `UnsupportedBody` for a compressed one."""
        self._refuse_coding()
        return BodyFile(self, self._meta)

    # How it comes.

    async def _next(self) -> bytes | None:
        """Receives some bytes, and keeps the account of them."""
        if self._failure is not None:
            raise self._failure
        if self._patience is None:
            self._patience = Patience(*self._patience_limits())
        try:
            chunk = await self._patience.wait(self._source.chunk)
            if chunk is not None:
                self._count(len(chunk))
        except StreamError as error:
            self._patience.end()
            self._failure = error
            raise
        if chunk is None:
            self._patience.end()
        if self._progress is not None:
            await self._tell_of(chunk)
        return chunk

    def _patience_limits(self) -> tuple[float | None, int | None]:
        idle_seconds = None if self._source.is_in_blocks else self.limits.idle_seconds
        return idle_seconds, self.limits.min_rate

    def _count(self, size: int) -> None:
        self.received += size
        max_size = self.limits.max_size
        if max_size is not None and self.received > max_size and not self._is_looked_into:
            raise self._too_large(max_size)

    async def _tell_of(self, chunk: bytes | None) -> None:
        try:
            await self._tell(is_end=chunk is None)
        except BaseException:
            if chunk is not None:  # Who reads on, after a timeout say, is to find no gap.
                self._put_back.append(chunk)
            raise

    async def _tell(self, *, is_end: bool) -> None:
        now = asyncio.get_running_loop().time()
        callback = self._progress
        if callback is None or (now < self._told_at + self._progress_seconds and not is_end):
            return
        self._told_at = now
        if is_end:
            self._progress = None
        is_async = inspect.iscoroutinefunction(callback)
        told = callback(self) if is_async else await sync_to_async(lambda: callback(self))()
        if inspect.isawaitable(told):
            await told

    async def beginning(self, min_bytes: int) -> AsyncGenerator[bytes, None]:
        """Yields its first chunks, of so many bytes or a few more; closed, it hands them out again.

        For who reads before the view has said how much it takes: `max_size` is held to later.
        """
        seen: list[bytes] = []
        self._is_looked_into = True
        try:
            async for chunk in self:
                seen.append(chunk)
                yield chunk
                min_bytes -= len(chunk)
                if min_bytes <= 0:
                    return
        finally:
            self._is_looked_into = False
            self.put_back(seen)

    def put_back(self, chunks: Iterable[bytes]) -> None:
        """Takes back what was read, to hand it out again."""
        self._put_back.extendleft(reversed(list(chunks)))
        self._is_taken = False

    # Reading it in one way or another.

    def _decoder(self, type: Any, formats: Sequence[Format] | None) -> ItemDecoder:
        self._refuse_coding()
        offered = ITEM_FORMATS if formats is None else formats
        format = find_format(self._header("CONTENT_TYPE"), offered)
        if format is not None:
            try:
                return format.decoder(type, max_item=self.limits.max_item)
            except ImproperlyConfigured:
                if formats is not None:
                    raise  # The view has named it.
        names = ", ".join(map(str, offered))
        raise UnsupportedBody(
            f"the Content-Type {self.content_type[:200]!r} is none of those there are: {names}",
            accept=names,
        )

    async def _items(self, decoder: ItemDecoder) -> AsyncIterator[Any]:
        self._take()
        try:
            async for chunk in self:
                for item in decoder.feed(chunk):
                    yield item
            for item in decoder.close():
                yield item
        except DecodeError as error:
            error.is_clients = True
            raise

    async def _parsed(self, form: AsyncIterator[Part]) -> AsyncIterator[Part]:
        """Yields the parts of a form that has come already."""
        self.received = self.size or 0
        async for part in form:
            yield part
        await self._tell(is_end=True)

    def _take(self) -> None:
        if self._is_taken:
            raise RuntimeError("The body was read already; what was handed out is not kept.")
        self._is_taken = True

    def _refuse_coding(self) -> None:
        """Raises `UnsupportedBody` for a compressed body: it is handed out as it comes."""
        coding = self._header("HTTP_CONTENT_ENCODING").strip().lower()
        if coding not in ("", "identity"):
            refusal = f"the Content-Encoding {coding[:100]!r} is not supported"
            raise UnsupportedBody(refusal, accept_encoding="identity")

    def _header(self, name: str) -> str:
        value = self._meta.get(name)
        return value if isinstance(value, str) else ""

    def _what(self) -> str:
        return "the body"

    def _certain_size(self) -> int | None:
        return None if self._is_taken else self.size

    def _max_read(self) -> int | None:
        limit: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        return limit

    def _too_large(self, max_bytes: int) -> BodyTooLarge:
        return BodyTooLarge(f"the body has more than the {max_bytes} bytes allowed")
