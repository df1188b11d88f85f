"""What of a file a request gets: a status, headers, and the pieces that its body consists of.

RFC 9110 13 decides whether anything is sent, 14 what. Headers that have to do with neither, such as
Content-Disposition, are the response's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.http import http_date

from .byteranges import ByteRanges
from .conditions import Outcome, evaluate
from .opened import OpenedFile
from .ranges import ByteRange, RangeNotSatisfiable, content_range, parse_range

__all__ = ["Segment", "Selection", "select"]

Segment = bytes | tuple[int, int | None]
"""Bytes as they are, or a range of the file: half-open, None being its end."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is sent of a file."""

    status: int
    headers: Mapping[str, str]
    segments: Sequence[Segment] = field(default=())
    """What the body consists of."""
    is_whole: bool = False
    """Whether the body is the file, and nothing else."""


def select(
    method: str, headers: Mapping[str, str], file: OpenedFile, content_type: str
) -> Selection:
    """Returns what a request gets; `headers` are the request's.

    200 with the whole file, 206 with one range or several (as multipart/byteranges), 304, 412, or
    416. A HEAD request gets the headers of its GET without a Range (RFC 9110 9.3.2, 14.2).
    """
    validators = _validators(file)
    modified = file.last_modified
    outcome = evaluate(method, headers, etag=file.etag, last_modified=modified)
    if outcome is Outcome.NOT_MODIFIED:
        return Selection(status=304, headers=validators)
    if outcome is Outcome.PRECONDITION_FAILED:
        return _refused(412, "The file is not as expected.", {})
    if outcome is Outcome.RANGES and file.size is not None and file.can_seek:
        try:
            ranges = parse_range(headers["Range"], file.size)
        except RangeNotSatisfiable as error:
            return _refused(416, str(error), error.headers)
        if ranges is not None:
            return _of_ranges(ranges, file.size, content_type, validators)
    return _whole(file, content_type, validators)


def _refused(status: int, reason: str, headers: Mapping[str, str]) -> Selection:
    text = f"{reason}\n".encode()
    of_text = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(text))}
    return Selection(status=status, headers={**headers, **of_text}, segments=[text])


def _validators(file: OpenedFile) -> dict[str, str]:
    validators = {}
    if file.etag is not None:
        validators["ETag"] = file.etag
    if file.last_modified is not None:
        validators["Last-Modified"] = http_date(file.last_modified)
    return validators


def _whole(file: OpenedFile, content_type: str, validators: Mapping[str, str]) -> Selection:
    sent = {**validators, "Content-Type": content_type}
    if file.size is None:
        sent["Accept-Ranges"] = "none"
        return Selection(status=200, headers=sent, segments=[(0, None)], is_whole=True)
    accepted = "bytes" if file.may_seek else "none"
    sent |= {"Accept-Ranges": accepted, "Content-Length": str(file.size)}
    return Selection(status=200, headers=sent, segments=[(0, file.size)], is_whole=True)


def _of_ranges(
    ranges: Sequence[ByteRange], size: int, content_type: str, validators: Mapping[str, str]
) -> Selection:
    sent = {**validators, "Accept-Ranges": "bytes"}
    if len(ranges) == 1:
        [found] = ranges
        sent |= {
            "Content-Type": content_type,
            "Content-Range": content_range(found, size),
            "Content-Length": str(found.stop - found.start),
        }
        return Selection(status=206, headers=sent, segments=ranges)
    several = ByteRanges(ranges, size=size, content_type=content_type)
    sent |= {
        "Content-Type": several.content_type,
        "Content-Length": str(several.content_length),
    }
    return Selection(status=206, headers=sent, segments=list(several.segments()))
