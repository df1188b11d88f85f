"""Deciding upon a request anew, while its answer is still streaming."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http.response import HttpResponseBase
from django.urls import set_urlconf

from django_streams.release import release
from django_streams.responses import StreamResponse
from django_streams.views import Revalidation

from .exchange import EXCHANGE, Exchange

__all__ = ["is_still_allowed"]

_OF_THE_BODY = ("_body", "_post", "_files", "_read_started")


async def is_still_allowed(handler: ASGIHandler, request: Any) -> bool:
    """Returns whether a request would get through once more, and be answered with a stream.

    The whole middleware and the view see a fresh copy of it: session, user and permissions are
    looked up again. A `StreamView` says yes where it would build its response; a function view
    builds one, which is thrown away. The form, if it was read, is that of the first time; its CSRF
    token is not asked for again. What is needed for it, a thread and connections, is let go of.
    """
    verdict = Revalidation()
    async with ThreadSensitiveContext():
        try:
            fresh = handler.request_class({**request.scope, EXCHANGE: Exchange()}, BytesIO())
            vars(fresh).update(
                {name: vars(request)[name] for name in _OF_THE_BODY if name in vars(request)}
            )
            fresh._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
            fresh.revalidation = verdict  # type: ignore[attr-defined]
            set_urlconf(settings.ROOT_URLCONF)
            response = await handler._middleware_chain(fresh)  # type: ignore[attr-defined]
            await sync_to_async(_close)(response)
        finally:
            await release()
    return verdict.has_passed or isinstance(response, StreamResponse)


def _close(response: HttpResponseBase) -> None:
    """Closes what a response holds. Its `close()` would tell that a request has finished."""
    for close in response._resource_closers:  # type: ignore[attr-defined]
        close()
