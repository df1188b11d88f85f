"""`FileStreamResponse`: a file, or what of it the request asks for, in slices of 1 MiB.

What can be decided is decided when the response is made, in the thread of a sync view: the file is
open by then, the conditions and ranges of the request are evaluated, and what is small is read.
What is left is reading. Under ASGI that happens in the event loop's pool of threads, slice by
slice: so a slow client holds no thread. What is read of a storage elsewhere has threads of its own,
and a slow storage keeps none of the loop's.
"""

from __future__ import annotations

import logging
import os
import re
import weakref
from collections.abc import (
    AsyncIterator,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property
from tempfile import _TemporaryFileWrapper
from typing import Any
from urllib.parse import quote

from django.core.files import File
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import quote_etag

from django_streams.buffer import Sink
from django_streams.conf import conf
from django_streams.files import (
    SLICE_BYTES,
    FileShrunk,
    Openable,
    OpenedFile,
    Segment,
    Selection,
    disposition_header,
    guess_content_type,
    open_file,
    select,
)

from .file_body import FileBody, slices

__all__ = ["FileStreamResponse"]

logger = logging.getLogger("django.request")

SMALL_BYTES = 2**16
"""A body up to this is read where the file is opened: for one slice, a change of threads costs more
than reading."""

_TEXTUAL = re.compile(r"text/|[^;]*[/+](?:json|xml|javascript|wasm)\b", re.IGNORECASE)

_OF_THE_FILE = frozenset(
    {"content-disposition", "content-encoding", "content-language", "content-range", "content-type"}
)
"""What a refusal, or an answer without a body, does not say (RFC 9110 15.4.5)."""


class FileStreamResponse(StreamingHttpResponse):
    """A response with a file: a path, a Django file, any binary file, bytes, or what makes bytes.

        def invoice(request, pk):
            return FileStreamResponse(request, get_object_or_404(Invoice, pk=pk).pdf)

    Answers conditions and ranges as of RFC 9110 13 and 14. `as_attachment`: whether a browser is to
    save it; `filename`: as what, the file's own name unless given. `content_type`: the media type,
    guessed from the file's own name unless given, or from `filename` if it has none. `etag`: the
    entity tag, where the file has one of its own. `headers`: more of them; those that say what is
    sent are not replaced. Raises `FileNotFoundError` if there is no such file.

    The file is closed with the response, or at once if it is small and was read. It is opened when
    the response is made, and that blocks: an async view makes the response by `sync_to_async`.
    Bytes that are made by way of the database are for a `StreamResponse`: here they would be made
    in several threads.
    """

    is_broken_off = False
    """Whether the body was left without its end, as the file could not be read on."""
    is_delivered = False
    """Whether all of the body was handed to the server."""
    exchange: Any = None
    """What our ASGI handler keeps of the request and its answer."""
    block_size = SLICE_BYTES
    """What a server's `wsgi.file_wrapper` reads at once, if it reads."""

    def __init__(
        self,
        request: HttpRequest,
        file: Openable | OpenedFile,
        *,
        as_attachment: bool = False,
        filename: str | None = None,
        content_type: str | None = None,
        etag: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._request = request
        self._file = file if isinstance(file, OpenedFile) else open_file(file)
        if etag is not None:
            self._file = replace(self._file, etag=quote_etag(etag))
        try:
            self._path = _lasting_path(self._file, file)
            selection = self._selected(content_type or _guessed(self._file, filename))
            self._is_whole = selection.is_whole
            self._is_servers = self._is_whole and _is_text(self._path) and conf.pathsend
            self._sealed = selection.headers if selection.status == 206 else {}
            self._begin(selection)
            self._describe(filename or self._file.name, as_attachment=as_attachment)
            if as_attachment or not self._is_whole or not _is_compressible(selection):
                # GZipMiddleware leaves alone what is encoded. It would make nonsense of a range,
                # and keep a download that was interrupted from being resumed.
                self.headers["Content-Encoding"] = "identity"
            self._add_headers(headers or {}, selection.headers)
        except BaseException:
            self._file.close()
            raise

    # Deciding.

    def _selected(self, content_type: str) -> Selection:
        """Returns what is sent: what the request asks for, or a header by which the web server
        sends the file, if a setting says so; that evaluates conditions and ranges itself.
        """
        path, headers = self._path, {"Content-Type": content_type}
        if path is not None and conf.x_sendfile:
            # Apache and lighttpd decode it; a header could not carry every path as it is.
            return Selection(status=200, headers=headers | {"X-Sendfile": _quoted(path)})
        if path is not None and (url := _internal_url(path, conf.x_accel_redirect)):
            return Selection(status=200, headers=headers | {"X-Accel-Redirect": url})
        request = self._request
        return select(request.method or "GET", request.headers, self._file, content_type)

    def _begin(self, selection: Selection) -> None:
        """Makes the response, with what is to be read of the file."""
        # RFC 9110 9.3.2 and 15.4.5. A middleware that compresses nothing makes a few bytes of it.
        self._has_body = self._request.method != "HEAD" and selection.status != 304
        self._body = FileBody(self._request, self._file, self._segments(selection))
        is_async = hasattr(self._request, "scope")
        self._chunks: Any = self._body.async_chunks() if is_async else self._body.sync_chunks()
        super().__init__(self._chunks, status=selection.status)
        del self.headers["Content-Type"]
        if self._body.is_in_memory:
            self._body.close()
        else:
            # When the response is closed; or dropped, for nobody closes it if a middleware raises.
            closer = weakref.finalize(self, self._body.close)
            self._resource_closers.append(closer)  # type: ignore[attr-defined]

    def _segments(self, selection: Selection) -> Sequence[Segment]:
        """Returns what the body consists of: bytes already, if they are few."""
        if not self._has_body:
            return []
        length = selection.headers.get("Content-Length")
        if length is None or int(length) > SMALL_BYTES:
            return selection.segments
        return [b"".join(slices(self._file, selection.segments))]

    def _describe(self, filename: str | None, *, as_attachment: bool) -> None:
        if self.status_code in (200, 206):
            disposition = disposition_header(filename, as_attachment=as_attachment)
            if disposition is not None:
                self.headers["Content-Disposition"] = disposition
            if self._file.size is not None:
                self.headers["X-Content-Size"] = str(self._file.size)
        # A browser that guesses another type could be made to run what was uploaded.
        self.headers["X-Content-Type-Options"] = "nosniff"

    def _add_headers(self, given: Mapping[str, str], selected: Mapping[str, str]) -> None:
        has_file = self.status_code in (200, 206)
        for name, value in given.items():
            if has_file or name.lower() not in _OF_THE_FILE:
                self.headers[name] = value
        for name, value in selected.items():
            self.headers[name] = value

    def items(self) -> Any:
        """Returns the headers as they are sent: what says which part of a file it is, as it was."""
        unencoded = ("Content-Encoding", "identity")
        headers = [item for item in super().items() if item != unencoded]
        if self._sealed:
            names = {"content-encoding", "content-range", *map(str.lower, self._sealed)}
            headers = [item for item in headers if item[0].lower() not in names]
            headers += self._sealed.items()
        return headers

    # Sending.

    @property
    def streaming_content(self) -> Any:
        """What is sent of the file, as Django has it.

        A middleware may assign something else, but not in place of a part of the file: its client
        puts parts of one file together, and the length of each has been told. What is assigned is
        let go, and the part is read once more: to make it, the middleware may have read it.
        """
        return super().streaming_content

    @streaming_content.setter
    def streaming_content(self, value: Any) -> None:
        is_async = bool(vars(self).get("is_async"))  # Django's constructor assigns the first.
        self._set_streaming_content(value)  # type: ignore[attr-defined]
        if self._sealed and value is not self._chunks:
            self._send_own(is_async=is_async)

    def _send_own(self, *, is_async: bool) -> None:
        self._chunks = self._body.async_chunks() if is_async else self._body.sync_chunks()
        self._set_streaming_content(self._chunks)  # type: ignore[attr-defined]

    @property
    def has_own_content(self) -> bool:
        """Whether no middleware has wrapped or replaced what is sent."""
        return self._iterator is self._chunks  # type: ignore[attr-defined]

    @property
    def is_in_memory(self) -> bool:
        """Whether nothing is left to be read."""
        return self._body.is_in_memory

    def attach(self, sender: type) -> None:
        """Learns the handler that sends it: a failure midway is told with it."""
        self._body.sender = sender

    @property
    def only_message(self) -> dict[str, Any] | None:
        """The ASGI message with all of the body, if it takes only one: what is in memory, or the
        path of the file, if the server offers to send files (the "pathsend" extension).
        """
        if self._body.is_in_memory:
            return {"type": "http.response.body", "body": b"".join(self._body.sync_chunks())}
        scope = getattr(self._request, "scope", {})
        is_offered = "http.response.pathsend" in (scope.get("extensions") or {})
        # It may have been deleted by now, or written anew: then its length is another.
        if is_offered and self._is_servers and self._file.is_in_place:
            return {"type": "http.response.pathsend", "path": self._path}
        return None

    async def pour(self, sink: Sink) -> None:
        """Writes each slice; raises `BrokenOff` if the file cannot be read on."""
        async with aclosing(self._chunks) as chunks:
            async for chunk in chunks:
                await sink.write(chunk)
                del chunk  # Before the next but one is read: two slices are held, and not three.

    @cached_property
    def file_to_stream(self) -> Any:
        """What Django's WSGI handler gives to a server's `wsgi.file_wrapper`; None if it cannot."""
        if not self._is_whole or self._body.is_in_memory or not self.has_own_content:
            return None
        file = self._file.duplicate()
        if file is not None:
            self._resource_closers.append(file.close)  # type: ignore[attr-defined]
        return file

    def close_file(self) -> None:
        """Closes the file alone; `close()` also does what Django does when a response has ended."""
        self._body.close()

    def close(self) -> None:
        """Closes the file. Raises `FileShrunk`, and reports it, if the server has been given it and
        cannot have sent all: gunicorn's sendfile() says nothing, and would send the next answer as
        the rest.
        """
        given: Any = vars(self).get("file_to_stream")
        size = None if given is None or given.closed else os.fstat(given.fileno()).st_size
        super().close()
        if size is not None and size < (self._file.size or 0):
            error = FileShrunk(f"{self._file.name or 'The file'} has shrunk while it was sent.")
            self._body.report(error)  # Of what close() raises, some servers tell no more than that.
            raise error

    def __iter__(self) -> Iterator[bytes]:
        if not self._has_body:
            return iter(())
        if self.has_own_content and self.is_async:
            self._send_own(is_async=False)
        return super().__iter__()

    def __aiter__(self) -> AsyncIterator[bytes]:
        if not self._has_body:
            return _nothing()
        if self.has_own_content and not self.is_async:
            self._send_own(is_async=True)
        return super().__aiter__()


def _is_compressible(selection: Selection) -> bool:
    """Whether compressing pays: text does, and most of what is large is compressed already."""
    content_type = selection.headers.get("Content-Type", "")
    return bool(_TEXTUAL.match(content_type))


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def _guessed(file: OpenedFile, filename: str | None) -> str:
    """Returns the media type: the name under which a file is kept tells more than a new one."""
    return file.content_type if file.name or not filename else guess_content_type(filename)


def _lasting_path(opened: OpenedFile, given: Any) -> str | None:
    """Returns the path; None if the file is deleted when it is closed: before a server comes."""
    if opened.path is not None:
        while isinstance(given, File) and not given.closed:
            given = given.file
    return None if isinstance(given, _TemporaryFileWrapper) else opened.path


def _is_text(path: str | None) -> bool:
    """Whether there is a path, and a server can be told: names on disk need not be UTF-8, but the
    strings of ASGI are.
    """
    return path is not None and not any("\ud800" <= char <= "\udfff" for char in path)


def _internal_url(path: str, places: Mapping[str, str]) -> str | None:
    """Returns the URL by which a web server knows a file, if it lies in one of the folders."""
    real_path = os.path.realpath(path) if places else path
    for folder, url in sorted(places.items(), key=lambda place: len(place[0]), reverse=True):
        root = os.path.join(os.path.realpath(folder), "")
        if real_path.startswith(root):
            return quote(url) + _quoted(real_path.removeprefix(root))
    return None


def _quoted(path: str) -> str:
    return quote(os.fsencode(path))  # Its bytes: they need not be UTF-8.
