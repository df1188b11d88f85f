"""Deciding upon a request anew, while its answer is still streaming."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.core.handlers.asgi import get_script_prefix as asgi_prefix
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import get_script_name as wsgi_prefix
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix, set_urlconf

from django_streams.release import let_go

__all__ = ["EXCHANGE", "Revalidation", "is_still_allowed"]

EXCHANGE = "django_streams.exchange"
"""The key of a request's scope under which our ASGI handler keeps what it knows of it."""

_OF_THE_BODY = frozenset({"_body", "_post", "_files", "_read_started"})


class Revalidation:
    """What the copy of a request carries that is decided upon anew, as `request.revalidation`."""

    def __init__(self) -> None:
        self.answer = HttpResponse(status=204)
        """What a view returns where it would return a stream."""


async def is_still_allowed(request: Any) -> bool:
    """Returns whether a request would get through once more, and be answered with a stream.

    The whole middleware and the view see a fresh copy of it: session, user and permissions are
    looked up again. Where a `StreamView` would build its response it returns an empty one, which
    has to come through: a middleware may refuse what the view has let pass. A function view builds
    a stream, which is thrown away. The form, if it was read, is that of the first time, and its
    CSRF token is not asked for again. Thread and connections are let go of afterwards.
    """
    request = getattr(request, "_request", request)  # Django's, if this is REST framework's.
    verdict = Revalidation()
    async with ThreadSensitiveContext():
        try:
            fresh = _copied(request)
            fresh.revalidation = verdict
            _set_script_prefix(request)
            set_urlconf(settings.ROOT_URLCONF)
            response = await _middleware(tuple(settings.MIDDLEWARE))(fresh)
            await sync_to_async(_close)(response)
        finally:
            await let_go()
    # Of a function view's stream nothing was started.
    return response is verdict.answer or hasattr(response, "live")


def _set_script_prefix(request: Any) -> None:
    """Lets URLs be reversed to where the project is mounted, as handlers do."""
    is_async = hasattr(request, "scope")
    prefix = asgi_prefix(request.scope) if is_async else wsgi_prefix(request.environ)
    set_script_prefix(prefix or "/")


@lru_cache(maxsize=1)
def _middleware(names: tuple[str, ...]) -> Any:
    """Returns the middleware with the views behind it, whichever handler serves the project."""
    handler: Any = BaseHandler()
    handler.load_middleware(is_async=True)
    return handler._middleware_chain


def _copied(request: Any) -> Any:
    """Returns a request as it was before any middleware has seen it."""
    if hasattr(request, "scope"):
        scope = {key: value for key, value in request.scope.items() if key != EXCHANGE}
        fresh = type(request)(scope, BytesIO())
    else:
        fresh = type(request)({**request.environ, "wsgi.input": BytesIO()})
    given = vars(request)
    vars(fresh).update({name: given[name] for name in _OF_THE_BODY & given.keys()})
    fresh._dont_enforce_csrf_checks = True
    return fresh


def _close(response: HttpResponseBase) -> None:
    """Closes what a response holds. Its `close()` would tell that a request has finished."""
    if hasattr(response, "live"):
        response.close_source()  # type: ignore[attr-defined]
    for close in response._resource_closers:  # type: ignore[attr-defined]
        close()
