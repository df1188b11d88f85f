"""Which bytes a Range header asks for (RFC 9110 14).

`parse_range` turns the header into half-open pairs, `content_range` one of these into what the
answer says of it. A header that is malformed, of another unit or not worth its while is ignored,
which RFC 9110 14.2 allows at any time: everything is sent then.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from django_streams.exceptions import StreamError

__all__ = ["MAX_RANGES", "ByteRange", "RangeNotSatisfiable", "content_range", "parse_range"]

MAX_RANGES = 16
"""More parts than this are not made (RFC 9110 17.15); players and PDF readers ask for two or so."""

# Room for 50 ranges of the largest files there are. It bounds the work before there is any.
_MAX_HEADER = 2048

# Both numbers may be missing here, which is refused below. `\d` would take other scripts' digits.
_RANGE_SPEC = re.compile(r"([0-9]*+)-([0-9]*+)")

# Numbers are of any length (RFC 9110 14.1.2), but none of more digits than this is inside a file,
# and int() takes quadratic time.
_MAX_DIGITS = 19


class ByteRange(NamedTuple):
    """The bytes from `start` up to, and without, `stop`."""

    start: int
    stop: int


class RangeNotSatisfiable(StreamError):
    """No range that was asked for lies in the file (RFC 9110 15.5.17)."""

    status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes, and none in the range that was asked for.")
        self.headers = {"Content-Range": f"bytes */{size}"}


class _Spec(NamedTuple):
    """A range as it was asked for; only one of both may be missing."""

    first: int | None
    last: int | None
    """Inclusive; without `first`, how many bytes at the end."""

    @property
    def is_valid(self) -> bool:
        if self.first is None:
            return self.last is not None
        return self.last is None or self.first <= self.last

    def within(self, size: int) -> ByteRange:
        """Returns what there is of it in so many bytes, which may be nothing."""
        if self.first is None:
            return ByteRange(size - min(self.last or 0, size), size)
        stop = size if self.last is None else min(self.last + 1, size)
        return ByteRange(min(self.first, stop), stop)


def parse_range(header: str, size: int) -> list[ByteRange] | None:
    """Returns the ranges of a file of `size` bytes that are to be sent; None for all of it.

    Ranges that overlap or touch become one, which stands where the first of them was asked for;
    beyond that the order is the request's (RFC 9110 15.3.7.2). What reaches beyond the end is cut
    off there, and ranges that begin there are dropped.

    The header is ignored, with None as the result, if it is malformed, has another unit than
    bytes or more than 2048 characters; if more than `MAX_RANGES` remain; if the ranges together
    ask for more bytes than there are (which Go, nginx and Apache ignore as well); and if the file
    is empty, as everything is then what was asked for.

    Raises `RangeNotSatisfiable` if the header is well-formed and no range lies in the file.
    """
    specs = _parse_specs(header)
    if specs is None or size == 0:
        return None
    selected = [spec.within(size) for spec in specs]
    wanted = [found for found in selected if found.start < found.stop]
    if not wanted:
        raise RangeNotSatisfiable(size)
    if sum(stop - start for start, stop in wanted) > size:
        return None
    ranges = _coalesced(wanted)
    return ranges if len(ranges) <= MAX_RANGES else None


def content_range(found: ByteRange, size: int) -> str:
    """Returns the Content-Range of a part of a file of `size` bytes (RFC 9110 14.4)."""
    return f"bytes {found.start}-{found.stop - 1}/{size}"


def _parse_specs(header: str) -> list[_Spec] | None:
    """Returns the ranges as they were asked for, or None for a header that is to be ignored.

    Empty elements of the list and whitespace around its elements are passed over (RFC 9110 5.6.1).
    """
    unit, _, elements = header.partition("=")
    if len(header) > _MAX_HEADER or unit.strip(" \t").lower() != "bytes":
        return None
    texts = [text for element in elements.split(",") if (text := element.strip(" \t"))]
    matches = [match for text in texts if (match := _RANGE_SPEC.fullmatch(text))]
    specs = [_Spec(_number(match[1]), _number(match[2])) for match in matches]
    if not specs or len(specs) < len(texts) or not all(spec.is_valid for spec in specs):
        return None
    return specs


def _number(digits: str) -> int | None:
    if not digits:
        return None
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) <= _MAX_DIGITS else 10**_MAX_DIGITS


def _coalesced(wanted: list[ByteRange]) -> list[ByteRange]:
    """Merges what overlaps or touches, in the order in which the first of each was asked for."""
    merged: list[tuple[int, ByteRange]] = []
    for (start, stop), asked in sorted((found, asked) for asked, found in enumerate(wanted)):
        if merged and start <= merged[-1][1].stop:
            earlier, (start, reached) = merged.pop()
            asked, stop = min(asked, earlier), max(stop, reached)
        merged.append((asked, ByteRange(start, stop)))
    return [found for _, found in sorted(merged)]
