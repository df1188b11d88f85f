"""Whatever a user gives becomes one source that a pump can drive and close.

    an async iterable          driven on the event loop
    a query set                its `iterator()`, in a thread, in batches
    any other iterable         in a thread, in batches
    `Spawn(produce)`           awaited with a `send` that waits when the client is slow
    a coroutine, a function    awaited or called first, then one of these

Nothing runs before the source is opened, and what was opened is closed where it ran. Text, bytes
and mappings are iterable too, but nobody who returns one means its letters or keys: they are
refused.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db.models import QuerySet

from .buffer import CAPACITY
from .exceptions import NoContent
from .pump import TURN_SECONDS, Encode, Feed, Push, Send

__all__ = [
    "CHUNK_SIZE",
    "LoopFeed",
    "Spawn",
    "ThreadFeed",
    "ToItem",
    "discard",
    "encoding",
    "is_async",
    "open_source",
    "opened_here",
    "rows",
]

CHUNK_SIZE = 2000
"""Rows that a query set fetches at once, Django's own default for `iterator()`."""

ToItem = Callable[[Any], Any]


@dataclass(frozen=True)
class Spawn:
    """A source that is not iterated: `produce` is awaited, and calls `await send(item)`.

    `send` may be called from several tasks, waits when the client is slow, and raises
    `ClientDisconnected` when it has left. The stream ends when `produce` returns.
    """

    produce: Callable[[Send], Awaitable[None]]


async def open_source(
    encode: Encode, *, source: Any, to_item: ToItem | None = None, joins_chunks: bool = True
) -> Feed | Push:
    """Returns the opened source. `to_item`, sync or async, turns each of its values into an item.

    `joins_chunks`: whether what a thread has made by the time it is asked may come as one chunk.

    Raises `NoContent` if it is a coroutine that returns None, and `TypeError` if it is nothing to
    iterate.
    """
    given = source
    if is_function(source):
        source = await called(source)
    if isinstance(source, Awaitable):
        source = await source
        if source is None:
            raise NoContent
    if isinstance(source, Spawn):
        return _push(source, encode, to_item)
    if isinstance(source, AsyncIterable) and is_async(source):
        return LoopFeed(source, encode, to_item)
    return ThreadFeed(rows(source, given), encode, to_item, joins_chunks=joins_chunks)


def rows(source: Any, given: Any) -> Callable[[], Iterator[Any]]:
    """Returns what begins to iterate a synchronous source; `TypeError` if it is none."""
    if isinstance(source, QuerySet):
        return partial(source.iterator, chunk_size=CHUNK_SIZE)
    if isinstance(source, Iterable) and not isinstance(source, str | bytes | bytearray | Mapping):
        return partial(iter, source)
    raise _no_source(source, given)


def _no_source(source: Any, given: Any) -> TypeError:
    origin = "" if source is given else f" (from {getattr(given, '__qualname__', given)!r:.200})"
    return TypeError(
        f"{source!r:.200}{origin} is no source of items. A source is an async generator, a "
        "generator, an iterable of items, a query set, or a coroutine that returns one; a single "
        "item goes into a list."
    )


def is_function(source: Any) -> bool:
    """Whether a source has to be called to get what can be iterated."""
    return callable(source) and not isinstance(source, Iterable | AsyncIterable | Awaitable)


async def called(function: Callable[[], Any]) -> Any:
    """Calls a source's function: in the request's thread, if that may block."""
    if is_async(function) or inspect.isgeneratorfunction(function):
        return function()
    return await sync_to_async(guarded(function))()


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function for a thread: a StopIteration from there would never arrive.

    No future takes one; Python before 3.12 then waits for ever.
    """

    def call(*args: Any) -> Any:
        try:
            return function(*args)
        except StopIteration as error:
            raise RuntimeError(f"{function!r:.200} raised StopIteration") from error

    return call


def opened_here(source: Any) -> Any:
    """Returns what a source's function returns in this thread; leaves an async one alone."""
    if not is_function(source) or is_async(source):
        return source
    opened = source()
    if is_function(opened):
        raise _no_source(opened, source)
    return opened


def is_async(source: Any) -> bool:
    """Whether a source needs an event loop."""
    if isinstance(source, QuerySet):
        return False  # Its `async for` would fetch everything first.
    return (
        isinstance(source, AsyncIterable | Awaitable | Spawn)
        or inspect.isasyncgenfunction(source)
        or is_coroutine_function(source)
    )


def discard(source: Any) -> None:
    """Closes a source that was never opened, as far as that takes no event loop."""
    close = getattr(source, "close", None)
    if callable(close) and not is_coroutine_function(close):
        close()


