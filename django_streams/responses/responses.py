"""`StreamResponse`: a source, a format and options, and nothing started.

A response is built while the request is decided upon. It starts when it is first iterated, or when
our ASGI handler starts it after the middleware (see `asgi`). It can be iterated both ways:
asynchronously through a pump; synchronously (WSGI, Django's sync test client) in the caller's
thread or, if the source is asynchronous, in an event loop of its own.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Sequence,
)
from contextlib import aclosing, closing
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import Any, Self

from asgiref.sync import ThreadSensitiveContext
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.cache import patch_vary_headers

from django_streams.buffer import Buffer, Sink
from django_streams.compression import CompressedChunks, compressed
from django_streams.conf import conf
from django_streams.exceptions import BrokenOff, ShuttingDown
from django_streams.formats import TEXT, Format
from django_streams.lifetime import Ending, Limit, LiveStream
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

from .failures import Failures
from .headers import as_sent, attachment
from .options import (
    DEFAULT,
    Default,
    Seconds,
    checked_first_item_seconds,
    checked_format,
    coding_for,
    default_error_item,
    idle_seconds,
    is_served_async,
    terms_of,
)
from .revalidation import EXCHANGE, is_still_allowed

__all__ = ["StreamResponse"]


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
    `max_duration`: seconds after which it is ended; None: never. `send_timeout`: seconds for which
    the client may take nothing. `revalidate`: seconds after which, again and again, the request is
    decided upon anew, to end the stream if it does not get through. `limits`: how many streams of
    its kind there may be.
    `request`: the request, if at hand; it is needed to answer HEAD elsewhere than in our ASGI
    handler. `head`: bytes that come before the first item. `compress`: whether the stream is
    compressed, each chunk by itself, if the client takes it; needs the `request`. A stream that has
    a Content-Encoding among its `headers` is left as it is. Further arguments are those of Django's
    `HttpResponse`.
    """

    format: Format = TEXT
    is_broken_off = False
    """Whether the body was left without its end, so that no client takes it for whole."""
    is_delivered = False
    """Whether all of the body was handed to the server."""
    exchange: Any = None
    """What our ASGI handler keeps of the request and its answer."""
    _is_primed = False

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
        max_duration: Seconds = None,
        send_timeout: Seconds | Default = DEFAULT,
        revalidate: Seconds | Default = None,
        limits: Sequence[Limit] = (),
        head: bytes = b"",
        compress: bool = False,
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
        self._failures = Failures(request, self.format, error_item)
        self._options = PumpOptions(
            encode=self.format.encoder(item_type),
            head=b"" if is_head else self.format.opening(item_type) + head,
            tail=b"" if is_head else self.format.tail,
            beat=self.format.heartbeat,
            idle_seconds=idle_seconds(self.format, heartbeat),
            joins_chunks=self.format.joins_items,
            breaks_off=self.format.breaks_off,
            record=self._failures.record,
            report=self._failures.report,
        )
        self.pump = Pump(self._open, self._options)
        terms = terms_of(request, max_duration, send_timeout, revalidate, limits)
        self.live = LiveStream(
            request,
            self.pump,
            terms,
            ends_cleanly=not self.format.breaks_off,
            is_allowed=is_still_allowed,
        )
        self._body: AsyncIterator[bytes] | Iterator[bytes]
        self._body = self._async_chunks() if is_served_async(request) else self._sync_chunks()
        kwargs.setdefault("content_type", self.format.content_type)
        super().__init__(self._body, **kwargs)
        if is_head:
            self.pump.close()
        if filename is not None:
            self.headers.setdefault("Content-Disposition", attachment(filename, self.format))
        self._choose_coding(compress=compress)
        self._content_coding = None if is_head else self._coding

    def _choose_coding(self, *, compress: bool) -> None:
        """Finds out how the content is compressed, and says so."""
        self._coding = coding_for(self._request, compress=compress)
        if compress:
            patch_vary_headers(self, ["Accept-Encoding"])
        if "Content-Encoding" in self.headers:
            self._coding = None
        # GZipMiddleware of Django before 6.1 holds small chunks back. It leaves alone what is
        # encoded.
        coding = "identity" if self._coding is None else self._coding.name
        self.headers.setdefault("Content-Encoding", coding)

    @classmethod
    def spawn(cls, produce: Callable[[Send], Awaitable[None]], **kwargs: Any) -> Self:
        """Returns a response whose items come from `await produce(send)`, by `await send(item)`.

        `send` waits when the client is slow and raises `ClientDisconnected` when it has left.
        """
        return cls(Spawn(produce), **kwargs)

    @property
    def is_started_by_handler(self) -> bool:
        """Whether a handler of ours will start it when the middleware has returned."""
        request = self._request
        return EXCHANGE in getattr(request, "scope", getattr(request, "environ", {}))

    @property
    def has_own_content(self) -> bool:
        """Whether no middleware has wrapped or replaced what is streamed."""
        return self._iterator is self._body  # type: ignore[attr-defined]

    def attach(self, request: HttpRequest, sender: type) -> None:
        """Learns what it answers, and the handler that asks: a failure midway is told with both."""
        self._request = self.live.request = self._failures.request = request
        self._failures.sender = sender

    def drop_content(self) -> None:
        """Makes it an answer to HEAD: the headers, and nothing to stream."""
        self.close_source()
        self.streaming_content = self._body = _nothing()

    def items(self) -> Any:
        """Returns the headers as they are sent: with the defaults that nobody has set otherwise."""
        return as_sent(list(super().items()), is_compressed=self._coding is not None)

    def close_source(self) -> None:
        """Stops the source, or discards it if it was never started. Does not wait."""
        if not self.pump.is_started and not self.pump.is_closed:
            discard(self._source)
        self.pump.close()

    def close(self) -> None:
        """Stops the source, and does what Django does when a response has ended."""
        self.close_source()
        self.live.leave()
        super().close()

    async def aclose(self) -> None:
        """Stops the source and waits for its `finally`; leaves a thread that sleeps on."""
        if not self.pump.is_started:
            self.close_source()
        elif not await self.pump.aclose():
            abandon_thread()
        await self.tell_end()

    async def tell_end(self) -> None:
        """Tells that it has ended, and gives its place back; once."""
        await self.live.close(Ending.DONE if self.is_delivered else Ending.DISCONNECT)

    # Iterated on an event loop.

    async def start(self) -> None:
        """Lets go of thread and connections, starts the source, waits for its first item.

        Raises what the source raised before its first item, and `ShuttingDown` if it was ended
        before that as the server stops.
        """
        await self.live.open()
        await let_go()
        if self.live.ending is not None:  # While somebody was told that it begins.
            raise ShuttingDown
        self.pump.start()
        if self.first_item_seconds is None:
            await self.pump.primed(conf.first_item_seconds, for_item=False)
        else:
            await self.pump.primed(self.first_item_seconds, for_item=True)
        if self.live.ending is Ending.SHUTDOWN and not self.pump.items:
            raise ShuttingDown

    def __aiter__(self) -> AsyncIterator[bytes]:
        if not self.has_own_content:
            return super().__aiter__()
        if self.pump.is_closed and not self.pump.is_started:
            return _nothing()
        # A stream that was started is read without any layer in between.
        return self._encoded(self.pump) if self.pump.is_committed else self._async_chunks()

    async def pour(self, sink: Sink) -> None:
        """Writes each chunk, in turn."""
        chunks: Any = aiter(self)
        async with aclosing(chunks):
            if isinstance(chunks, Buffer):
                await chunks.pour(sink)
            else:
                async for chunk in chunks:
                    await sink.write(chunk)

    async def _async_chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            if not self.pump.is_started:
                await self.live.open()
                await let_go()
            if self.live.ending is not None:
                raise BrokenOff("the stream was ended before it began")
            async for chunk in self._encoded(self.pump):
                yield chunk
            self.is_delivered = True
        finally:
            await self.aclose()

    def _encoded(self, chunks: Pump) -> AsyncIterator[bytes]:
        coding = self._content_coding
        return aiter(chunks) if coding is None else CompressedChunks(aiter(chunks), coding)

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

    # Iterated without one.

    def __iter__(self) -> Iterator[bytes]:
        if self.has_own_content and self.is_async:
            self.streaming_content = self._body = self._sync_chunks()
        return super().__iter__()

    def prime(self) -> None:
        """Starts the source in this thread and waits for its first item: `start()` without a loop.

        Raises what the source raised before its first item. A plain source that blocks is waited
        for as long as it takes: nobody can interrupt it.
        """
        self._is_primed = True
        chunks = iter(self)
        first = next(chunks, b"")
        self.streaming_content = self._body = chain((first,), chunks)

    def _sync_chunks(self) -> Iterator[bytes]:
        """Yields the chunks, the first of them empty if the headers leave before an item.

        What fails before the first chunk is raised, not told in the stream: no byte has left, and
        the server can answer 500, or our handler as the error says.
        """
        if self.pump.is_closed:
            return
        given = self._source
        try:
            self._source = opened_here(given)
            if is_async(self._source):
                yield from self._chunks_of_own_loop()
            else:
                yield from self._encoded_here(self._chunks_of_thread(rows(self._source, given)))
        except BrokenOff:
            raise
        except Exception as error:
            if self._is_primed:
                raise
            self._failures.report_here(error)
            raise BrokenOff(f"the source raised {type(error).__name__} at its start") from error

    def _chunks_of_thread(self, begin: Callable[[], Iterator[Any]]) -> Iterator[bytes]:
        """Iterates a plain source where the response is iterated."""
        live = self.live
        encode = live.counted(encoding(self._options.encode, self._to_item, in_thread=True))
        options = replace(self._options, encode=encode)
        has_begun = self.first_item_seconds is None

        def fail(error: Exception) -> bytes:
            live.fail(error)
            if not has_begun:
                raise error
            return self._failures.record_here(error)

        live.open_here()
        try:
            with closing(drive(begin, options, fail)) as chunks:
                first = [b""] if has_begun else list(islice(chunks, 2 if options.head else 1))
                has_begun = True
                for chunk in chain(first, chunks):
                    yield chunk
                    if not live.goes_on(chunk):
                        break
            self.is_delivered = True
        finally:
            live.close_here(Ending.DONE if self.is_delivered else Ending.DISCONNECT)
        if live.ending is not Ending.DONE and options.breaks_off:
            raise BrokenOff("the stream was ended before its source")

    def _encoded_here(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        coding = self._content_coding
        return chunks if coding is None else compressed(chunks, coding)

    def _chunks_of_own_loop(self) -> Iterator[bytes]:
        """Runs the pump in a loop of this response, which stands still between two chunks."""
        context = contextvars.copy_context()
        thread: Any = ThreadSensitiveContext()
        with asyncio.Runner() as runner:
            run = partial(runner.run, context=context)
            run(thread.__aenter__())
            try:
                run(self.start())
                chunks = self._encoded(self.pump)
                while (chunk := run(_next(chunks))) is not None:
                    yield chunk
                self.is_delivered = True
            finally:
                run(self.aclose())
                run(let_go())
                run(thread.__aexit__(None, None, None))


def _unchanged(value: Any) -> Any:
    return value


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)
