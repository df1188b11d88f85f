"""What an answer that is sent in place of a stream keeps of it.

A middleware has seen the stream's response and nothing else, so what it says stands there: that
CORS permits the origin, `nosniff`, a policy, a session's cookie. Without that a page of another
origin could not even read the status. What describes the stream's content stays behind.
"""

from __future__ import annotations

from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

__all__ = ["keep_what_was_said"]

OF_THE_STREAM = frozenset(
    {
        # Its representation (RFC 9110 8) and its parts (RFC 9110 14). Not among them is
        # Content-Language: Django's middleware names the request's language by it.
        "accept-ranges",
        "content-digest",
        "content-disposition",
        "content-encoding",
        "content-length",
        "content-location",
        "content-range",
        "content-type",
        "etag",
        "last-modified",
        "repr-digest",
        "x-content-size",
        # How long it may be kept (RFC 9111 5): that is not to be said of an error.
        "age",
        "cache-control",
        "expires",
        # How it is framed (RFC 9112 6 and 7).
        "trailer",
        "transfer-encoding",
        # Where to go from it (RFC 9110 10.2).
        "location",
        "refresh",
        "retry-after",
        # What else a proxy is to send; nginx has more such headers, and a prefix for them.
        "x-sendfile",
    }
)
NGINX = "x-accel-"


def keep_what_was_said(stream: HttpResponseBase, answer: HttpResponseBase) -> None:
    """Gives the answer the headers and cookies of the stream, but those about its content.

    What the answer says itself stands. `no-store` is kept: what nobody may store has no error that
    anybody may.
    """
    for name, value in stream.headers.items():
        if name.lower() not in OF_THE_STREAM and not name.lower().startswith(NGINX):
            answer.headers.setdefault(name, value)
    if stream.has_header("Vary"):
        patch_vary_headers(answer, [name.strip() for name in stream["Vary"].split(",")])
    if "no-store" in stream.get("Cache-Control", ""):
        answer.headers.setdefault("Cache-Control", stream["Cache-Control"])
    answer.cookies.update(stream.cookies)
