"""The records of CSV.

Specification: RFC 4180 section 2.
"""

from __future__ import annotations

from collections.abc import Iterator

from django_streams.exceptions import TruncatedStream

from .base import Framing, Splitter
from .text import LineSplitter

__all__ = ["Records"]


class Records(Framing):
    """CSV (RFC 4180): one record a line, but a quoted field may have line breaks inside.

    The encoding writes the line end of a record, as it belongs to CSV itself.
    """

    def splitter(self, max_item: int) -> Splitter:
        return _RecordSplitter(max_item)


class _RecordSplitter(LineSplitter):
    """Joins the lines of a record again: where its quotes are odd in number, it has not ended.

    A quote inside a field is written twice (RFC 4180 2.7), which leaves the number even.
    """

    def __init__(self, max_item: int) -> None:
        super().__init__(max_item)
        self._is_quoted = False

    def close(self) -> Iterator[bytes]:
        if self._is_quoted:
            raise TruncatedStream(
                f"the stream ends inside a quoted field, {len(self._begun)} bytes into its record"
            )
        yield from super().close()

    def _cut(self, data: bytes) -> list[bytes]:
        lines = super()._cut(data)
        if not self._is_quoted and data.find(b'"') < 0:
            return lines
        records, begin = [], 0
        for end, line in enumerate(lines, 1):
            if line.count(b'"') & 1:
                self._is_quoted = not self._is_quoted
            if not self._is_quoted and end < len(lines):
                records.append(b"\n".join(lines[begin:end]))
                begin = end
        records.append(b"\n".join(lines[begin:]))
        return records
