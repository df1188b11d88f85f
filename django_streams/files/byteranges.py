"""The body of an answer with several ranges: multipart/byteranges (RFC 9110 14.6, RFC 2046 5.1).

`ByteRanges` says what the body is made of, and how long it is, before anything of the file is read.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

from django.http import BadHeaderError

from .ranges import ByteRange, content_range

__all__ = ["ByteRanges"]


class ByteRanges:
    """Several ranges of a file of `size` bytes and the media type `content_type`, as one body.

    Raises `BadHeaderError` for a `content_type` with a line break in it, which would begin another
    header of each part, and `UnicodeEncodeError` for one that is not latin-1.
    """

    content_type: str
    """The Content-Type of the answer, with the boundary."""
    content_length: int
    """Bytes of the whole body."""

    def __init__(self, ranges: Sequence[ByteRange], *, size: int, content_type: str) -> None:
        if "\r" in content_type or "\n" in content_type:
            raise BadHeaderError(f"A Content-Type cannot have line breaks: {content_type!r}")
        # 128 random bits: no file has them, unless it was made of the answer.
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/byteranges; boundary={boundary}"
        self._ranges = ranges
        self._heads = [
            f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\n"
            f"Content-Range: {content_range(found, size)}\r\n\r\n".encode("latin-1")
            for found in ranges
        ]
        self._end = f"\r\n--{boundary}--\r\n".encode("latin-1")
        # The first boundary needs no line end before it (RFC 2046 5.1.1).
        self._heads[0] = self._heads[0].removeprefix(b"\r\n")
        literal = sum(map(len, self._heads)) + len(self._end)
        self.content_length = literal + sum(stop - start for start, stop in ranges)

    def segments(self) -> Iterator[bytes | ByteRange]:
        """Yields what the body consists of: bytes as they are, and ranges of the file."""
        for head, found in zip(self._heads, self._ranges, strict=True):
            yield head
            yield found
        yield self._end
