"""Sending a body to a client that may stall: nothing waits for it longer than it was promised."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from django_streams.conf import conf
from django_streams.exceptions import BrokenOff
from django_streams.lifetime import CUT_SECONDS

__all__ = ["Sending", "abort", "abort_later"]

Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Sending:
    """Sends the messages of one body, for as long as the client takes them.

        async with Sending(send, seconds) as sending:
            await sending({"type": "http.response.body", ...})

    Raises `BrokenOff` in the block if the client has taken nothing for `seconds` (None: any time),
    and then `is_stalled` is true; or as soon as `cut()` is called while something is being sent.

    One timer, which sets itself anew when it fires: a message costs a look at the clock.
    """

    is_stalled = False

    def __init__(self, send: Send, seconds: float | None) -> None:
        self._send = send
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._is_cut = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        if self._seconds is not None:
            self._look_again(self._loop.time() + self._seconds, self._seconds)
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
        await self._send(message)
        self._since = None

    def cut(self) -> None:
        """Stops sending, and waiting for the client."""
        self.is_stalled = self._since is not None
        self._timeout.reschedule(self._loop.time())

    def shut_down(self) -> None:
        """Lets a body that no stream belongs to go on for the grace of a shutdown."""
        self._timers["shutdown"] = self._loop.call_later(conf.shutdown_grace, self.cut)

    def _look(self, seconds: float) -> None:
        now = self._loop.time()
        since = now if self._since is None else self._since
        if now - since >= seconds:
            self.cut()
        else:
            self._look_again(since + seconds, seconds)

    def _look_again(self, when: float, seconds: float) -> None:
        self._timers["stall"] = self._loop.call_at(when, self._look, seconds)


def abort(send: Send) -> None:
    """Drops the connection of a client that does not take what is sent, where a transport is found.

    uvicorn and hypercorn would close the connection when the client has taken the rest: never.
    """
    transport = _transport_of(send)
    if transport is not None:
        transport.abort()


def abort_later(send: Send) -> None:
    """Drops the connection if its client has not taken the rest of an ended body in a while.

    For a server that stops, and waits for it: what is left is little enough to wait in the
    transport, so nothing in `Sending` has noticed.
    """
    transport = _transport_of(send)
    if transport is not None:
        asyncio.get_running_loop().call_later(CUT_SECONDS, _abort_unwritten, transport)


def _abort_unwritten(transport: Any) -> None:
    if transport.get_write_buffer_size():
        transport.abort()


def _transport_of(send: Send) -> Any:
    """Returns the transport, or None: no server hands it out.

    uvicorn's `send` is a method of an object with the transport. hypercorn's stream has the `send`
    of a protocol, which has that of a connection, which has the writer.
    """
    sender: Any = send
    for _ in range(3):
        owner = getattr(sender, "__self__", None)
        transport = getattr(getattr(owner, "writer", owner), "transport", None)
        if transport is not None:
            return transport
        sender = getattr(owner, "send", None)
    return None
