"""Reading what is sent of a file, in slices of 1 MiB, in threads that no slow client holds."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from functools import cache, partial

from asgiref.sync import sync_to_async
from django.core.signals import got_request_exception
from django.http import HttpRequest

from django_streams.exceptions import BrokenOff
from django_streams.files import OpenedFile, Segment
from django_streams.release import close_connections

from .daemons import DaemonPool

__all__ = ["FileBody", "slices"]

logger = logging.getLogger("django.request")

REMOTE_READS = 32
"""Slices of remote files that a process reads at once, each in a thread that waits: so many keep a
fast network busy. Further reads queue, one for each response."""


class FileBody:
    """What is sent of a file, read in slices. It does not know the response: without a cycle, one
    that is dropped closes its file at once.
    """

    sender: type | None = None

    def __init__(self, request: HttpRequest, file: OpenedFile, segments: Sequence[Segment]) -> None:
        self._request = request
        self._file = file
        self._segments = segments
        self.is_in_memory = all(isinstance(segment, bytes) for segment in segments)
        self._reads_ahead = not file.is_local
        self._reading = threading.Lock()
        self._is_closed = False

    def close(self) -> None:
        """Closes the file; if a thread is reading it, that thread does so when it has read."""
        self._is_closed = True
        if self._reading.acquire(blocking=False):  # It never waits: the loop may be what calls.
            try:
                self._file.close()
            finally:
                self._reading.release()

    def sync_chunks(self) -> Iterator[bytes]:
        """Yields the slices."""
        return slices(self._file, self._segments)

    async def async_chunks(self) -> AsyncGenerator[bytes, None]:
        """Yields the slices. Of a file that is not local the next one is read meanwhile: of a local
        one the system has read ahead itself, and a second thread would only be in the way.
        """
        slices = self.sync_chunks()
        if self.is_in_memory:
            for chunk in slices:
                yield chunk
            return
        pool = None if self._file.is_local else _remote_pool()
        read = partial(asyncio.get_running_loop().run_in_executor, pool, self._next, slices)
        reading = read()
        while (found := await reading) is not None:
            if isinstance(found, Exception):
                await sync_to_async(self.report)(found)
                name = type(found).__name__
                raise BrokenOff(f"the file could not be read: {name}") from found
            if self._reads_ahead:
                reading = read()
            yield found
            if not self._reads_ahead:
                reading = read()

    def _next(self, slices: Iterator[bytes]) -> bytes | Exception | None:
        """Returns the next slice, or what kept it from being read: nobody may be left to hear of an
        exception. Closes the file if there is nothing more to be had of it.
        """
        found: bytes | Exception | None
        with self._reading:
            try:
                found = next(slices, None)
            except Exception as error:  # noqa: BLE001 - Raised where it is awaited.
                found = error
            if not self._file.is_local:
                # A storage may have asked the database. No request owns this thread, and nobody
                # else would look after its connections.
                close_connections()
        if self._is_closed or isinstance(found, Exception):
            self.close()
        return found

    def report(self, error: Exception) -> None:
        """Tells the operator, as Django does of a failure in a view."""
        logger.error(
            "A file could not be sent to its end: %s",
            self._request.path,
            exc_info=error,
            extra={"status_code": 500, "request": self._request},
        )
        got_request_exception.send_robust(sender=self.sender, request=self._request)


@cache
def _remote_pool() -> DaemonPool:
    """Returns the threads that read what is not local, made when they are first needed.

    The event loop's own are few, 6 on a machine of 2 processors: as many reads of a storage that
    hangs would hold up every local file, and each look-up of a name.
    """
    return DaemonPool(REMOTE_READS, name="django_streams-files")


def slices(file: OpenedFile, segments: Sequence[Segment]) -> Iterator[bytes]:
    """Yields the segments of a file, in slices."""
    for segment in segments:
        if isinstance(segment, bytes):
            yield segment
        else:
            yield from file.slices(*segment)
