"""The consumer's side of a stream: chunks that are ready, with a bound, a heartbeat and an end.

A producer appends chunks of bytes; the reader takes all that is there as one. So chunks that are
ready together leave in one write, a chunk that is alone leaves at once, and no timer holds anything
back. A buffer belongs to one event loop and is not safe to touch from another thread.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from .exceptions import BrokenOff, ClientDisconnected

__all__ = ["CAPACITY", "Buffer", "Sink"]

CAPACITY = 64 * 1024
"""Bytes at which a producer waits for the client: large enough that a write costs nothing beside
them, small enough that ten thousand stalled clients fit into memory."""


class Sink(Protocol):
    """What a buffer can be poured into."""

    async def write(self, chunk: bytes) -> None:
        """Writes a chunk; waits for a client that is slow."""

    @property
    def writes_now(self) -> bool:
        """Whether it is ever ready for `write_now()`."""

    @property
    def is_ready(self) -> bool:
        """Whether `write_now()` may be called at this moment."""

    def write_now(self, chunk: bytes) -> None:
        """Writes a chunk without waiting, in whatever task is running, or in none."""


class Buffer:
    """An asynchronous iterator of bytes, one object for all that was appended since the last one.

    Iteration ends after `finish()`, or raises what `finish(error)` was given once all chunks are
    taken. The first object is b"" if nothing is ready by then: some servers hold the headers back
    until a chunk comes. If it does not join, every chunk is an object of its own, and none is b"".
    """

    __slots__ = (
        "_beat",
        "_chunks",
        "_due",
        "_error",
        "_has_begun",
        "_idle_seconds",
        "_idle_since",
        "_joins",
        "_loop",
        "_reader",
        "_sink",
        "_timer",
        "_will_flush",
        "_writers",
        "capacity",
        "is_closed",
        "is_finished",
        "size",
        "taken",
    )

    def __init__(self, capacity: int = CAPACITY, *, joins: bool = True) -> None:
        self.capacity = capacity
        self.size = 0
        self.taken = 0
        """Bytes that the reader has been given."""
        self.is_finished = False
        self.is_closed = False
        self._beat = b""
        self._idle_seconds = 0.0
        self._joins = joins
        self._has_begun = not joins
        self._chunks: list[bytes] = []
        self._error: BaseException | None = None
        self._reader: asyncio.Future[None] | None = None
        self._sink: Sink | None = None
        self._will_flush = False
        self._writers: list[asyncio.Future[None]] = []
        self._loop = asyncio.get_running_loop()
        self._idle_since = self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # The producer's side.

    def add(self, chunk: bytes) -> int:
        """Adds a chunk that is ready; returns the bytes that are there.

        Does not wait: a producer awaits `drained()` when `is_full`. And tells nobody: it calls
        `flush()` before it waits for anything. Raises `ClientDisconnected` once this is closed.
        """
        if self.is_closed:
            raise ClientDisconnected("the client has left")
        self._chunks.append(chunk)
        self.size = size = self.size + len(chunk)
        return size

    def append(self, chunk: bytes) -> int:
        """Adds a chunk that is ready, and flushes soon."""
        size = self.add(chunk)
        if self._sink is None:
            self._wake_reader()
        elif not self._will_flush:
            self._will_flush = True
            self._loop.call_soon(self._flush_now)
        return size

    def flush(self) -> None:
        """Writes what is there if the sink is ready for it; else wakes whoever reads."""
        reader, sink = self._reader, self._sink
        if reader is None or not self._chunks:
            return
        if sink is None or reader.done():
            self._wake_reader()
            return
        try:
            while self._chunks and sink.is_ready:
                sink.write_now(self.take())
        except Exception as error:  # noqa: BLE001 - Raised where the reader waits.
            self._reader = None
            reader.set_exception(error)
        else:
            if self._chunks:
                self._wake_reader()

    @property
    def is_full(self) -> bool:
        """Whether the producer has to wait for the client."""
        return self.size >= self.capacity

    async def drained(self) -> None:
        """Waits until the reader has taken what is there; `ClientDisconnected` when it left."""
        while self.is_full and not self.is_closed:
            writer = self._loop.create_future()
            self._writers.append(writer)
            await writer
        if self.is_closed:
            raise ClientDisconnected("the client has left")

    def finish(self, error: BaseException | None = None) -> None:
        """Says that no chunk will follow: iteration ends, or raises `error`, after the last one."""
        self.is_finished = True
        self._error = self._error or error
        self._stop_timer()
        self._wake_reader()

    # The reader's side.

    def __aiter__(self) -> Buffer:
        return self

    async def __anext__(self) -> bytes:
        chunks = self._chunks
        if not (chunks or self._has_begun):
            self._has_begun = True
            return b""
        while not chunks:
            if self.is_finished or self.is_closed:
                raise self._error or StopAsyncIteration
            await self._chunk_or_end()
        return self.take()

    async def pour(self, sink: Sink) -> None:
        """Writes each object that iteration would yield, with fewer layers.

        While the sink is ready for them this task sleeps: chunks are written by `flush()`, as soon
        as their producer waits for something. Waking the task for each would take longer.
        """
        if not (self._chunks or self._has_begun):
            await sink.write(self.take())
        while True:
            while not self._chunks:
                if self.is_finished or self.is_closed:
                    if self._error is not None:
                        raise self._error
                    return
                self._sink = sink if sink.writes_now else None
                try:
                    await self._chunk_or_end()
                finally:
                    self._sink = None
            await sink.write(self.take())

    async def ready(self) -> None:
        """Waits until there is a chunk to take or the stream has ended. For one task at a time."""
        while not (self._chunks or self.is_finished or self.is_closed):
            await self._chunk_or_end()

    def take(self) -> bytes:
        """Returns all that is there, b"" if nothing is, and lets the producer go on."""
        chunks = self._chunks
        if self._joins or len(chunks) < 2:
            taken = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.clear()
            self.size = 0
        else:
            taken = chunks.pop(0)
            self.size -= len(taken)
        self.taken += len(taken)
        self._has_begun = True
        if self._timer is not None and taken is not self._beat:
            self._idle_since = self._loop.time()
        if self._writers:
            self._wake_writers()
        return taken

    def close(self) -> None:
        """Drops what is there and refuses what comes: a waiting producer gets `ClientDisconnected`.

        Whoever still reads gets `BrokenOff`, unless all of a finished stream was taken: what was
        cut must not look whole.
        """
        if not self.is_closed and (self._chunks or not self.is_finished):
            self._error = self._error or BrokenOff("the stream was closed before its end")
        self.is_closed = True
        self._chunks.clear()
        self.size = 0
        self._stop_timer()
        self._wake_reader()
        self._wake_writers()

    async def aclose(self) -> None:
        """`close()`, for `contextlib.aclosing`."""
        self.close()

    def begin(self, head: bytes, *, beat: bytes = b"", idle_seconds: float | None = None) -> None:
        """Puts `head` in front, and from now on beats when the reader is idle."""
        if head:
            self._chunks.insert(0, head)
            self.size += len(head)
        if beat and idle_seconds and not (self.is_finished or self.is_closed):
            self._beat, self._idle_seconds = beat, idle_seconds
            self._idle_since = self._loop.time()
            self._set_timer(self._idle_since + idle_seconds)

    # Waking and the heartbeat.

    def _chunk_or_end(self) -> asyncio.Future[None]:
        """Returns what is done when there is something to take, which the sink was not ready for,
        or nothing will be any more.
        """
        self._reader = reader = self._loop.create_future()
        return reader

    def _flush_now(self) -> None:
        self._will_flush = False
        self.flush()

    def _wake_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)

    def _wake_writers(self) -> None:
        writers, self._writers = self._writers, []
        for writer in writers:
            if not writer.done():
                writer.set_result(None)

    def _tick(self) -> None:
        """Beats if the reader was idle for long enough, and sets the one timer anew.

        Set anew only here, never by a chunk: a busy stream pays for its heartbeat once per
        interval. An idle one keeps its own time, whenever it is seen to: or else the hearts of all
        streams that have once waited for the same thing would beat as one.
        """
        planned, seconds = self._due, self._idle_seconds
        due = self._idle_since + seconds
        if due <= planned:
            if self._reader is not None and not self._chunks:
                self.append(self._beat)
            due = max(planned, self._loop.time() - seconds) + seconds
        self._set_timer(due)

    def _set_timer(self, due: float) -> None:
        self._due = due
        self._timer = self._loop.call_at(due, self._tick)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
