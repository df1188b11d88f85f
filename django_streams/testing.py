"""What a user needs to test a stream: open it, read it piece by piece, leave.

    async def test_ticks(self):
        client = StreamClient()
        async with client.stream("GET", "/ticks/") as stream:
            event = await stream.event()
            self.assertEqual(event.json(), {"n": 1})
            await stream.disconnect()
            stream.assert_closed()

Works for endless streams, and with pytest as with `django.test`. The whole of Django's ASGI
handling runs, with the streaming phase, as behind a server; a client that does not read makes the
source wait. Every wait has a timeout.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http import HttpRequest
from django.test import AsyncClient, AsyncRequestFactory
from django.utils.datastructures import CaseInsensitiveMapping

from .asgi import EXCHANGE, Exchange, StreamingASGIHandler
from .events import MessageEvent
from .formats import TEXT, find_format
from .release import let_go

__all__ = ["OpenStream", "StreamClient", "StreamEnded"]

Message = MutableMapping[str, Any]


class StreamEnded(AssertionError):
    """A test waits for more of a stream that has ended."""


class StreamClient(AsyncClient):
    """Django's `AsyncClient`, which can open a stream besides.

    `application` is the ASGI application to ask, a new handler of the project's settings unless
    given. `timeout` is in seconds, and bounds each single wait.
    """

    def __init__(
        self,
        *,
        enforce_csrf_checks: bool = False,
        application: Any = None,
        timeout: float = 5.0,
        **defaults: Any,
    ) -> None:
        super().__init__(enforce_csrf_checks, **defaults)
        self._application = application
        self._enforces_csrf = enforce_csrf_checks
        self._timeout = timeout

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *args: Any,
        body: AsyncIterable[bytes] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[OpenStream]:
        """Opens a stream; on leaving the block the client disconnects, if the stream has not ended.

        Takes what the client's `get()`, `post()` and so on take: `data`, `headers`, `query_params`;
        or instead of `data` a `body`, which is sent chunk by chunk as the view reads it. Cookies
        are sent and kept, so `force_login()` works.
        """
        defaults: Any = self.defaults
        factory = AsyncRequestFactory(**defaults)
        factory.cookies = self.cookies
        request = getattr(factory, method.lower())(path, *args, **kwargs)
        exchange = _TestExchange(enforces_csrf=self._enforces_csrf)
        scope = request.scope | {EXCHANGE: exchange}
        if body is not None:
            scope["headers"] = [*scope["headers"], (b"transfer-encoding", b"chunked")]
        chunks = _once(request.read()) if body is None else aiter(body)
        stream = OpenStream(scope, chunks, exchange, self._timeout)
        with _old_connections.left_open():
            try:
                await stream.open(self._application or StreamingASGIHandler())
                for cookie in stream.cookies:
                    self.cookies.load(cookie)
                yield stream
            finally:
                await stream.disconnect()


class OpenStream:
    """One response of the application, read as it comes.

    Iterating it yields the remaining items; for event streams, `MessageEvent`s.
    """

    def __init__(
        self, scope: Message, body: AsyncIterator[bytes], exchange: Exchange, timeout: float
    ) -> None:
        self.status_code = 0
        self.headers: CaseInsensitiveMapping[str] = CaseInsensitiveMapping({})
        self.cookies: list[str] = []
        """The Set-Cookie headers."""
        self.is_complete = False
        """Whether the body came to its regular end."""
        self._scope = scope
        self._body = body
        self._next: asyncio.Future[bytes | None] | None = None
        self._is_sent = False
        self._exchange = exchange
        self._timeout = timeout
        self._messages: asyncio.Queue[Message] = asyncio.Queue(
            maxsize=1
        )  # The client is as slow as the test.
        self._left = asyncio.Event()
        self._items: deque[Any] = deque()
        self._decoder: Any = None

    # Reading.

    async def chunk(self) -> bytes:
        """Returns the next bytes of the body, as they were sent; raises `StreamEnded`."""
        while not self.is_complete:
            message = await self._message()
            if message is None:
                raise StreamEnded("the body was broken off")
            self.is_complete = not message.get("more_body", False)
            if body := message.get("body", b""):
                return bytes(body)
        raise StreamEnded("the body has ended")

    async def item(self, type: Any = Any) -> Any:
        """Returns the next item, decoded by the Content-Type; raises `StreamEnded`.

        One decoder reads the stream: the `type` of the first call counts for all.
        """
        decoder = self._decoder = self._decoder or self._format().decoder(type)
        while not self._items:
            try:
                self._items.extend(decoder.feed(await self.chunk()))
            except StreamEnded:
                self._items.extend(decoder.close())
                if not self._items:
                    raise
        return self._items.popleft()

    async def event(self) -> MessageEvent:
        """Returns the next event of an event stream; raises `StreamEnded`."""
        event = await self.item()
        if not isinstance(event, MessageEvent):
            raise AssertionError(
                f"not an event stream, but {self.headers.get('Content-Type')}, with the status "
                f"{self.status_code}: {event!r:.200}"
            )
        return event

    async def read(self) -> bytes:
        """Returns the rest of the body, whole or broken off."""
        chunks = []
        try:
            while True:
                chunks.append(await self.chunk())
        except StreamEnded:
            return b"".join(chunks)

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            while True:
                yield await self.item()
        except StreamEnded:
            return

    # Leaving.

    @property
    def is_broken_off(self) -> bool:
        """Whether the application has returned without ending the body."""
        return self._application.done() and self._messages.empty() and not self.is_complete

    async def disconnect(self) -> None:
        """Leaves, and waits until the application has returned; raises what it raised."""
        self._left.set()
        while not self._messages.empty():  # Nobody waits to send to a client that left.
            self._messages.get_nowait()
        async with self._patience("the application still runs after its client has left"):
            await asyncio.wait([self._application])
        self._application.result()

    def assert_closed(self) -> None:
        """Raises `AssertionError` unless the source has ended, and its `finally` with it."""
        response = self._exchange.response
        if response is None:
            raise AssertionError("the response is no stream that was started")
        if not response.pump.is_closed:
            raise AssertionError("the source still runs")

    # The ASGI side.

    async def open(self, application: Any) -> None:
        """Starts the application and waits for its headers."""
        run = application(self._scope, self._receive, self._send)
        self._application: asyncio.Future[None] = asyncio.ensure_future(run)
        message = await self._message()
        if message is None:
            raise StreamEnded("the application returned without a response")
        self.status_code = message["status"]
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]
        ]
        self.headers = CaseInsensitiveMapping(dict(headers))
        self.cookies = [value for name, value in headers if name.lower() == "set-cookie"]

    async def _message(self) -> Message | None:
        """Returns the application's next message, None if it has returned without one."""
        waiting: asyncio.Future[Any] = asyncio.ensure_future(self._messages.get())
        try:
            async with self._patience("nothing has come"):
                await asyncio.wait(
                    [waiting, self._application], return_when=asyncio.FIRST_COMPLETED
                )
            if waiting.done():
                message: Message = waiting.result()
                return message
            if not self._messages.empty():
                return self._messages.get_nowait()
        finally:
            waiting.cancel()
        self._application.result()
        return None

    @asynccontextmanager
    async def _patience(self, complaint: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except TimeoutError as error:
            path = self._scope["path"]
            raise TimeoutError(f"{path}: {complaint}, for {self._timeout:g} seconds") from error

    async def _receive(self) -> Message:
        if self._is_sent:
            await self._left.wait()
            return {"type": "http.disconnect"}
        if self._next is None:
            self._next = asyncio.ensure_future(_next(self._body))
        await self._wait_for(self._next)  # A `receive()` that is cancelled loses nothing.
        if self._left.is_set():
            self._next.cancel()
            return {"type": "http.disconnect"}
        chunk, self._next = self._next.result(), None
        self._is_sent = chunk is None
        return {"type": "http.request", "body": chunk or b"", "more_body": not self._is_sent}

    async def _send(self, message: Message) -> None:
        if self._left.is_set():
            return
        putting: asyncio.Future[None] = asyncio.ensure_future(self._messages.put(message))
        try:
            await self._wait_for(putting)
        finally:
            putting.cancel()

    async def _wait_for(self, future: asyncio.Future[Any]) -> None:
        """Waits until it is done, or the client leaves."""
        leaving: asyncio.Future[Any] = asyncio.ensure_future(self._left.wait())
        try:
            await asyncio.wait([future, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()

    def _format(self) -> Any:
        return find_format(self.headers.get("Content-Type", "")) or TEXT


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


class _TestExchange(Exchange):
    """Does what Django's test clients do: no CSRF checks unless they are asked for."""

    def __init__(self, *, enforces_csrf: bool) -> None:
        super().__init__()
        self._enforces_csrf = enforces_csrf

    def prepare(self, request: HttpRequest) -> None:
        request._dont_enforce_csrf_checks = not self._enforces_csrf  # type: ignore[attr-defined]

    async def aclose(self) -> None:
        await super().aclose()
        await let_go()


class _OldConnections:
    """Keeps Django from closing the connection of a `TestCase` when a request begins or ends.

    As its own test clients do; but streams are open at the same time, so they are counted.
    """

    def __init__(self) -> None:
        self._count = 0

    @contextmanager
    def left_open(self) -> Iterator[None]:
        signals = (request_started, request_finished)
        self._count += 1
        for signal in signals:
            signal.disconnect(close_old_connections)
        try:
            yield
        finally:
            self._count -= 1
            for signal in signals if not self._count else ():
                signal.connect(close_old_connections)


_old_connections = _OldConnections()
