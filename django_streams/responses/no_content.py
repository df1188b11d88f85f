"""The answer of a stream that has nothing to say."""

from __future__ import annotations

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.datastructures import CaseInsensitiveMapping

__all__ = ["no_content"]


def no_content(response: HttpResponseBase) -> HttpResponse:
    """Returns 204, which may be kept for as long as the stream (RFC 9110 15.3.5)."""
    headers = CaseInsensitiveMapping(dict(response.items()))
    answer = HttpResponse(status=204, headers={"Cache-Control": headers["Cache-Control"]})
    del answer["Content-Type"]
    return answer
