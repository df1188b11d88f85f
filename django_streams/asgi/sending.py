"""Sending a body to a client that may stall: nothing waits for it longer than it was promised."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from django_streams.buffer import CAPACITY
from django_streams.conf import conf
from django_streams.exceptions import BrokenOff
from django_streams.lifetime import CUT_SECONDS

__all__ = ["Sending", "abort", "abort_later"]

Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Sending:
    """Sends the messages of one body, for as long as the client takes them.

        async with Sending(send, seconds) as sending:
            await sending({"type": "http.response.body", ...})

    Raises `BrokenOff` from the block if the client has taken nothing for `seconds` (None: any
    time), or when `cut()` is called; `is_stalled` says whether something was being sent then. And
    if the server raises an `OSError`, which says that the client has left (ASGI's HTTP 2.4); most
    servers say so only to an application that receives.

    What the client takes of one message uvicorn lets us see. Elsewhere it has the seconds for each
    64 KiB of it: a slow client is no stalled one. The same look finds a connection that is lost:
    uvicorn does not tell a response of it whose client has sent another request meanwhile.

    One timer, which sets itself anew when it fires: a message costs a look at the clock.
    """

    is_stalled = False

    def __init__(self, send: Send, seconds: float | None) -> None:
        self._send = send
        self._transport = _transport(send)
        self._unfinished: Awaitable[None] | None = None
        """The rest of a message that `write_now()` could not send at once; the next comes after."""
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._left = 0
        """Bytes that are being sent, as far as is known."""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        if self._seconds is not None:
            self._look_at(self._loop.time() + self._seconds, self._seconds)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for timer in self._timers.values():
            timer.cancel()
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError:
            raise BrokenOff("the client does not take what is sent to it") from None

    async def __call__(self, message: Mapping[str, Any]) -> None:
        self._since = self._loop.time()
        self._left = len(message.get("body", b""))
        try:
            if self._unfinished is not None:
                unfinished, self._unfinished = self._unfinished, None
                await unfinished
            await self._send(message)
        except OSError as error:
            raise BrokenOff("the client has left") from error
        self._since = None

    async def write(self, chunk: bytes) -> None:
        """Sends a piece of the body."""
        await self({"type": "http.response.body", "body": chunk, "more_body": True})

    @property
    def writes_now(self) -> bool:
        """Whether the server lets us see what it holds for the client: uvicorn does, but over TLS,
        where a transport does not count what it has handed to the socket's.
        """
        transport = self._transport
        return transport is not None and transport.get_extra_info("sslcontext") is None

    @property
    def is_ready(self) -> bool:
        """Whether the server, by what its transport tells, would take a piece without waiting."""
        transport = self._transport
        if transport is None or self._unfinished is not None or transport.is_closing():
            return False
        return not transport.get_write_buffer_size()

    def write_now(self, chunk: bytes) -> None:
        """Sends a piece of the body if the server `is_ready`, in whatever task is running.

        The `send` of a server may be called so. What other ASGI middleware makes of it may not:
        should it wait, then within a timeout or a scope of anyio, which belong to one task.
        """
        sending: Any = self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        try:
            waits_for = sending.send(None)
        except StopIteration:
            return
        except OSError as error:
            raise BrokenOff("the client has left") from error
        self._since = self._loop.time()
        self._left = len(chunk)
        self._unfinished = _continued(sending, waits_for)

    def cut(self) -> None:
        """Stops sending, and waiting for the client."""
        self.is_stalled = self._since is not None
        self._timeout.reschedule(self._loop.time())

    def shut_down(self) -> None:
        """Lets a body that no stream belongs to go on for the grace of a shutdown."""
        self._timers["shutdown"] = self._loop.call_later(conf.shutdown_grace, self.cut)

    def _look(self, seconds: float) -> None:
        transport = self._transport
        if transport is not None and transport.is_closing():
            self.cut()
            return
        now = self._loop.time()
        left = None if transport is None else transport.get_write_buffer_size()
        if left is not None and left < self._left and self._since is not None:
            self._left, self._since = left, now
        since = now if self._since is None else self._since
        patience = seconds if left is not None else seconds * max(self._left // CAPACITY, 1)
        if now - since >= patience:
            self.cut()
        else:
            self._look_at(since + patience, seconds)

    def _look_at(self, when: float, seconds: float) -> None:
        self._timers["stall"] = self._loop.call_at(when, self._look, seconds)


@types.coroutine
def _continued(coroutine: Any, waits_for: Any) -> Generator[Any, Any, None]:
    """Awaits the rest of a coroutine that was begun elsewhere, and waits for something."""
    yield waits_for
    yield from coroutine


def _transport(send: Send, layers: int = 1) -> asyncio.WriteTransport | None:
    """Returns the transport of a connection: uvicorn's, and that of hypercorn below three layers.

    uvicorn's `send` is a method of an object with the transport. hypercorn's belongs to a stream,
    which has the `send` of a protocol, which has that of a connection, which has the writer.
    Several streams may share it.
    """
    sender: Any = send
    for _ in range(layers):
        owner = getattr(sender, "__self__", None)
        transport = getattr(getattr(owner, "writer", owner), "transport", None)
        # Not by its type: uvloop has one of its own.
        if hasattr(transport, "get_write_buffer_size"):
            return transport
        sender = getattr(owner, "send", None)
    return None


def abort(send: Send) -> None:
    """Drops the connection of a client that does not take what is sent, where a transport is found.

    uvicorn and hypercorn would close the connection when the client has taken the rest: never.
    """
    transport = _transport(send, layers=3)
    if transport is not None:
        transport.abort()


def abort_later(send: Send) -> None:
    """Drops the connection if its client has not taken the rest of an ended body in a while.

    For a server that stops, and waits for it: what is left is little enough to wait in the
    transport, so nothing in `Sending` has noticed.
    """
    transport = _transport(send, layers=3)
    if transport is not None:
        asyncio.get_running_loop().call_later(CUT_SECONDS, _abort_unsent, transport)


def _abort_unsent(transport: asyncio.WriteTransport) -> None:
    # asyncio's of TLS forgets what it could ask when it is lost and closed once more.
    with suppress(AttributeError):
        if transport.get_write_buffer_size():
            transport.abort()
