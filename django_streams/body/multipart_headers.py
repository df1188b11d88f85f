"""What the headers of a form and of its parts say (RFC 7578 4).

All of it raises `ValueError` with a message that is safe to send.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.datastructures import CaseInsensitiveMapping

from .disposition import clean_filename, from_latin1, parse_disposition, parse_parameters

__all__ = ["Head", "boundary_of", "head_of", "type_and_charset"]

# RFC 2046 5.1.1: 1 to 70 characters, not ending in a space. It allows fewer of them than these
# ("*****" is in wide use), but none that cannot be seen.
_BOUNDARY = re.compile(r"[ -~]{0,69}[!-~]")
# RFC 7578 4.7 deprecates the header; these three mean that nothing is encoded (RFC 2045 6.2).
_IDENTITIES = frozenset({"7bit", "8bit", "binary"})


@dataclass(frozen=True)
class Head:
    """The headers of a part, and what they say; see `Part`."""

    headers: Mapping[str, str]
    name: str
    filename: str | None
    content_type: str
    charset: str


def boundary_of(content_type: str) -> str:
    """Returns the boundary that the Content-Type of a form names (RFC 7578 4.1)."""
    try:
        kind, parameters = parse_parameters(content_type)
    except ValueError:
        kind, parameters = "", {}
    boundary = parameters.get("boundary", "")
    if kind != "multipart/form-data" or not _BOUNDARY.fullmatch(boundary):
        raise ValueError(
            f"the Content-Type {content_type[:200]!r} is not multipart/form-data with a boundary "
            "of 1 to 70 visible ASCII characters"
        )
    return boundary


def head_of(lines: Iterable[tuple[str, str]]) -> Head:
    """Returns what the headers of a part say, whose values are in latin-1."""
    raw = dict[str, str]()
    for name, value in lines:
        if name in raw:
            raise ValueError(f"its header {name} is given twice")
        raw[name] = value.rstrip(" \t")
    headers = CaseInsensitiveMapping({name: from_latin1(value) for name, value in raw.items()})
    if headers.get("Content-Transfer-Encoding", "binary").lower() not in _IDENTITIES:
        raise ValueError("its Content-Transfer-Encoding is none that a form may have")
    try:
        disposition = parse_disposition(raw.get("Content-Disposition", ""))
    except ValueError as error:
        raise ValueError("its Content-Disposition is malformed") from error
    if disposition.kind != "form-data" or disposition.name is None:
        raise ValueError("its Content-Disposition is not form-data with a name")
    filename = None if disposition.filename is None else clean_filename(disposition.filename)
    content_type, charset = type_and_charset(headers.get("Content-Type", ""))
    return Head(headers, disposition.name, filename, content_type, charset)


def type_and_charset(content_type: str) -> tuple[str, str]:
    """Returns the media type and the charset, or RFC 7578's defaults (4.4 and 5.1.2).

    Browsers copy the type of a file from elsewhere: one that is malformed harms nobody.
    """
    try:
        kind, parameters = parse_parameters(content_type)
    except ValueError:
        kind, parameters = content_type.partition(";")[0].strip(" \t").lower(), {}
    return kind or "text/plain", parameters.get("charset", "").lower() or "utf-8"
