"""`Patience`: how long a client is waited for that pauses in its body, or dribbles it.

Only the time counts in which somebody waits for the client: a view that is slow itself is no fault
of the client's. One timer for the whole body, which re-arms itself when it fires and is never
touched by a chunk: a timeout for each would cost as much as the chunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from django_streams.exceptions import RequestTimeout

__all__ = ["RATE_GRACE_SECONDS", "Patience"]

RATE_GRACE_SECONDS = 20
"""Seconds of waiting after which the rate is looked at: a connection may begin slowly."""


class Patience:
    """Waits for the chunks of one body; raises `RequestTimeout` when it has waited for too long.

    `idle_seconds`: for one chunk. `min_rate`: bytes per second, each time that it has waited for
    `RATE_GRACE_SECONDS` in all. None: for ever.
    """

    def __init__(self, idle_seconds: float | None, min_rate: float | None) -> None:
        self._idle_seconds = idle_seconds
        self._min_rate = min_rate
        self._waited = 0.0
        self._received = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Task[object] | None = None
        self._waits_since = 0.0
        self._is_over = False

    async def wait(self, next_chunk: Callable[[], Awaitable[bytes | None]]) -> bytes | None:
        """Returns the next chunk, or None at the end."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # Under WSGI each `async_to_sync` has a loop of its own.
            self._loop, self._timer = loop, None
        task = self._waiting = asyncio.current_task()
        cancellations = task.cancelling() if task is not None else 0
        self._waits_since = loop.time()
        if self._timer is None and self._idle_seconds is not None:
            self._timer = loop.call_at(self._waits_since + self._idle_seconds, self._look)
        try:
            chunk = await next_chunk()
        except asyncio.CancelledError as error:
            if self._is_over and task is not None and task.uncancel() <= cancellations:
                raise self._idle() from error
            raise
        finally:
            self._waiting = None
        self._waited += loop.time() - self._waits_since
        if chunk is not None:
            self._received += len(chunk)
            self._check_rate()
        return chunk

    def limit(self, idle_seconds: float | None, min_rate: float | None) -> None:
        """Sets other limits."""
        self.end()
        self._idle_seconds, self._min_rate = idle_seconds, min_rate

    def end(self) -> None:
        """Stops the timer: nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Interrupts a wait that lasts too long; looks again when the present one would."""
        self._timer = None
        if self._waiting is None or self._loop is None or self._idle_seconds is None:
            return  # The next wait arms it again.
        ends = self._waits_since + self._idle_seconds
        if self._loop.time() < ends:
            self._timer = self._loop.call_at(ends, self._look)
        else:
            self._is_over = True
            self._waiting.cancel()

    def _idle(self) -> RequestTimeout:
        return RequestTimeout(f"the body paused for more than {self._idle_seconds:g} seconds")

    def _check_rate(self) -> None:
        rate = self._min_rate
        if rate is None or self._waited <= RATE_GRACE_SECONDS:
            return
        if self._received < rate * self._waited:
            raise RequestTimeout(f"the body came at less than {rate:g} bytes per second")
        self._waited = self._received = 0  # Nobody is to live on what came fast before.
