"""`BodyFile`: a body that is one file, with its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django_streams.exceptions import BodyTooLarge

from .content import Content
from .disposition import clean_filename, parse_request_disposition

if TYPE_CHECKING:
    from .stream import BodyStream

__all__ = ["BodyFile", "whole_number"]


class BodyFile(Content):
    """A body that is one file: its name, and its bytes as they come."""

    name: str | None
    """The file's name, cleaned (`clean_filename`), from Content-Disposition; None if it says none.
    """
    size: int | None
    """Bytes, as Content-Length says, or else X-Content-Size; None if neither does."""

    def __init__(self, body: BodyStream, meta: Mapping[str, Any]) -> None:
        self._body = body
        self.content_type = body.content_type
        self.charset = body.charset
        self.size = body.size
        if self.size is None:
            self.size = whole_number(meta.get("HTTP_X_CONTENT_SIZE", ""))
        self.name = _filename(meta.get("HTTP_CONTENT_DISPOSITION", ""))

    @property
    def filename(self) -> str | None:
        """The name, as a part of a form calls it."""
        return self.name

    def __repr__(self) -> str:
        return f"<BodyFile {self.name!r} {self.content_type} {self.size}>"

    async def __anext__(self) -> bytes:
        return await anext(self._body)

    def _what(self) -> str:
        return self._body._what()

    def _certain_size(self) -> int | None:
        return self._body._certain_size()

    def _max_read(self) -> int | None:
        return self._body._max_read()

    def _too_large(self, max_bytes: int) -> BodyTooLarge:
        return self._body._too_large(max_bytes)


def whole_number(value: str) -> int | None:
    """Returns a number of bytes (RFC 9110 8.6), or None for what is none."""
    is_number = value.isascii() and value.isdigit() and len(value) < 20
    return int(value) if is_number else None


def _filename(disposition: str) -> str | None:
    """Returns the name of the file, or None if the header has none that can be read."""
    try:
        name = parse_request_disposition(disposition).filename
    except ValueError:
        return None
    return clean_filename(name) or None if name else None
