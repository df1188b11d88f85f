"""How a client's mistake is answered."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.cache import patch_vary_headers

from django_streams.exceptions import ClientDisconnected, NotAcceptable, StreamError

__all__ = ["refusal"]


def refusal(error: StreamError) -> HttpResponse:
    """Returns the answer to a client's mistake: its status, its message as plain text."""
    response = HttpResponse(
        f"{error}\n",
        status=error.status,
        content_type="text/plain; charset=utf-8",
        headers=dict(error.headers),
    )
    if isinstance(error, NotAcceptable):
        patch_vary_headers(response, ["Accept"])
    if isinstance(error, ClientDisconnected):
        # Nobody gets it, and nothing went wrong: Django is not to log it as a failure.
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response
