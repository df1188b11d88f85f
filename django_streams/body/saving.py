"""An asynchronous stream of bytes becomes a file in a Django storage, while it arrives.

The storage's own code writes the file, in a thread of the upload's own, and reads a file object
that is fed from the event loop. So every storage works that reads its content from front to back,
nothing is kept but the block that is written, the one that waits and the one that is gathered, and
whoever is slower makes the other wait.

Each upload has a thread of its own: the request's would keep a view from asking the ORM meanwhile,
and in a pool a few slow clients would keep everybody else waiting. It begins when the first block
is whole or the stream has ended, so a slow client with a small file holds none, and has ended when
`save()` returns or raises. There are as many as there are uploads.

How a storage takes a file: https://docs.djangoproject.com/en/stable/howto/custom-file-storage/
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import sys
import threading
import time
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import IO, cast

from django.core.files import File
from django.core.files.storage import Storage, default_storage
from django.core.files.utils import validate_file_name
from django.db import connections

from .stored import StoredFile, stored_file

__all__ = ["BLOCK_BYTES", "Saved", "finish_saving", "save"]

BLOCK_BYTES = 2**19
"""Smaller chunks are gathered up to this size: 512 KiB makes the change of threads cheap, and four
of them, which there may be at a time, are not much for one upload."""

_MAX_CHUNKS = 2**10
"""Of a block: as bytes objects, those of a client that dribbles take more than their bytes."""


_threads: set[threading.Thread] = set()
"""Those that write, in this process."""


@dataclass(frozen=True)
class Saved:
    """A file that has been saved."""

    name: str
    """The name that the storage chose, for its `open()`, `url()` and `delete()`."""
    size: int
    """Bytes."""
    digest: str | None
    """Hexadecimal; None if none was asked for."""


async def save(
    chunks: AsyncIterable[bytes],
    name: str,
    *,
    storage: Storage | None = None,
    digest: str | None = None,
    max_length: int | None = None,
    size: int | None = None,
) -> Saved:
    """Writes the chunks to a file of a storage, and returns its final name, size and digest.

    `storage` is any Django storage (None: `default_storage`). As its `save()` does, it changes a
    name that is taken, keeps it within `max_length` characters, and creates directories. `digest`
    is a name for `hashlib.new()`, such as "sha256". `size`, in bytes, is for storages that ask
    their content for it before they read; give it if it is certain.

    If the stream or the storage raises or the task is cancelled, the file is deleted, and the
    exception goes on as it is; directories stay. What cannot be deleted is logged. A second
    cancellation does not wait for a storage that hangs: its thread deletes the file later.

    In a `FileSystemStorage` the file grows under a random name, ".<32 hexadecimal digits>.part", in
    the directory it will stand in, and gets its own when it is whole: at once, and never another
    file's unless the storage has `allow_overwrite`. Other storages, and subclasses that change how
    that one names or writes, may show the file while it grows. A file that was there before and
    that such a storage overwrites is not deleted: nobody can tell whether the storage has touched
    it. A storage that shows a file only when it is whole, as S3 does, gives two uploads of one name
    at one time the same name: give them names that differ.

    Raises `ValueError`, before a chunk is asked for, if the digest is unknown or of no fixed
    length; `SuspiciousFileOperation` for a name that leaves the storage; and what the stream or the
    storage raises.
    """
    validate_file_name(name, allow_relative_path=True)
    storage = default_storage if storage is None else storage
    file = stored_file(storage, name, max_length)
    return await _Upload(file, _hasher(digest), size).run(chunks)


async def finish_saving(seconds: float) -> None:
    """Waits, for so long at most, until what was broken off is deleted: the process is to end."""
    ends = time.monotonic() + seconds
    for thread in list(_threads):
        await asyncio.to_thread(thread.join, max(ends - time.monotonic(), 0))


def _hasher(digest: str | None) -> hashlib._Hash | None:
    if digest is None:
        return None
    with suppress(ValueError):
        hasher = hashlib.new(digest)
        if hasher.digest_size:
            return hasher
    names = sorted(n for n in hashlib.algorithms_guaranteed if not n.startswith("shake"))
    raise ValueError(
        f"digest is {digest!r}; it takes None or the name of a hash of fixed length that "
        f"hashlib.new() knows: {', '.join(names)}."
    )


class _BrokenOff(Exception):
    """Ends the storage's reading when the upload has; never leaves the thread."""


