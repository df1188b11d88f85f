"""`StreamResponse` and `EventStreamResponse`: a source, a format and options, and nothing started.

A response is built while the request is decided upon. It starts when it is first iterated, or when
our ASGI handler starts it after the middleware (see `asgi`). It can be iterated both ways:
asynchronously through a pump; synchronously (WSGI, Django's sync test client) in the caller's
thread or, if the source is asynchronous, in an event loop of its own.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self

from asgiref.sync import (
    AsyncToSync,
    SyncToAsync,
    ThreadSensitiveContext,
    async_to_sync,
    sync_to_async,
)
from django.core.signals import got_request_exception
from django.http import HttpRequest, StreamingHttpResponse

from django_streams.buffer import Buffer
from django_streams.conf import conf
from django_streams.events import Event
from django_streams.exceptions import StreamError
from django_streams.formats import EVENT_STREAM, TEXT, EventStreamFormat, Format
from django_streams.pump import Encode, Feed, Pump, PumpOptions, Push, Send, drive
from django_streams.release import abandon_thread, let_go
from django_streams.sources import (
    Spawn,
    ThreadFeed,
    ToItem,
    discard,
    encoding,
    is_async,
    open_source,
    opened_here,
    rows,
)

from .options import (
    DEFAULT,
    Default,
    attachment,
    checked_first_item_seconds,
    checked_format,
    default_error_item,
    error_item_of,
    idle_seconds,
)

__all__ = ["EventStreamResponse", "StreamResponse"]

logger = logging.getLogger("django.request")

DEFAULT_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
"""What a stream says to caches and proxies unless the view says something else: keep nothing,
change nothing, hold nothing back (the last one is nginx's)."""


class StreamResponse(StreamingHttpResponse):
    """A response whose items leave as the source makes them.

    `source`: an async generator, a generator, any iterable, a query set, a coroutine or a function
    that returns one of these (see `sources`). `format`: how items are encoded. `to_item(value)`,
    sync or async: what of each value goes on the wire. `item_type`: what every item becomes, for
    example a `msgspec.Struct`; any object with its attributes does. `heartbeat`: seconds after
    which an idle stream sends a blank, if its format has one; None: never; by default 15 for event
    streams and never for others. `first_item_seconds`: how long the headers wait for the first
    item, so that a failure until then is an ordinary HTTP error; None: not at all.
    `error_item(error)`, sync or async: the item that tells of a failure midway; None: no item.
    `filename`: what a browser saves the stream as; without a suffix it gets the format's.
    `request`: the request, if at hand; it is needed to answer HEAD elsewhere than in our ASGI
    handler. `head`: bytes that come before the first item. Further arguments are those of Django's
    `HttpResponse`.
    """

    format: Format = TEXT
    is_broken_off = False
    """Whether the body was left without its end, so that no client takes it for whole."""
    _handler_class: Any = None

    def __init__(
        self,
        source: Any,
        *,
        format: Format | None = None,
        to_item: ToItem | None = None,
        item_type: Any = None,
        heartbeat: float | Default | None = DEFAULT,
        first_item_seconds: float | Default | None = DEFAULT,
        error_item: Callable[[Exception], Any] = default_error_item,
        filename: str | None = None,
        head: bytes = b"",
        request: HttpRequest | None = None,
        **kwargs: Any,
    ) -> None:
        self.format = checked_format(format or self.format)
        self.first_item_seconds = checked_first_item_seconds(first_item_seconds)
        self._request = request
        is_head = request is not None and request.method == "HEAD"
        self._source = () if is_head else source
        # An item type reads attributes, as to_item() does, and may touch the database likewise.
        self._to_item = to_item or (None if item_type is None else _unchanged)
        self._error_item = error_item
        self._options = PumpOptions(
            encode=self.format.encoder(item_type),
            head=b"" if is_head else self.format.opening(item_type) + head,
            tail=b"" if is_head else self.format.tail,
            beat=self.format.heartbeat,
            idle_seconds=idle_seconds(self.format, heartbeat),
            joins_chunks=self.format.joins_items,
            breaks_off=self.format.breaks_off,
            record=self._record,
            report=self._report,
        )
        self.pump = Pump(self._open, self._options)
        self._body: AsyncIterator[bytes] | Iterator[bytes]
        self._body = self._async_chunks() if _is_served_async(request) else self._sync_chunks()
        kwargs.setdefault("content_type", self.format.content_type)
        super().__init__(self._body, **kwargs)
        if filename is not None:
            self.headers.setdefault("Content-Disposition", attachment(filename, self.format))
        # GZipMiddleware of Django before 6.1 holds small chunks back. It leaves alone what is
        # encoded.
        self.headers.setdefault("Content-Encoding", "identity")

    @classmethod
    def spawn(cls, produce: Callable[[Send], Awaitable[None]], **kwargs: Any) -> Self:
        """Returns a response whose items come from `await produce(send)`, by `await send(item)`.

        `send` waits when the client is slow and raises `ClientDisconnected` when it has left.
        """
        return cls(Spawn(produce), **kwargs)

    @property
    def has_own_content(self) -> bool:
        """Whether no middleware has wrapped or replaced what is streamed."""
        return self._iterator is self._body  # type: ignore[attr-defined]

    def attach(self, request: HttpRequest, sender: type) -> None:
        """Learns what it answers, and the handler that asks: a failure midway is told with both."""
        self._request = request
        self._handler_class = sender

    def drop_content(self) -> None:
        """Makes it an answer to HEAD: the headers, and nothing to stream."""
        self.close_source()
        self.streaming_content = self._body = _nothing()

    def items(self) -> Any:
        """Returns the headers as they are sent: with the defaults that nobody has set otherwise."""
        unencoded = ("Content-Encoding", "identity")
        headers = [item for item in super().items() if item != unencoded]
        headers += [item for item in DEFAULT_HEADERS.items() if item[0] not in self.headers]
        return headers

    def close_source(self) -> None:
        """Stops the source, or discards it if it was never started. Does not wait."""
        if not self.pump.is_started and not self.pump.is_closed:
            discard(self._source)
        self.pump.close()

    def close(self) -> None:
        """Stops the source, and does what Django does when a response has ended."""
        self.close_source()
        super().close()

    async def aclose(self) -> None:
        """Stops the source and waits for its `finally`; leaves a thread that sleeps on."""
        if not self.pump.is_started:
            self.close_source()
        elif not await self.pump.aclose():
            abandon_thread()

    # Iterated on an event loop.

    async def start(self) -> None:
        """Lets go of thread and connections, starts the source, waits for its first item.

        Raises what the source raised before its first item.
        """
        await let_go()
        self.pump.start()
        if self.first_item_seconds is None:
            await self.pump.primed(conf.first_item_seconds, for_item=False)
        else:
            await self.pump.primed(self.first_item_seconds, for_item=True)

    def __aiter__(self) -> AsyncIterator[bytes]:
        if not self.has_own_content:
            return super().__aiter__()
        # A stream that was started is read without any layer in between.
        return aiter(self.pump) if self.pump.is_committed else self._async_chunks()

    async def pour(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Awaits `write` of each chunk, in turn."""
        chunks: Any = aiter(self)
        async with aclosing(chunks):
            if isinstance(chunks, Buffer):
                await chunks.pour(write)
            else:
                async for chunk in chunks:
                    await write(chunk)

    async def _async_chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            if not self.pump.is_started:
                await let_go()
            async for chunk in self.pump:
                yield chunk
        finally:
            await self.aclose()

    async def _open(self, encode: Encode) -> Feed | Push:
        feed = await open_source(
            encode,
            source=self._source,
            to_item=self._to_item,
            joins_chunks=self._options.joins_chunks,
        )
        if not isinstance(feed, ThreadFeed):
            await let_go()  # Of the thread in which a plain function has made the source.
        return feed

    async def _record(self, error: Exception) -> bytes:
        """Returns what the client is told of a failure midway, in the stream's format."""
        try:
            item = await error_item_of(self._error_item, error)
            return b"" if item is None else self.format.encode_error(item)
        except Exception:
            logger.exception("The item that tells of a failure midway could not be made.")
            return b""

    async def _report(self, error: Exception) -> None:
        # The thread adds its frames to the traceback of what it raises again.
        await sync_to_async(self._log)(error, error.__traceback__)

    def _log(self, error: Exception, traceback: TracebackType | None) -> None:
        """Tells the operator of a failure midway, as Django does of one in a view."""
        path = self._request.path if self._request is not None else "a stream"
        if isinstance(error, StreamError) and error.is_clients:
            details = {"status_code": error.status, "request": self._request}
            logger.warning("%s: %s", error, path, extra=details)
            return
        logger.error(
            "Streaming failed midway: %s",
            path,
            exc_info=(type(error), error, traceback),
            extra={"status_code": 500, "request": self._request},
        )
        got_request_exception.send_robust(sender=self._handler_class, request=self._request)

    # Iterated without one.

    def __iter__(self) -> Iterator[bytes]:
        if self.has_own_content and self.is_async:
            self.streaming_content = self._body = self._sync_chunks()
        return super().__iter__()

    def _sync_chunks(self) -> Iterator[bytes]:
        given = self._source
        try:
            self._source = opened_here(given)
        except Exception as error:  # noqa: BLE001 - It is reported, and told in the stream.
            yield from self._driven(_raising(error))
            return
        if is_async(self._source):
            yield from self._chunks_of_own_loop()
        else:
            yield from self._driven(lambda: iter(rows(self._source, given)()))

    def _driven(self, begin: Callable[[], Iterator[Any]]) -> Iterator[bytes]:
        encode = encoding(self._options.encode, self._to_item, in_thread=True)
        return drive(begin, replace(self._options, encode=encode), self._fail)

    def _chunks_of_own_loop(self) -> Iterator[bytes]:
        """Runs the pump in a loop of this response, which stands still between two chunks."""
        context = contextvars.copy_context()
        thread: Any = ThreadSensitiveContext()
        chunks = self._async_chunks()
        with asyncio.Runner() as runner:
            run = partial(runner.run, context=context)
            run(thread.__aenter__())
            try:
                while (chunk := run(_next(chunks))) is not None:
                    yield chunk
            finally:
                run(chunks.aclose())
                run(let_go())
                run(thread.__aexit__(None, None, None))

    def _fail(self, error: Exception) -> bytes:
        record = async_to_sync(self._record)(error)
        self._log(error, error.__traceback__)
        return record


class EventStreamResponse(StreamResponse):
    """A stream of Server-Sent Events, whose headers leave at once.

    Takes what `StreamResponse` takes, and `retry`: how long a client waits before it reconnects, in
    seconds or as a `timedelta`; None leaves it to the browser.
    """

    format = EVENT_STREAM

    def __init__(
        self, source: Any, *, retry: float | timedelta | None = None, **kwargs: Any
    ) -> None:
        kwargs.setdefault("first_item_seconds", None)
        format = kwargs.get("format") or self.format
        if retry is not None and isinstance(format, EventStreamFormat):
            kwargs["head"] = Event(retry=retry).encode()
        super().__init__(source, **kwargs)


def _unchanged(value: Any) -> Any:
    return value


def _is_served_async(request: HttpRequest | None) -> bool:
    """Whether the response will be iterated on an event loop.

    Without a request the thread tells: asgiref remembers the loop a thread works for, and knows
    which loops are thrown away when the view returns, as that of an async view under WSGI is.
    """
    if request is not None:
        return hasattr(request, "scope")
    try:
        return asyncio.get_running_loop() not in AsyncToSync.loop_thread_executors
    except RuntimeError:
        loop: Any = getattr(SyncToAsync.threadlocal, "main_event_loop", None)
        return loop is not None and bool(loop.is_running())


def _raising(error: Exception) -> Callable[[], Iterator[Any]]:
    def begin() -> Iterator[Any]:
        raise error

    return begin


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)
