"""The headers of a stream."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from django.utils.http import content_disposition_header

from django_streams.formats import Format

__all__ = ["as_sent", "attachment"]

Header = tuple[str, str]

DEFAULTS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
"""What a stream says to caches and proxies unless the view says something else: keep nothing,
change nothing, hold nothing back (the last one is nginx's)."""


def as_sent(headers: Iterable[Header], *, is_compressed: bool) -> list[Header]:
    """Returns the headers as they leave: with the defaults that nobody has set otherwise."""
    headers = list(headers)
    names = {name.lower() for name, _ in headers}
    sent = [header for header in headers if not _says_nothing(*header)]
    if is_compressed:  # A view that says a length says that of its own bytes.
        sent = [_weakened(*header) for header in sent if header[0].lower() != "content-length"]
    return sent + [item for item in DEFAULTS.items() if item[0].lower() not in names]


def _says_nothing(name: str, value: str) -> bool:
    """Whether it is "Content-Encoding: identity", which keeps Django's GZipMiddleware away."""
    return name.lower() == "content-encoding" and value == "identity"


def _weakened(name: str, value: str) -> Header:
    """Returns a header for compressed content: a strong ETag would be one of other bytes (RFC 9110
    8.8.3.3).
    """
    is_strong = name.lower() == "etag" and value.startswith('"')
    return name, f"W/{value}" if is_strong else value


def attachment(filename: str, format: Format) -> str:
    """Returns the Content-Disposition (RFC 6266) of a stream that is saved as a file."""
    # A suffix is what follows the last dot of a name, as in PurePath, if it is not the first.
    filename = str(filename)  # Perhaps a lazy string, or a path.
    name = filename if PurePath(filename).suffix else f"{filename}{format.extension}"
    return content_disposition_header(True, name) or "attachment"
