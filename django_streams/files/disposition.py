"""How a Content-Disposition is written (RFC 6266, RFC 8187).

Django's `content_disposition_header` writes a name that is not ASCII as `filename*` alone, which
leaves clients that know only `filename` without any, and fails for what is no UTF-8.
"""

from __future__ import annotations

import os
import re
import unicodedata
from urllib.parse import quote

__all__ = ["disposition_header"]

# RFC 8187 3.2.1: attr-char, beside letters and digits.
_ATTR_CHARS = "!#$&+-.^_`|~"
# RFC 6266 appendix D: browsers read escapes in `filename`, and quotes and backslashes differently.
# Taken apart, U+FF0F is a slash, and `filename` would have a directory.
_UNSAFE = re.compile(r'[^\x20-\x7e]|["\\%/]')
# What most names are, and stays as it is.
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")
# With these, "gpj.exe" is shown as "exe.jpg" (Unicode TR36 2.2); marks that are not seen can do
# the same to what stands beside them.
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_MAX_BYTES = 255
"""Of a name: as long as file systems take it. A browser cannot save a longer one, or cuts it."""


def disposition_header(filename: str | None, *, as_attachment: bool) -> str | None:
    """Returns the header for a file of that name; None if it would say nothing.

    Directories, control characters and marks of the direction are left out, and what is longer than
    255 bytes of UTF-8 is cut, before the suffix. A name that cannot stand in `filename` as it is
    gets a `filename*` besides, which goes before it (RFC 6266 4.3).
    """
    kind = "attachment" if as_attachment else "inline"
    if isinstance(filename, str) and _PLAIN.fullmatch(filename):
        return f'{kind}; filename="{filename}"'
    name = _cleaned(str(filename or ""))  # Perhaps a lazy string.
    if not name:
        return kind if as_attachment else None
    letters = unicodedata.normalize("NFKD", name)  # Accents apart, to be left out.
    plain = "".join(char for char in letters if not unicodedata.combining(char))
    ascii_name = _cut(_UNSAFE.sub("_", plain))  # One letter taken apart may be many.
    header = f'{kind}; filename="{ascii_name}"'
    if ascii_name == name:
        return header
    return f"{header}; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"


def _cleaned(name: str) -> str:
    """Returns the name without directories, controls and lone surrogates; none for `..`."""
    name = _TURNING.sub("", re.split(r"[/\\]", name)[-1])
    name = "".join(char for char in name if unicodedata.category(char) not in {"Cc", "Cs"}).strip()
    return _cut(name) if name.strip(".") else ""


def _cut(name: str) -> str:
    """Returns what fits in a file system of a name, with its suffix if that is not most of it."""
    if len(name.encode()) <= _MAX_BYTES:
        return name
    stem, suffix = os.path.splitext(name)
    if len(suffix.encode()) > _MAX_BYTES // 2:
        stem, suffix = name, ""
    kept = stem.encode()[: _MAX_BYTES - len(suffix.encode())]
    return kept.decode(errors="ignore").rstrip() + suffix
