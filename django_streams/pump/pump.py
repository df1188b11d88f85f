"""The producer's side of a stream: one task that drives a source, encodes and fills the buffer.

    source --> encode --> buffer

The pump is the only place that loops over sources. One task drives a source from its first item to
its `finally`, so that `asyncio.timeout()` and cancel scopes may span a `yield`. It stops at the
buffer's capacity until the client has taken it, and gives way to the event loop at least every
`TURN_SECONDS`: a server's `send` no longer suspends when its client has left, and a source that
never awaits would otherwise hold the process for ever. Nothing runs before `start()`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from functools import partial
from time import monotonic, sleep
from typing import Any, ClassVar

from django_streams.buffer import Buffer
from django_streams.exceptions import BodyAborted, BrokenOff, ClientDisconnected

from .drive import broken_off
from .flushing import flushing
from .options import Encode, Feed, Open, PumpOptions, Push

__all__ = ["CLOSE_SECONDS", "TURN_SECONDS", "Pump"]

logger = logging.getLogger("django_streams")

TURN_SECONDS = 0.001
"""How long a source that never awaits may keep the event loop: another request needs dozens of the
loop's turns, and waits that long in each. Giving way costs 1 % of it."""

REST_EVERY_SECONDS = 0.01
REST_SECONDS = 0.00005
"""How often, and for how long, a process with a busy source leaves the interpreter to other
threads.

A loop that never idles lets go of the interpreter's lock only for the microseconds of its system
calls: too short for a waiting thread to wake up, and each time its patience (5 ms) begins anew. The
synchronous code of other requests, their middleware, views and ORM, would starve for seconds."""

MAX_STRIDE = 16
"""How many quick items may pass between two looks at the clock: few enough that an item which
suddenly takes long is noticed, and enough that looking costs nothing beside them."""

CLOSE_SECONDS = 5.0
"""How long a closing stream waits for its source's `finally`: longer than any clean-up should take,
shorter than the patience of whoever stops the server."""


