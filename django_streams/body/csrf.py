"""The CSRF token of a form whose body is not read yet.

Django's check asks `request.POST` before the view is called, which for an unread body is empty. So
where the token can stand nowhere else, the form is read as far as its field, and what was read is
handed out again. That ends at the first file, so that a check which fails has cost no upload.
"""

from __future__ import annotations

from contextlib import aclosing

from django_streams.exceptions import (
    HeadersTooLarge,
    MalformedBody,
    PartTooLarge,
    TooManyParts,
    UnsupportedBody,
)

from .stream import BodyStream

__all__ = ["CSRF_FIELD", "find_csrf_token"]

CSRF_FIELD = "csrfmiddlewaretoken"
"""What Django's `{% csrf_token %}` calls it."""

MAX_TOKEN = 256
"""Bytes; Django's has 64."""

LOOKED_AT = 2**16
"""Bytes of a form in which the token is looked for: `{% csrf_token %}` is written first."""


async def find_csrf_token(body: BodyStream) -> str:
    """Returns the token in the fields before the first file of a form, or "".

    What is wrong with the form, the view will find. Raises `RequestTimeout` and `RequestAborted`,
    as reading the body does.
    """
    beginning = body.beginning(LOOKED_AT)
    try:
        async with aclosing(beginning) as chunks, aclosing(body.parts_of(chunks)) as parts:
            async for part in parts:
                if part.is_file:
                    return ""
                if part.name == CSRF_FIELD:
                    return (await part.read(MAX_TOKEN)).decode("ascii", "replace")
        return ""
    except (HeadersTooLarge, MalformedBody, PartTooLarge, TooManyParts, UnsupportedBody):
        return ""
