"""`RequestSource`: a body that Django has received, or receives in its own way.

Under WSGI it is read from the server's file as it arrives; Django's ASGI handler and its test
clients have all of it. Where somebody has asked for `request.POST` by then, as Django's CSRF
middleware does if no header has the token, a form has been taken apart: its parts are those that
Django has found, fields before files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from math import inf
from typing import Any

from asgiref.sync import sync_to_async
from django.core.files.uploadedfile import UploadedFile
from django.http import UnreadablePostError
from django.http.request import RawPostDataException
from django.utils.datastructures import CaseInsensitiveMapping

from django_streams.exceptions import BodyTooLarge, TooManyParts

from .disposition import clean_filename
from .limits import BodyLimits
from .multipart import Part, PartLimits, part_too_large
from .multipart_headers import Head
from .receiving import Aborted

__all__ = ["RequestSource"]

CHUNK_BYTES = 2**16
"""Of a request's file, as much as servers hand over at a time."""


class RequestSource:
    """The body of a request that is not read from its connection."""

    is_in_blocks = True

    def __init__(self, request: Any) -> None:
        self._request = request
        self._is_begun = False
        self._held: deque[bytes | None] = deque()

    async def chunk(self) -> bytes | None:
        """Returns the next bytes, None at the end."""
        if not self._held:
            await sync_to_async(self._read)()
        return self._held.popleft()

    def form(self, limits: BodyLimits) -> AsyncIterator[Part] | None:
        """Returns the parts that Django has found, or None if it has not looked for them."""
        if not hasattr(self._request, "_post") or self._is_there:
            return None
        return _ParsedForm(limits).parts(self._request.POST, self._request.FILES)

    def _read(self) -> None:
        """Adds to what is held: what a thread returns is lost if its reader was interrupted."""
        if not (self._is_begun or self._is_there):
            raise RawPostDataException(
                "The body was read already, perhaps as request.POST: then it has parts(). A CSRF "
                "token in a header leaves it alone."
            )
        self._is_begun = True
        try:
            self._held.append(self._request.read(CHUNK_BYTES) or None)
        except UnreadablePostError as error:
            raise Aborted from error

    @property
    def _is_there(self) -> bool:
        """Whether nobody has begun to read it, or all of it is kept as `request.body`."""
        return hasattr(self._request, "_body") or not self._request._read_started


class _ParsedForm:
    """What Django has made of a form, in parts again."""

    def __init__(self, limits: BodyLimits) -> None:
        self.limits: PartLimits = limits
        self.count = 0
        self._max_size = inf if limits.max_size is None else limits.max_size
        self._size = 0
        self._part: Part | None = None
        self._chunks: Iterator[bytes] = iter(())

    async def parts(self, fields: Any, files: Any) -> AsyncIterator[Part]:
        for name, values in fields.lists():
            for value in values:
                yield self._begun(_head(name), len(value.encode()), iter([value.encode()]))
        for name, uploads in files.lists():
            for file in uploads:
                yield self._begun(_head(name, file), file.size, file.chunks(CHUNK_BYTES))
        self._part = None

    async def next_chunk(self, part: Part) -> bytes | None:
        """Returns some bytes of the part at hand, or None at its end."""
        if part is not self._part:
            raise RuntimeError(f"{part!r} can no longer be read: the next part was asked for.")
        return await sync_to_async(lambda: next(self._chunks, None))()

    def _begun(self, head: Head, size: int, chunks: Iterator[bytes]) -> Part:
        limits = self.limits
        self.count += 1
        if self.count > limits.max_parts:
            raise TooManyParts(f"the form has more than the {limits.max_parts} parts allowed")
        max_size = limits.max_field_size if head.filename is None else limits.max_part_size
        if max_size is not None and size > max_size:
            raise part_too_large(self.count, max_size)
        self._size += size
        if self._size > self._max_size:  # A body whose length nobody has announced.
            raise BodyTooLarge(f"the body has more than the {self._max_size} bytes allowed")
        self._chunks = chunks
        self._part = Part(self, head)
        return self._part


def _head(name: str, file: UploadedFile[bytes] | None = None) -> Head:
    """Returns the headers that the part had, as far as Django has kept them."""
    quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    headers = {"Content-Disposition": f'form-data; name="{quoted}"'}
    filename, content_type, charset = None, "text/plain", "utf-8"
    if file is not None:
        filename = clean_filename(file.name or "")
        content_type = (file.content_type or "application/octet-stream").lower()
        charset = _text(file.charset or "utf-8").lower()
        headers["Content-Disposition"] += f'; filename="{filename.replace(chr(34), "%22")}"'
        headers["Content-Type"] = file.content_type or content_type
    return Head(CaseInsensitiveMapping(headers), name, filename, content_type, charset)


def _text(charset: Any) -> str:
    """Returns the charset of a file: Django has bytes where its annotations say str."""
    return charset.decode("ascii", "replace") if isinstance(charset, bytes) else str(charset)