class Pump:
    """Drives one source into a buffer, once.

    An asynchronous iterator of bytes, each object all that was ready. It belongs to the event loop
    in which it was started; only `close()` may be called from elsewhere.
    """

    _rest_due: ClassVar[float] = 0.0
    """When a pump of this process that begins a turn rests first."""

    def __init__(self, open_source: Open, options: PumpOptions) -> None:
        self._open_source = open_source
        self._options = options
        self._buffer: Buffer | None = None
        self._task: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[None] | None = None
        self.failure: Exception | None = None
        """What the source raised, if it failed."""
        self._is_first_failure = False
        self._driver: asyncio.Task[Any] | None = None
        self._turn_ends = 0.0
        self._hears_of_end = False
        self._is_given_up = False
        self._is_committed = False
        self._is_ending = False
        self._is_closing = False
        self._feed: Feed | Push | None = None
        self._items = 0

    @property
    def is_started(self) -> bool:
        """Whether the source was started."""
        return self._task is not None

    @property
    def is_committed(self) -> bool:
        """Whether the answer has begun: a failure is told in the stream from now on."""
        return self._is_committed

    @property
    def is_closed(self) -> bool:
        """Whether nothing runs any more: the source has ended, or will never begin."""
        return self._is_closing if self._task is None else self._task.done()

    @property
    def items(self) -> int:
        """How many items the source has made: while it runs, those before it last gave way."""
        return getattr(self._feed, "items", self._items)

    @property
    def bytes_taken(self) -> int:
        """How many bytes the reader has taken."""
        return self._buffer.taken if self._buffer is not None else 0

    # The reader's side.

    def start(self) -> None:
        """Starts the source, in the running event loop and the current context."""
        loop = asyncio.get_running_loop()
        self._opened = loop.create_future()
        self._buffer = Buffer(self._options.capacity, joins=self._options.joins_chunks)
        if sys.version_info >= (3, 12):
            self._task = asyncio.Task(self._run(), loop=loop, eager_start=True)
        else:
            self._task = loop.create_task(self._run())

    async def primed(self, seconds: float, *, for_item: bool) -> None:
        """Waits, `seconds` at most, until the source has yielded or, not `for_item`, is opened.

        Raises what the source raised before its first item: as long as nothing was sent a failure
        is the request's, not the stream's. From then on it is told in the stream.
        """
        buffer, opened = self._running()
        if not opened.done():
            await asyncio.sleep(0)  # After it a source has told what it can without waiting.
        if not (opened.done() and (buffer.size or buffer.is_finished or not for_item)):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await (buffer.ready() if for_item else asyncio.shield(opened))
        if self.failure is not None and self._is_first_failure:
            raise self.failure
        self._is_committed = True
        self._begin()

    def __aiter__(self) -> AsyncIterator[bytes]:
        # Once it runs, readers get the buffer itself: no layer between it and the server.
        return self._buffer if self._is_committed and self._buffer else self

    async def __anext__(self) -> bytes:
        if not self._is_committed:
            if self._is_closing:
                raise StopAsyncIteration
            self._is_committed = True  # Before the start: nobody is there to raise a failure to.
            if not self.is_started:
                self.start()
            self._begin()
        return await anext(self._running()[0])

    def _begin(self) -> None:
        """Puts the head in front of what is there, and lets the heart beat."""
        buffer, _ = self._running()
        options = self._options
        buffer.begin(options.head, beat=options.beat, idle_seconds=options.idle_seconds)

    def _running(self) -> tuple[Buffer, asyncio.Future[None]]:
        if self._buffer is None or self._opened is None:
            raise RuntimeError("this pump was not started")
        return self._buffer, self._opened

    # Closing.

    def end(self, *, is_clean: bool) -> None:
        """Stops the source, and lets the reader have what is there. Only in the pump's loop.

        After it iteration ends as if the source had returned, or raises `BrokenOff` if that is not
        to be believed: `is_clean` says which.
        """
        task = self._task
        if task is None or task.done() or self._is_ending or self._is_closing:
            return
        self._is_ending = True
        error = None if is_clean else BrokenOff("the stream was ended before its source")
        self._running()[0].finish(error)
        task.cancel()

    async def aclose(self) -> bool:
        """Stops the source and waits until its `finally` has run, for `CLOSE_SECONDS` at most.

        Returns whether it has. May be called at any time, any number of times.
        """
        self._begin_close()
        task = self._task
        if task is None or task.done():
            return True
        if not self._is_given_up:
            await asyncio.wait([task], timeout=CLOSE_SECONDS)
        if not task.done() and not self._is_given_up:
            self._is_given_up = True
            logger.warning(
                "A source still runs %g seconds after its stream was closed: does it block, or "
                "swallow CancelledError? %r",
                CLOSE_SECONDS,
                task,
            )
            task.cancel()
        return task.done()

    def close(self) -> None:
        """Stops the source without waiting for it; from any thread, and in any state."""
        if self._task is None:
            self._is_closing = True
        else:
            with suppress(RuntimeError):  # The loop is closed, and with it whatever ran there.
                self._task.get_loop().call_soon_threadsafe(self._begin_close)

    def _begin_close(self) -> None:
        was_closing, self._is_closing = self._is_closing, True
        if was_closing or self._task is None:
            return
        # A producer that waits for room hears of it there, as ClientDisconnected; any other is
        # cancelled, and only once: a second cancellation would interrupt its `finally`.
        self._running()[0].close()
        if not (self._hears_of_end or self._is_ending):
            self._task.cancel()

    # The producer's side: one task from the source's opening to its `finally`.

    async def _run(self) -> None:
        buffer, opened = self._running()
        self._driver = asyncio.current_task()
        ending: BrokenOff | None = BrokenOff("the stream's task was cancelled")
        try:
            feed = self._feed = await self._open_source(self._options.encode)
            opened.set_result(None)
            await flushing(self._drive(buffer, feed), buffer.flush)
            if self._options.tail and not self._is_ending:
                buffer.append(self._options.tail)
            ending = None
        except asyncio.CancelledError as error:
            if self._is_closing or self._is_cancelled():
                raise
            ending = await self._fail(_explained(error))
        except (Exception, BaseExceptionGroup) as error:
            if not _is_departure(error, is_told=self._is_closing or self._is_ending):
                if not isinstance(error, Exception):
                    raise
                ending = await self._fail(error)
        finally:
            if not opened.done():
                opened.set_result(None)
            buffer.finish(None if self._is_ending else ending)  # `end()` has told the reader.

    async def _drive(self, buffer: Buffer, feed: Feed | Push) -> None:
        async with aclosing(feed):
            await self._fill(buffer, feed)

    async def _fill(self, buffer: Buffer, feed: Feed | Push) -> None:
        if isinstance(feed, Push):
            self._turn_ends = monotonic() + TURN_SECONDS
            producing = feed.produce(partial(self._send, feed.encode))
            if not isinstance(producing, Awaitable):
                raise TypeError(f"{feed.produce!r} is not async: it returned {producing!r:.200}")
            await producing
            return
        encode, add, capacity = feed.encode, buffer.add, buffer.capacity
        left = stride = 1
        self._turn_ends = monotonic() + TURN_SECONDS
        try:
            async for item in feed:
                size = add(encode(item))
                left -= 1
                if size < capacity and left:
                    continue
                self._items += stride - left
                left = stride
                try:
                    left = stride = await self._turn(buffer, stride)
                except asyncio.CancelledError as error:
                    await self._raise_in_source(feed, add, error)
                    left = stride = 1
        finally:
            self._items += stride - left

    async def _turn(self, buffer: Buffer, stride: int) -> int:
        """Waits for the client, or gives way if it is time; returns how many items may follow.

        Looking at the clock for every item would cost as much as adding it.
        """
        if buffer.is_full:
            await self._drained(buffer)
        elif monotonic() >= self._turn_ends:
            await asyncio.sleep(0)
            stride = 1
        else:
            return min(2 * stride, MAX_STRIDE)
        self._begin_turn()
        return stride

    async def _drained(self, buffer: Buffer) -> None:
        """Waits for room; a driver that waits here need not be cancelled to hear of the end."""
        if asyncio.current_task() is not self._driver:
            await buffer.drained()
            return
        self._hears_of_end = True
        try:
            await buffer.drained()
        finally:
            self._hears_of_end = False

    def _begin_turn(self) -> None:
        now = monotonic()
        if now >= Pump._rest_due:
            Pump._rest_due = now + REST_EVERY_SECONDS
            sleep(REST_SECONDS)  # The whole loop, on purpose; what was ready has been sent.
        self._turn_ends = monotonic() + TURN_SECONDS

    async def _raise_in_source(
        self, feed: Feed, add: Callable[[bytes], int], error: asyncio.CancelledError
    ) -> None:
        """Hands the source what has interrupted the pump in its place: a timeout of its own.

        `asyncio.timeout()` around a `yield` cancels the task that drives the source, wherever that
        waits; only raised at the `yield` does it become the TimeoutError that the source expects.
        """
        athrow = getattr(feed, "athrow", None)
        if self._is_closing or athrow is None:
            raise error
        with suppress(StopAsyncIteration):  # The source has returned: the loop will find that, too.
            add(feed.encode(await athrow(error)))

    async def _send(self, encode: Encode, item: Any) -> None:
        """Adds one item of a `Push`; waits when the client is slow.

        Raises `ClientDisconnected` when it has left, and `RuntimeError` after the producer has
        returned.
        """
        buffer, _ = self._running()
        if self._is_ending:
            raise ClientDisconnected("the stream was ended")
        if buffer.is_finished:
            raise RuntimeError("send() was called after the producer had returned")
        if buffer.is_closed:
            await asyncio.sleep(0)  # A producer that catches everything must not spin.
        buffer.append(encode(item))
        self._items += 1
        if buffer.is_full:
            await self._drained(buffer)
        elif monotonic() >= self._turn_ends:
            await asyncio.sleep(0)
        else:
            return
        self._begin_turn()

    async def _fail(self, error: Exception) -> BrokenOff | None:
        """Deals with a failure, in the `except` block; returns what the reader gets to see."""
        self.failure = error
        buffer, _ = self._running()
        if not (self._is_committed or buffer.size or self._is_closing):
            self._is_first_failure = True  # `primed()` raises it.
            return None
        buffer.flush()
        try:
            record = await self._options.record(error)
            if record and not buffer.is_closed:
                buffer.append(record)
        finally:
            await self._options.report(error)
        if not self._options.breaks_off:
            return None
        ending = broken_off(error)
        ending.__cause__ = error
        return ending

    def _is_cancelled(self) -> bool:
        """Whether somebody cancelled the pump's task, such as an event loop that ends."""
        return self._task is not None and self._task.cancelling() > 0


def _is_departure(error: BaseException, *, is_told: bool) -> bool:
    """Whether a source says nothing but that it was told to end, or has heard of it first: the one
    that reads its request's body.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(_is_departure(each, is_told=is_told) for each in error.exceptions)
    told = (ClientDisconnected, GeneratorExit, asyncio.CancelledError) if is_told else ()
    return isinstance(error, (BodyAborted, *told))


def _explained(error: asyncio.CancelledError) -> RuntimeError:
    explained = RuntimeError("the source raised CancelledError, though nobody cancelled it")
    explained.__cause__ = error
    return explained
