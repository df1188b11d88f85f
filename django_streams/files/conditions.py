"""Whether a request's conditions hold, and so what is sent of a file (RFC 9110 13).

`evaluate` is the whole of RFC 9110 13.2.2, with If-Range. Django's `get_conditional_response` knows
no If-Range, and departs from the RFC: an entity tag with a comma in it never matches, a malformed
If-Match counts as none, `*` does not match a file without an entity tag, a file without a date of
modification fails If-Unmodified-Since, and one of 1970-01-01 has none.
"""

from __future__ import annotations

import enum
import re
import time
from collections.abc import Mapping

from django.utils.http import parse_http_date_safe

__all__ = ["Outcome", "evaluate"]

# Room for 200 entity tags of ours. Longer lists match nothing.
_MAX_HEADER = 8 * 2**10

# RFC 9110 8.8.3: the W is in upper case, and a tag may have commas, but no spaces.
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+"'
_ENTITY_TAG = re.compile(_TAG)
# RFC 9110 5.6.1: empty elements are passed over. No quantifier gives back what it took.
_LIST = re.compile(rf"[ \t,]*+(?:{_TAG}[ \t]*+(?:,[ \t,]*+|\Z))*+")

# RFC 9110 13.1.2: other methods fail with 412 where these have nothing new to fetch.
_READING = frozenset({"GET", "HEAD"})
# RFC 9110 13.2.1: they neither select nor modify a representation.
_UNCONDITIONAL = frozenset({"CONNECT", "OPTIONS", "TRACE"})


class Outcome(enum.Enum):
    """What is to be sent."""

    WHOLE = "whole"
    """The whole file (200). A Range header, if there is one, is to be ignored."""
    RANGES = "ranges"
    """What the Range header asks for (206), if `parse_range` finds that it can be."""
    NOT_MODIFIED = "not modified"
    """That the client has it already (RFC 9110 15.4.5: 304)."""
    PRECONDITION_FAILED = "precondition failed"
    """That it is not what the client expects (RFC 9110 15.5.13: 412)."""


def evaluate(
    method: str, headers: Mapping[str, str], *, etag: str | None, last_modified: int | None
) -> Outcome:
    """Returns what a request gets of a file that exists (RFC 9110 13.2.2).

    `headers` are the request's (`HttpRequest.headers`). `etag` is the file's entity tag, in quotes
    and with `W/` if it is weak; `last_modified` the seconds since the epoch that Last-Modified has.
    Each may be None, if there is none. To be asked only if the answer would have been 200.
    """
    if method in _UNCONDITIONAL:
        return Outcome.WHOLE
    if not _is_as_expected(headers, etag, last_modified):
        return Outcome.PRECONDITION_FAILED
    if not _is_news(method, headers, etag, last_modified):
        return Outcome.NOT_MODIFIED if method in _READING else Outcome.PRECONDITION_FAILED
    if method != "GET" or "Range" not in headers:  # RFC 9110 14.2: no other method has ranges.
        return Outcome.WHOLE
    if_range = headers.get("If-Range")
    if if_range is None or _is_unchanged(if_range, etag, last_modified):
        return Outcome.RANGES
    return Outcome.WHOLE


def _is_as_expected(
    headers: Mapping[str, str], etag: str | None, last_modified: int | None
) -> bool:
    """Steps 1 and 2: If-Match (RFC 9110 13.1.1), else If-Unmodified-Since (13.1.4)."""
    if_match = headers.get("If-Match")
    if if_match is not None:
        return _is_any(if_match) or (_is_strong(etag) and etag in _parse_tags(if_match))
    since = _parse_date(headers.get("If-Unmodified-Since"))
    return since is None or last_modified is None or last_modified <= since


def _is_news(
    method: str, headers: Mapping[str, str], etag: str | None, last_modified: int | None
) -> bool:
    """Steps 3 and 4: If-None-Match (RFC 9110 13.1.2), else If-Modified-Since (13.1.3)."""
    if_none_match = headers.get("If-None-Match")
    if if_none_match is not None:
        tags = {tag.removeprefix("W/") for tag in _parse_tags(if_none_match)}
        return not _is_any(if_none_match) and (etag or "").removeprefix("W/") not in tags
    since = _parse_date(headers.get("If-Modified-Since"))
    if method not in _READING or since is None or last_modified is None:
        return True
    return last_modified > since


def _is_unchanged(if_range: str, etag: str | None, last_modified: int | None) -> bool:
    """Step 5: If-Range (RFC 9110 13.1.5), a strong entity tag or the very date of Last-Modified.

    A date is strong when its second is over (8.8.2.2): until then the file may change once more.
    """
    value = if_range.strip(" \t")
    if _ENTITY_TAG.fullmatch(value):
        return _is_strong(etag) and etag == value
    is_strong = last_modified is not None and last_modified < int(time.time())
    return is_strong and _parse_date(value) == last_modified


def _is_any(field: str) -> bool:
    """Whether any representation matches, and there is one: with or without an entity tag."""
    return field.strip(" \t") == "*"


def _is_strong(etag: str | None) -> bool:
    return etag is not None and not etag.startswith("W/")


def _parse_tags(field: str) -> list[str]:
    """Returns the entity tags in a list, or none of them if it is malformed or too long.

    So a malformed If-Match fails, and a malformed If-None-Match lets everything be sent: neither is
    taken for a field that is not there.
    """
    if len(field) > _MAX_HEADER or not _LIST.fullmatch(field):
        return []
    return _ENTITY_TAG.findall(field)


def _parse_date(field: str | None) -> int | None:
    """Returns the seconds since the epoch of a date in any format of RFC 9110 5.6.7.

    None for what is no date, and for several: such a field is ignored (RFC 9110 13.1.3).
    """
    return None if field is None else parse_http_date_safe(field.strip(" \t"))
