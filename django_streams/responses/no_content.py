"""The answer of a stream that has nothing to say."""

from __future__ import annotations

from django.http import HttpResponse
from django.http.response import HttpResponseBase

__all__ = ["no_content"]


def no_content(response: HttpResponseBase) -> HttpResponse:
    """Returns 204 with the headers that view and middleware have set on a stream's response."""
    answer = HttpResponse(status=204)
    del answer["Content-Type"]
    for name, value in response.items():
        if name != "Content-Type":
            answer[name] = value
    return answer
