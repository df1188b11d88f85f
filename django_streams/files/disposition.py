"""How a Content-Disposition is written (RFC 6266, RFC 8187).

Django's `content_disposition_header` writes a name that is not ASCII as `filename*` alone, which
leaves clients that know only `filename` without any, and fails for what is no UTF-8.
"""

from __future__ import annotations

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
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
# With these, "gpj.exe" is shown as "exe.jpg" (Unicode TR36 2.2).
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def disposition_header(filename: str | None, *, as_attachment: bool) -> str | None:
    """Returns the header for a file of that name; None if it would say nothing.

    Directories, control characters and overrides of the direction are left out. A name that cannot
    stand in `filename` as it is gets a `filename*` besides, which goes before it (RFC 6266 4.3).
    """
    kind = "attachment" if as_attachment else "inline"
    if isinstance(filename, str) and _PLAIN.fullmatch(filename):
        return f'{kind}; filename="{filename}"'
    name = _cleaned(str(filename or ""))  # Perhaps a lazy string.
    if not name:
        return kind if as_attachment else None
    letters = unicodedata.normalize("NFKD", name)  # Accents apart, to be left out.
    plain = "".join(char for char in letters if not unicodedata.combining(char))
    ascii_name = _UNSAFE.sub("_", plain)
    header = f'{kind}; filename="{ascii_name}"'
    if ascii_name == name:
        return header
    return f"{header}; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"


def _cleaned(name: str) -> str:
    """Returns the name without directories, controls and lone surrogates; none for `..`."""
    name = _TURNING.sub("", re.split(r"[/\\]", name)[-1])
    name = "".join(char for char in name if unicodedata.category(char) not in {"Cc", "Cs"}).strip()
    return name if name.strip(".") else ""
