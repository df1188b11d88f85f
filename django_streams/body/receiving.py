"""`Receiver`: what arrives on one HTTP connection, for the view that reads and for who listens.

ASGI has one `receive()` for the body and for the news that the client has left (ASGI HTTP,
"Request" and "Disconnect"), and two that want to know: the view, which takes the body when it
likes, and Django's handler, which cancels the view of a client that left. They take turns:

- The view that reads receives itself, and hears of a departure as `RequestAborted`.
- While it does not, the listener does in its stead. It holds what comes, up to 64 KiB and what one
  message has beyond that; then the client has to wait, and nothing is heard of it either: its
  departure stands behind what it has sent.
- A stream that has begun to answer may never read again. If it has not for a minute, the body is
  given up: what still comes is dropped, so that the departure is heard.
- From a client that waits for `100 Continue` nobody receives before the view first reads or the
  answer begins: servers ask it to go on as soon as somebody does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from math import inf
from typing import Any

from django.core.exceptions import RequestAborted

from django_streams.exceptions import BodyAborted

__all__ = ["Aborted", "Receive", "Receiver"]

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

MAX_HELD = 2**16
"""Bytes that the listener holds for a view that does not read: what a server buffers, too."""

TURN_SECONDS = 0.25
"""How long a view may not read before the listener receives in its stead: well below the second in
which a departure is to be heard, and seldom enough to cost a fast upload nothing."""

GIVE_UP_SECONDS = 60
"""How long a stream that answers may leave unread what is held: longer than the work on one piece
of its body takes."""

FAREWELL_SECONDS = 10
"""For how long a view that was told of the departure may clean up before it is cancelled."""

LINGER_SECONDS, LINGER_BYTES = 2, 2**26
"""For how long, and for how much, the connection of a client that goes on sending is kept open for
it to see the answer (RFC 9112 9.6): 64 MiB is half a second of a fast network."""


class Aborted(BodyAborted, RequestAborted):
    """The client left before its body was whole: Django's exception, and a stream's."""


class Receiver:
    """The messages of one request. Also what Django takes for the file with the body."""

    is_in_blocks = False

    def __init__(self, receive: Receive, *, awaits_continue: bool = False) -> None:
        self._receive = receive
        self.is_begun = not awaits_continue
        """Whether anything may be received."""
        self.is_whole = False
        """Whether all of the body has come, if perhaps not been read."""
        self.is_answered = False
        """Whether the answer has begun."""
        self._is_given_up = False
        self._is_aborted = False
        self._has_told = False
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._is_receiving = False
        self._is_reading = False
        self._news = asyncio.Event()
        self._listening: asyncio.Timeout | None = None

    # For who reads.

    async def chunk(self) -> bytes | None:
        """Returns the next bytes of the body, None at its end; raises `Aborted`."""
        if self._is_given_up:
            raise RuntimeError(
                f"The body was given up: nobody had read it for {GIVE_UP_SECONDS} seconds."
            )
        self._is_reading = self.is_begun = True
        try:
            while not self._held:
                if self.is_whole:
                    return None
                if self._is_aborted:
                    self._has_told = True
                    raise Aborted
                await (self._wait() if self._is_receiving else self._receive_one())
            chunk = self._held.popleft()
            self._held_bytes -= len(chunk)
            return chunk
        finally:
            self._is_reading = False
            self._news.set()

    async def __call__(self) -> Mapping[str, Any]:
        """Returns the next message, for whoever reads bodies as ASGI has them."""
        try:
            chunk = await self.chunk()
        except Aborted:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def linger(self) -> None:
        """Drops what the client still sends, for a while, so that it gets to see the answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await self.discard(LINGER_BYTES)

    async def discard(self, max_bytes: float = inf) -> None:
        """Drops what the client still sends, to its end or until it leaves."""
        self._is_given_up = False
        with suppress(Aborted):
            while max_bytes > 0 and (chunk := await self.chunk()) is not None:
                max_bytes -= len(chunk)

    # For who listens.

    def begin(self) -> None:
        """Lets the listener receive: the answer has begun."""
        self.is_begun = self.is_answered = True
        self._news.set()

    async def departure(self) -> None:
        """Returns when the client has left and the view is to be cancelled; or when the body is
        whole: the next message is the client's departure then.
        """
        await asyncio.sleep(TURN_SECONDS)  # The view is about to read, as a rule.
        while not (self.is_whole or self._is_aborted):
            if self._is_reading or not self.is_begun:
                await self._wait()
                await asyncio.sleep(TURN_SECONDS)  # A view that is fast reads again.
            elif self._held_bytes >= MAX_HELD:
                await self._wait_for_room()
            else:
                await self._receive_one()
        if self._is_aborted and (self._is_reading or self._has_told):
            await asyncio.sleep(FAREWELL_SECONDS)

    async def listen(self, listen: Callable[[Receive], Awaitable[None]]) -> None:
        """Awaits `departure`, and then what Django awaits when a body is whole."""
        try:
            async with asyncio.timeout(None) as self._listening:
                await self.departure()
        except TimeoutError:
            raise RequestAborted from None
        finally:
            self._listening = None
        if self._is_aborted:
            raise RequestAborted
        await listen(self._receive)

    def cut(self) -> None:
        """Lets the listener believe that the client has left: so Django cancels the view."""
        if self._listening is not None:
            self._listening.reschedule(asyncio.get_running_loop().time())

    def close(self) -> None:
        """Does nothing. Django closes what it takes for a file when the request has ended."""

    # Receiving: one at a time.

    async def _wait_for_room(self) -> None:
        """Waits until the view reads on; drops what is held if it seems to have forgotten it."""
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS if self.is_answered else None):
                await self._wait()
        except TimeoutError:
            self._is_given_up = True
            self._drop()

    def _drop(self) -> None:
        self._held.clear()
        self._held_bytes = 0

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _receive_one(self) -> None:
        self._is_receiving = True
        try:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._is_aborted = True
                return
            if (body := message.get("body")) and not self._is_given_up:
                self._held.append(body)
                self._held_bytes += len(body)
            self.is_whole = not message.get("more_body", False)
        finally:
            self._is_receiving = False
            self._news.set()
