"""`get_wsgi_application()`: Django's WSGI handler, whose streams may still fail as a request does.

A server asks for the first chunk after `start_response()`: too late for another status. Here it is
asked for before, when the whole middleware chain has returned, as our ASGI handler does. All else
is Django's: each open stream has one of the server's threads, or processes, to itself.
"""

from __future__ import annotations

import django
from django.core.handlers.exception import response_for_exception
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.log import log_response

from .exceptions import NoContent, StreamError
from .responses import EXCHANGE, StreamResponse, keep_what_was_said, no_content
from .views import refusal

__all__ = ["StreamingWSGIHandler", "get_wsgi_application"]


class StreamingWSGIHandler(WSGIHandler):
    """Django's handler, which waits for the first item of a stream before it sends the headers."""

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        """Returns the response, started if it streams: here deciding ends and streaming begins."""
        request.META[EXCHANGE] = True  # It takes its place here, and not before the middleware.
        response: HttpResponseBase = super().get_response(request)
        if not isinstance(response, StreamResponse):
            return response
        response.attach(request, type(self))
        if request.method == "HEAD":
            response.close_source()
            response.streaming_content = ()
            return response
        return _started(request, response)


def get_wsgi_application() -> StreamingWSGIHandler:
    """Returns the WSGI application, for the project's `wsgi.py`, in place of Django's."""
    django.setup(set_prefix=False)
    return StreamingWSGIHandler()


def _started(request: HttpRequest, response: StreamResponse) -> HttpResponseBase:
    """Returns the response with its first item, or what answers the failure before it."""
    answer: HttpResponseBase
    try:
        response.live.admit()
        if response.has_own_content:
            response.prime()
        return response
    except NoContent:
        answer = no_content(response)
    except Exception as error:  # noqa: BLE001 - Django reports it, as it does a view's.
        if isinstance(error, StreamError) and error.is_clients:
            answer = refusal(error)
        else:
            answer = response_for_exception(request, error)
    answer._resource_closers += response._resource_closers  # type: ignore[attr-defined]
    keep_what_was_said(response, answer)
    if answer.status_code >= 400:
        log_response("%s: %s", answer.reason_phrase, request.path, response=answer, request=request)
    return answer
