"""`FileStreamResponse`: a file, or what of it the request asks for, in slices of 1 MiB.

What can be decided is decided when the response is made, in the thread of a sync view: the file is
open by then, the conditions and ranges of the request are evaluated, and what is small is read.
What is left is reading. Under ASGI that happens in the event loop's pool of threads, one slice
ahead of what is sent: so a slow client holds no thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import cached_property, partial
from typing import Any
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.core.signals import got_request_exception
from django.http import HttpRequest, StreamingHttpResponse

from django_streams.conf import conf
from django_streams.exceptions import BrokenOff
from django_streams.files import (
    Openable,
    OpenedFile,
    Segment,
    Selection,
    disposition_header,
    open_file,
    select,
)

__all__ = ["FileStreamResponse"]

logger = logging.getLogger("django.request")

SMALL_BYTES = 2**16
"""A body up to this is read where the file is opened: for one slice, a change of threads costs more
than reading."""


class FileStreamResponse(StreamingHttpResponse):
    """A response with a file: a path, a Django file, any binary file, bytes, or what makes bytes.

        def invoice(request, pk):
            return FileStreamResponse(request, get_object_or_404(Invoice, pk=pk).pdf)

    Answers conditions and ranges as of RFC 9110 13 and 14. `as_attachment`: whether a browser is to
    save it; `filename`: as what, the file's own name unless given. `content_type`: the media type,
    guessed from the name unless given. Raises `FileNotFoundError` if there is no such file. The
    file is closed with the response. It is opened at once, and that blocks: an async view makes the
    response by `sync_to_async`.
    """

    is_broken_off = False
    """Whether the body was left without its end, as the file could not be read on."""
    _handler_class: Any = None

    def __init__(
        self,
        request: HttpRequest,
        file: Openable | OpenedFile,
        *,
        as_attachment: bool = False,
        filename: str | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._request = request
        self._file = file if isinstance(file, OpenedFile) else open_file(file)
        try:
            selection = self._selected(content_type or self._file.content_type)
            self._is_whole = selection.is_whole
            self._segments = self._read_if_small(selection)
            self._body: Any
            self._body = self._async_chunks() if hasattr(request, "scope") else self._sync_chunks()
            super().__init__(self._body, status=selection.status)
        except BaseException:
            self._file.close()
            raise
        self._resource_closers.append(self._file.close)  # type: ignore[attr-defined]
        del self.headers["Content-Type"]
        self._describe(filename or self._file.name, as_attachment=as_attachment)
        for name, value in {**selection.headers, **(headers or {})}.items():
            self.headers[name] = value

    # Deciding.

    def _selected(self, content_type: str) -> Selection:
        """Returns what is sent: what the request asks for, or a header by which the web server
        sends the file, if a setting says so; that evaluates conditions and ranges itself.
        """
        path, headers = self._file.path, {"Content-Type": content_type}
        if path is not None and conf.x_sendfile:
            return Selection(status=200, headers=headers | {"X-Sendfile": path})
        if path is not None and (url := _internal_url(path, conf.x_accel_redirect)):
            return Selection(status=200, headers=headers | {"X-Accel-Redirect": url})
        request = self._request
        return select(request.method or "GET", request.headers, self._file, content_type)

    def _read_if_small(self, selection: Selection) -> Sequence[Segment]:
        """Returns what the body consists of: bytes already, if they are few."""
        if self._request.method == "HEAD":
            return []
        length = selection.headers.get("Content-Length")
        if length is None or int(length) > SMALL_BYTES:
            return selection.segments
        return [b"".join(self._slices(selection.segments))]

    def _describe(self, filename: str | None, *, as_attachment: bool) -> None:
        if self.status_code in (200, 206):
            disposition = disposition_header(filename, as_attachment=as_attachment)
            if disposition is not None:
                self.headers["Content-Disposition"] = disposition
            if self._file.size is not None:
                self.headers["X-Content-Size"] = str(self._file.size)
        # A browser that guesses another type could be made to run what was uploaded.
        self.headers["X-Content-Type-Options"] = "nosniff"
        if self.status_code == 206:
            # GZipMiddleware leaves alone what is encoded; a compressed range is none.
            self.headers["Content-Encoding"] = "identity"

    def items(self) -> Any:
        """Returns the headers as they are sent."""
        unencoded = ("Content-Encoding", "identity")
        return [item for item in super().items() if item != unencoded]

    @property
    def has_own_content(self) -> bool:
        """Whether no middleware has wrapped or replaced what is sent."""
        return self._iterator is self._body  # type: ignore[attr-defined]

    # Reading.

    @property
    def path(self) -> str | None:
        """The path of the file, for a server that sends it itself; None if it is not all of it."""
        is_left_to_read = self._is_whole and list(self._segments) == [(0, self._file.size)]
        return self._file.path if is_left_to_read else None

    @property
    def path_for_server(self) -> str | None:
        """The path, if the ASGI server offers to send files (ASGI "pathsend" extension)."""
        scope = getattr(self._request, "scope", {})
        return self.path if "http.response.pathsend" in scope.get("extensions", {}) else None

    async def pour(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Awaits `write` of each slice; raises `BrokenOff` if the file cannot be read on."""
        async with aclosing(self._async_chunks()) as chunks:
            async for chunk in chunks:
                await write(chunk)

    @cached_property
    def file_to_stream(self) -> Any:
        """What Django's WSGI handler gives to a server's `wsgi.file_wrapper`; None if it cannot."""
        file = self._file.duplicate() if self.path is not None and self.has_own_content else None
        if file is not None:
            self._resource_closers.append(file.close)  # type: ignore[attr-defined]
        return file

    def _slices(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        for segment in segments:
            if isinstance(segment, bytes):
                yield segment
            else:
                yield from self._file.slices(*segment)

    def _sync_chunks(self) -> Iterator[bytes]:
        return self._slices(self._segments)

    async def _async_chunks(self) -> AsyncGenerator[bytes, None]:
        """Yields the slices, and reads the next one meanwhile."""
        if all(isinstance(segment, bytes) for segment in self._segments):
            for segment in self._segments:
                yield segment  # type: ignore[misc]
            return
        slices = self._slices(self._segments)
        read = partial(asyncio.get_running_loop().run_in_executor, None, next, slices, None)
        reading = read()
        try:
            while (chunk := await self._read_ahead(reading)) is not None:
                reading = read()
                yield chunk
        finally:
            # A file must not be closed under a thread that reads it.
            await asyncio.wait([reading])

    async def _read_ahead(self, reading: asyncio.Future[bytes | None]) -> bytes | None:
        await asyncio.wait([reading])  # Not the future itself, which would be cancelled with us.
        try:
            return reading.result()
        except Exception as error:
            await sync_to_async(self._report)(error)
            raise BrokenOff(f"the file could not be read: {type(error).__name__}") from error

    def _report(self, error: Exception) -> None:
        """Tells the operator, as Django does of a failure in a view."""
        logger.error(
            "A file could not be sent to its end: %s",
            self._request.path,
            exc_info=error,
            extra={"status_code": 500, "request": self._request},
        )
        got_request_exception.send_robust(sender=self._handler_class, request=self._request)


def _internal_url(path: str, places: Mapping[str, str]) -> str | None:
    """Returns the URL by which a web server knows a file, if it lies in one of the folders."""
    for folder, url in places.items():
        root = os.path.join(os.path.realpath(folder), "")
        if os.path.realpath(path).startswith(root):
            return quote(url + os.path.realpath(path).removeprefix(root))
    return None
