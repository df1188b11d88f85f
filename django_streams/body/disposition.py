r"""What Content-Disposition says of a body or of a part: its name, and the name of its file.

The header is the one of RFC 6266 in a request and of RFC 7578 4.2 in a part of multipart/form-data.
Headers are taken as ASGI and WSGI hand them on, one character for each byte (latin-1): where those
bytes are UTF-8, they are read as UTF-8.

Neither parser at hand fits: multipart's knows no `filename*`, and reads a parameter out of another
one's quotes; Django's (the one of Python's `email`) drops the backslashes that browsers mean.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

__all__ = [
    "Disposition",
    "clean_filename",
    "from_latin1",
    "parse_disposition",
    "parse_parameters",
    "parse_request_disposition",
]

# RFC 9110 5.6.6, and RFC 6266 4.1 with what is met in the wild: empty parameters, and values
# without quotes that are no tokens. A backslash escapes (RFC 9110 5.6.4) where that leaves a
# well-formed header, else it is a browser's, which never escapes by one (WHATWG HTML, "multipart
# form data"). No quantifier gives back what it took, so matching is linear.
_PARAMETER = re.compile(
    r"""(?xs)
    ;[ \t]*+
    (?:
        ([!\#$%&'*+\-.^_`|~0-9A-Za-z]++) [ \t]*+ = [ \t]*+
        (?: "((?:[^"\\]|\\.)*+)" | "([^"]*+)" | ([^";]*+) )
    )?
    [ \t]*+ (?=;|\Z)
    """
)

# The ext-value of RFC 8187 3.2.1, whose charset must be UTF-8; ISO-8859-1 was RFC 5987's.
_EXT_VALUE = re.compile(r"(?i)(utf-8|iso-8859-1)'[^']*'((?:[\x20-\x24\x26-\x7e]|%[0-9a-f]{2})*+)")

# Whatever JavaScript's escape() makes (ECMA-262 B.2.1.1), and next to nothing else.
_ESCAPED = re.compile(r"(?:[A-Za-z0-9@*_+\-./]|%u[0-9A-F]{4}|%[0-9A-F]{2})*+")
_ESCAPE = re.compile(r"%(?:u([0-9A-F]{4})|([0-9A-F]{2}))")

# 255 is what ext4, APFS and NTFS allow, the first two in bytes.
_MAX_FILENAME = 255
# A suffix beyond this is no file type, and is cut as the rest of the name is.
_MAX_SUFFIX = 32
# Spaces (Unicode's Zs) and dots: at the front they hide a file or climb; Windows drops those at
# the end, so that "x.php." would become "x.php".
_EDGES = ". \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"  # noqa: E501
# Controls, line ends, lone surrogates (no UTF-8), and what turns the direction of writing, by
# which "exe.png" is made to look like another name (Unicode TR36 2.10.3).
_UNWANTED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_UNWANTED = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Disposition:
    """What a Content-Disposition header says, decoded and otherwise as it was sent."""

    kind: str
    """`form-data`, `attachment`, ...; in lower case."""
    name: str | None = None
    """The name of the form's field."""
    filename: str | None = None
    """The file's name: for `clean_filename`, never for a path. "" if it cannot be read."""


def parse_disposition(value: str) -> Disposition:
    r"""Returns what the Content-Disposition of a part of multipart/form-data says.

    Names are written as browsers write them: `%22`, `%0D` and `%0A` are a quotation mark, CR and
    LF, and nothing else is escaped (WHATWG HTML, "multipart form data"). In a value with `\"` in
    it, backslashes escape instead, as older clients do. `filename*` goes before `filename`,
    although RFC 7578 4.2 allows none: some clients send it.

    Raises `ValueError` for what is no such header, or says one thing twice.
    """
    kind, parameters = parse_parameters(value, _from_browser)
    return Disposition(kind, parameters.get("name"), _filename(parameters))


def parse_request_disposition(value: str) -> Disposition:
    """Returns what the Content-Disposition of a request says (RFC 6266 4.1).

    `filename*` goes before `filename` (RFC 6266 4.3). In `filename`, backslashes escape, and a
    value that JavaScript's `escape()` can have made, as of Dioxus's browser client, is unescaped:
    `%E9` and `%u65E5` are code units. `%C3%A9`, which is UTF-8, is read as such.

    Raises `ValueError` for what is no such header, or says one thing twice.
    """
    kind, parameters = parse_parameters(value)
    filename = parameters.get("filename", "")
    if "%" in filename and _ESCAPED.fullmatch(filename):
        parameters["filename"] = _unescaped(filename)
    return Disposition(kind, parameters.get("name"), _filename(parameters))


def _from_quoted_string(text: str) -> str:
    """Resolves the quoted pairs of RFC 9110 5.6.4."""
    return re.sub(r"(?s)\\(.)", r"\1", text) if "\\" in text else text


def parse_parameters(
    value: str, unquote: Callable[[str], str] = _from_quoted_string
) -> tuple[str, dict[str, str]]:
    """Returns what stands before the first semicolon of a header, and the parameters behind it.

    The first and the parameters' names are in lower case. `unquote` gets what stood in quotes.
    Raises `ValueError` for a value that is not of this form, or names a parameter twice.
    """
    kind, semicolon, rest = from_latin1(value).partition(";")
    rest, position, parameters = semicolon + rest.rstrip(" \t"), 0, dict[str, str]()
    while position < len(rest):
        match = _PARAMETER.match(rest, position)
        if match is None:
            raise ValueError(f"not a list of parameters: {value!r}")
        name, escaped, quoted, plain = match.groups()
        if name is not None:
            name = name.lower()
            if name in parameters:
                raise ValueError(f"{name} is given twice: {value!r}")
            in_quotes = quoted if escaped is None else escaped
            parameters[name] = plain.rstrip(" \t") if in_quotes is None else unquote(in_quotes)
        position = match.end()
    return kind.strip(" \t").lower(), parameters


def from_latin1(text: str) -> str:
    """Returns a header whose bytes were decoded as latin-1 in UTF-8, if that is what they are."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def clean_filename(name: str) -> str:
    """Returns a name that is safe to use in a folder, or "" if nothing is left of it.

    Without a path (of either separator), without control characters, without dots and spaces at
    its ends; in Unicode's NFC; of at most 255 bytes in UTF-8, cut before the suffix. It may still
    be one that exists, or one that Windows keeps for itself (`NUL`, `a:b`): storages see to those.
    """
    name = re.split(r"[/\\]", name)[-1]
    kept = (char for char in name if char not in _UNWANTED)
    name = "".join(char for char in kept if unicodedata.category(char) not in _UNWANTED_CATEGORIES)
    name = unicodedata.normalize("NFC", name).strip(_EDGES)
    if len(name.encode()) <= _MAX_FILENAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) >= _MAX_SUFFIX:
        stem, dot, suffix = name, "", ""
    room = _MAX_FILENAME - len((dot + suffix).encode())
    # What is ignored is the piece of a code point that the cut left.
    return stem.encode()[:room].decode(errors="ignore").rstrip(_EDGES) + dot + suffix


def _filename(parameters: dict[str, str]) -> str | None:
    """Returns the name in `filename*`, or if that is not to be read the one in `filename`."""
    extended = parameters.get("filename*")
    plain = parameters.get("filename")
    if extended is None:
        return plain
    decoded = _from_ext_value(extended)
    return decoded if decoded is not None else plain or ""


def _from_ext_value(text: str) -> str | None:
    match = _EXT_VALUE.fullmatch(text)
    if match is None:
        return None
    charset, encoded = match.groups()
    try:
        return unquote_to_bytes(encoded).decode(charset)
    except UnicodeDecodeError:
        return None


def _from_browser(text: str) -> str:
    if '\\"' in text:
        return re.sub(r'\\([\\"])', r"\1", text)
    if "%" in text:
        return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
    return text


def _unescaped(text: str) -> str:
    """Undoes JavaScript's `escape()` (ECMA-262 B.2.1.2), which writes UTF-16 code units."""
    units = _ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
    joined = units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return from_latin1(joined)
