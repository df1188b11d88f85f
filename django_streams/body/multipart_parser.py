"""The push parser of the `multipart` library, held to what a form over HTTP needs.

What is added to it, each because version 2.0.1 lacks it:

- A preamble (RFC 2046 5.1.1) is found to be one, or not, however the body is cut, and is bounded.
- The headers of a part are bounded together, not each for itself.
- Headers come to the parser in whole lines or in large pieces: it joins and searches all of a line
  that has begun with each piece, which for single bytes took a time quadratic in the line.
- Folded headers are refused (RFC 9112 5.2 ended them for HTTP): each fold decodes its header anew.
- So are control characters, among them the bare LF that it takes or refuses as the body is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import inf

from multipart import MultipartSegment, ParserError, ParserLimitReached, PushMultipartParser

__all__ = ["Event", "FormParser"]

Event = MultipartSegment | bytes | None
"""The beginning of a part, some of its content (never empty), or its end."""

# No HTTP client sends a preamble; a line or two of one may be a mail composer's.
_MAX_PREAMBLE = 2**10
# Pieces of a line are joined up to this: the most that waits, and an eighth of the usual limit.
_PIECE = 2**10
# RFC 9110 5.5: CR, LF and NUL are dangerous, and no other control character but HTAB is valid.
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class FormParser(PushMultipartParser):
    """Makes events of chunks. Raises only `multipart.MultipartError`, and is spent then.

    A `ParserLimitReached` is always about the headers of a part: parts and their bytes are for the
    caller to count. `strict` is off because that mode refuses a last CRLF in a chunk of its own.
    """

    def __init__(self, boundary: str, *, max_header_size: int, max_headers: int) -> None:
        super().__init__(
            boundary,
            max_header_size=max_header_size,
            max_header_count=max_headers,
            max_segment_size=inf,
            max_segment_count=inf,
            # One character for each byte, as `from_latin1` takes them.
            header_charset="latin-1",
            strict=False,
        )
        self._first = f"--{boundary}".encode()
        # The first boundary needs no CRLF before it: it gets one, and all need it.
        self._held = bytearray(b"\r\n")
        self._is_begun = False
        self._is_inside = False
        self._header_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yields the events of a chunk; to be exhausted before the next."""
        if not self._is_inside:
            chunk = self._in_lines(chunk) if self._is_begun else self._after_preamble(chunk)
        if chunk:  # To the library, an empty one is the end.
            for event in self.parse(chunk):
                if not isinstance(event, bytes):
                    self._is_inside = event is not None
                    self._header_bytes = 0
                yield event

    def end(self) -> None:
        """Says that the body has ended; raises `ParserError` if its final boundary has not come."""
        if not self._is_begun:
            raise ParserError("it ends before its first boundary")
        rest = bytes(self._held)
        self._held.clear()
        if rest:  # Less than a line, so no event: of a final boundary, or of what follows one.
            list(self.parse(rest))
        try:
            list(self.parse(b""))
        except ParserError as error:
            raise ParserError("it ends before its final boundary") from error

    def _after_preamble(self, chunk: bytes) -> bytes:
        """Holds the chunk until there is a boundary; returns that and what is behind it."""
        self._held += chunk
        start = self._held.find(self._first, 2)
        earliest = start if start >= 0 else len(self._held) - len(self._first) + 1
        if earliest > _MAX_PREAMBLE + 2:
            raise ParserError(f"no boundary begins within its first {_MAX_PREAMBLE} bytes")
        if start < 0:
            return b""
        if self._held[start - 2 : start] != b"\r\n":
            raise ParserError("its first boundary does not begin a line")
        self._is_begun = True
        begun = bytes(self._held[start:])
        self._held.clear()
        return begun

    def _in_lines(self, chunk: bytes) -> bytes:
        """Holds the chunk until there is a whole line or a large piece of one; returns that."""
        is_ready = len(chunk) >= _PIECE or b"\n" in chunk
        if is_ready and not self._held:
            return chunk
        self._held += chunk
        if not is_ready and len(self._held) < _PIECE:
            return b""
        ready = bytes(self._held)
        self._held.clear()
        return ready

    def _on_segment_headerline(self, line: bytes) -> None:
        """Takes a line of a part's headers, without its CRLF; the library's own method."""
        # Before the size, as the library sees to it where the line comes in pieces.
        if b"\n" in line:
            raise ParserError("a header has a control character")
        self._header_bytes += len(line) + 2
        if self._header_bytes > self.max_header_size:
            raise ParserLimitReached("the headers of a part are too large")
        if line[:1] in (b" ", b"\t"):
            raise ParserError("a header is folded")
        if _CONTROL.search(line):
            raise ParserError("a header has a control character")
        super()._on_segment_headerline(line)