def is_coroutine_function(function: Any) -> bool:
    """Whether calling it gives a coroutine; an object with an async `__call__` counts."""
    call = getattr(type(function), "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _push(source: Spawn, encode: Encode, to_item: ToItem | None) -> Push:
    if to_item is None or not is_coroutine_function(to_item):
        return Push(source.produce, encoding(encode, to_item, in_thread=False))

    async def produce(send: Send) -> None:
        async def send_item(value: Any) -> None:
            await send(await to_item(value))

        await source.produce(send_item)

    return Push(produce, encode)


def encoding(encode: Encode, to_item: ToItem | None, *, in_thread: bool) -> Encode:
    """Returns the function that takes a value of the source to its chunk, through `to_item`."""
    if to_item is None:
        return encode
    if is_coroutine_function(to_item):
        to_item = async_to_sync(to_item)
    if in_thread:
        return lambda value: encode(to_item(value))

    def encode_item(value: Any) -> bytes:
        try:
            return encode(to_item(value))
        except SynchronousOnlyOperation as error:
            raise SynchronousOnlyOperation(
                "to_item() or an item_type touched the database on the event loop, most likely "
                "through a relation. Name the relation in select_related() or prefetch_related(), "
                "or let stream() return the query set itself: then both run in a thread."
            ) from error

    return encode_item


class LoopFeed:
    """An asynchronous source, driven as it is."""

    def __init__(self, source: AsyncIterable[Any], encode: Encode, to_item: ToItem | None) -> None:
        self._iterator = aiter(source)
        self._to_item = None
        if is_coroutine_function(to_item):
            self._to_item, to_item = to_item, None
        self.encode = encoding(encode, to_item, in_thread=False)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._iterator if self._to_item is None else self._items(self._to_item)

    async def _items(self, to_item: ToItem) -> AsyncIterator[Any]:
        async for value in self._iterator:
            yield await to_item(value)

    async def athrow(self, error: BaseException) -> Any:
        """Raises an error at the `yield` where the source stands; returns what it yields next."""
        athrow = getattr(self._iterator, "athrow", None)
        if athrow is None:
            raise error
        value = await athrow(error)
        return value if self._to_item is None else await self._to_item(value)

    async def aclose(self) -> None:
        aclose = getattr(self._iterator, "aclose", None)
        if aclose is not None:
            await aclose()


class ThreadFeed:
    """A synchronous source, iterated, encoded and closed in the request's thread.

    The thread works in batches and is free between them, so that other synchronous code of the
    request gets its turn. Each item is handed over when it is made: the reader gets at once what is
    there, in one piece. A generator can only be closed between two items: nobody can interrupt a
    `time.sleep()`.
    """

    encode = staticmethod(bytes)  # What it yields is encoded; bytes() of bytes is the same object.

    def __init__(
        self,
        begin: Callable[[], Iterator[Any]],
        encode: Encode,
        to_item: ToItem | None,
        *,
        joins_chunks: bool = True,
    ) -> None:
        self._begin = begin
        self._joins_chunks = joins_chunks
        self.items = 0
        """How many items the source has made."""
        self._asynchronous: asyncio.Task[Any] | None = None  # An async to_item() that runs.
        if to_item is not None and is_coroutine_function(to_item):
            to_item = partial(self._followed, to_item)
        self._encode = encoding(encode, to_item, in_thread=True)
        self._iterator: Iterator[Any] | None = None
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._batch: asyncio.Task[None] | None = None
        self._lock = threading.Lock()  # Guards what both threads touch: the chunks.
        self._chunks: list[bytes] = []
        self._is_over = False
        self._is_closing = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while True:
            self._news.clear()
            if taken := self._take():
                return taken
            if self._batch is None or self._batch.done():
                self._begin_batch()
            await self._news.wait()

    async def aclose(self) -> None:
        self._is_closing = True
        if self._asynchronous is not None:
            self._asynchronous.cancel()
        if self._batch is not None:
            await asyncio.wait([self._batch])
            self._batch.result()
        if not self._is_over:
            await sync_to_async(guarded(self._end))()

    # On the event loop.

    async def _followed(self, to_item: ToItem, value: Any) -> Any:
        """Awaits `to_item`, so that it can be cancelled though a thread waits for it."""
        self._asynchronous = asyncio.current_task()
        try:
            return await to_item(value)
        finally:
            self._asynchronous = None

    def _take(self) -> bytes:
        with self._lock:
            if not self._joins_chunks:
                return self._chunks.pop(0) if self._chunks else b""
            chunks, self._chunks = self._chunks, []
        return b"".join(chunks)

    def _begin_batch(self) -> None:
        batch, self._batch = self._batch, None
        if batch is not None:
            batch.result()  # Raises what the source raised, after all that came before it.
        if self._is_over:
            raise StopAsyncIteration
        self._batch = asyncio.ensure_future(sync_to_async(guarded(self._run_batch))())
        self._batch.add_done_callback(lambda batch: self._news.set())

    # In the thread.

    def _run_batch(self) -> None:
        try:
            if self._iterator is None:
                self._iterator = self._begin()
            if self._has_more(self._iterator):
                return
        except BaseException:
            self._end()
            raise
        self._end()

    def _has_more(self, iterator: Iterator[Any]) -> bool:
        """Hands over items until the batch is full or its time is up; returns if more follow."""
        size, ends = 0, monotonic() + TURN_SECONDS
        for value in iterator if not self._is_closing else ():
            chunk = self._encode(value)
            self._hand_over(chunk)
            size += len(chunk)
            if self._is_closing:
                return False
            if size >= CAPACITY or monotonic() >= ends:
                return True
        return False

    def _hand_over(self, chunk: bytes) -> None:
        with self._lock:
            is_first = not self._chunks
            self._chunks.append(chunk)
            self.items += 1
        if is_first:
            self._loop.call_soon_threadsafe(self._news.set)

    def _end(self) -> None:
        self._is_over = True
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()