class _Upload:
    """One stream on its way to one file: the event loop fills blocks, a thread takes them."""

    def __init__(self, file: StoredFile, hasher: hashlib._Hash | None, size: int | None) -> None:
        self._file = file
        self._hasher = hasher
        self._content = _Content(_Reader(self._take), file.name, size)
        self._loop = asyncio.get_running_loop()
        # Of chunks, which the thread joins. Holds one block, and the end: an empty one.
        self._blocks: SimpleQueue[list[bytes]] = SimpleQueue()
        self._room = asyncio.Semaphore(1)
        self._thread: threading.Thread | None = None
        self._has_saved = self._loop.create_future()
        self._has_ended = self._loop.create_future()
        # Written on one side only, each.
        self._is_broken_off = False
        self._is_at_end = False
        self._size = 0
        self._name = ""
        self._error: BaseException | None = None

    # On the event loop.

    async def run(self, chunks: AsyncIterable[bytes]) -> Saved:
        """Pours the chunks into the file; undoes everything if it cannot."""
        try:
            await self._pour(chunks)
            thread = self._hand_over([])
            await asyncio.wait([self._has_saved, self._has_ended], return_when="FIRST_COMPLETED")
            self._raise_failure()
        except BaseException as error:
            self._is_broken_off = True
            self._blocks.put([])
            # A coroutine that is thrown away, or whose loop dies, has no time to wait.
            if isinstance(error, Exception | asyncio.CancelledError) and self._thread is not None:
                await asyncio.wait([self._has_ended])
                self._thread.join()
            raise
        self._blocks.put([])  # The file stays; no await from here on could undo it.
        thread.join()  # It waits for nothing else, and ends.
        digest = None if self._hasher is None else self._hasher.hexdigest()
        return Saved(self._name, self._size, digest)

    async def _pour(self, chunks: AsyncIterable[bytes]) -> None:
        gathered: list[bytes] = []
        size = 0
        async for chunk in chunks:
            self._raise_failure()
            if chunk:
                gathered.append(chunk)
                size += len(chunk)
            if size >= BLOCK_BYTES or len(gathered) == _MAX_CHUNKS:
                await self._put(gathered)
                gathered, size = [], 0
        if gathered:
            await self._put(gathered)

    async def _put(self, block: list[bytes]) -> None:
        await self._room.acquire()
        self._raise_failure()
        self._hand_over(block)

    def _hand_over(self, block: list[bytes]) -> threading.Thread:
        self._blocks.put(block)
        if self._thread is None:
            # A daemon: a loop that stops without cancelling its tasks must not keep the process.
            run = copy_context().run
            thread = threading.Thread(None, run, "django-streams-save", [self._work], daemon=True)
            thread.start()
            self._thread = thread
        return self._thread

    def _raise_failure(self) -> None:
        if self._error is not None:
            raise self._error

    # In the thread.

    def _work(self) -> None:
        _threads.add(threading.current_thread())
        try:
            self._save()
        except BaseException as error:  # noqa: BLE001 - It is raised on the event loop.
            self._file.delete()
            connections.close_all()
            self._error = error
        _threads.discard(threading.current_thread())
        with suppress(RuntimeError):  # The loop is closed.
            self._tell(self._end)

    def _save(self) -> None:
        """Saves the file, and returns when it is known to stay; raises if it does not."""
        self._name = self._file.write(self._content)
        while self._take():
            pass  # The storage did not want it, but size and digest are those of the stream.
        connections.close_all()  # Those of a storage that writes to a database.
        self._tell(lambda: self._has_saved.set_result(None))
        self._blocks.get()
        self._raise_if_broken_off()

    def _take(self) -> bytes:
        """Waits for the next block; b"" is the end of the stream, as often as it is asked for."""
        self._raise_if_broken_off()
        if self._is_at_end:
            return b""
        block = b"".join(self._blocks.get())
        self._raise_if_broken_off()
        self._tell(self._room.release)
        self._is_at_end = not block
        self._size += len(block)
        if self._hasher is not None:
            self._hasher.update(block)
        return block

    def _raise_if_broken_off(self) -> None:
        if self._is_broken_off:
            raise _BrokenOff("The upload broke off.")

    def _tell(self, news: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(news)

    def _end(self) -> None:
        self._has_ended.set_result(None)
        self._room.release()


class _Reader(io.BufferedIOBase):
    """Blocks as a file that is read once, from front to back."""

    mode = "rb"

    def __init__(self, take: Callable[[], bytes]) -> None:
        self._take = take
        self._block = b""
        self._offset = 0  # In the block.
        self._position = 0  # In the file.

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if offset == self._position and whence == os.SEEK_SET:
            return offset  # Storages go to the beginning before they begin.
        raise io.UnsupportedOperation("An upload passes by once; it cannot be read again.")

    def read(self, size: int | None = -1) -> bytes:
        wanted = sys.maxsize if size is None or size < 0 else size
        parts = []
        while wanted and (part := self.read1(wanted)):
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def read1(self, size: int = -1) -> bytes:
        if self._offset == len(self._block):
            self._block, self._offset = self._take(), 0
        end = len(self._block) if size < 0 else self._offset + size
        part = self._block[self._offset : end]
        self._offset += len(part)
        self._position += len(part)
        return part


class _Content(File):  # type: ignore[type-arg]  # Django's own class takes no parameter.
    """What a storage takes an upload for: a file whose end is not there yet."""

    size: int | None  # type: ignore[assignment]
    """Bytes; None if unknown, which storages that can send an unknown size understand."""

    def __init__(self, reader: _Reader, name: str, size: int | None) -> None:
        super().__init__(cast("IO[bytes]", reader), name)
        self._reader = reader
        self.size = size

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yields the blocks as they come, or pieces of the size that is asked for."""
        read = self._reader.read1 if chunk_size is None else self._reader.read
        return iter(partial(read, chunk_size or -1), b"")

    def multiple_chunks(self, chunk_size: int | None = None) -> bool:
        """Returns that there may be many."""
        return True
