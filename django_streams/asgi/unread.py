"""Which requests keep their body unread, and how they are answered without having been read.

The view is looked up before Django does, and before there is a request, from what the connection
says alone. That may be wrong, as middleware may send the request elsewhere: so the handler asks
again when Django has found the view, and reads the body for one that wants it read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.core.handlers.asgi import get_script_prefix
from django.http import QueryDict
from django.urls import get_resolver
from django.utils import translation

from django_streams.body import CSRF_FIELD, Receiver, find_csrf_token
from django_streams.views import wants_body_stream

__all__ = ["answering", "awaits_continue", "leaves_body_unread", "lend_csrf_token"]

Scope = Mapping[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


def leaves_body_unread(scope: Scope, get_urlconf: Callable[[Any], Any]) -> bool:
    """Whether a request has a body, and is for a view that takes it unread."""
    if not _has_body(scope):
        return False
    urlconf = get_urlconf(scope) or settings.ROOT_URLCONF
    path: str = scope["path"]
    path = path.removeprefix(get_script_prefix(scope).rstrip("/"))
    try:
        with _language_of(path, urlconf):
            return wants_body_stream(get_resolver(urlconf).resolve(path).func)
    except Exception:  # noqa: BLE001 - Mostly a 404; Django comes to it again, and reports it.
        return False


def _has_body(scope: Scope) -> bool:
    """Whether there may be a body: over HTTP/1 a header says so (RFC 9112 6.3)."""
    headers = dict(scope["headers"])
    if b"content-length" in headers:
        return bool(headers[b"content-length"].strip(b"0 "))
    if b"transfer-encoding" in headers:
        return True
    is_http1 = scope.get("http_version", "1.1").startswith("1")
    return not is_http1 and scope["method"] not in ("GET", "HEAD", "OPTIONS", "TRACE")


@contextmanager
def _language_of(path: str, urlconf: Any) -> Iterator[None]:
    """Activates the language that a path begins with, where patterns ask for it."""
    if not (settings.USE_I18N and is_language_prefix_patterns_used(urlconf)[0]):
        yield
        return
    with translation.override(translation.get_language_from_path(path) or settings.LANGUAGE_CODE):
        yield


async def lend_csrf_token(request: Any, view: Any) -> None:
    """Puts the token of an HTML form into `request.POST`, where Django's check looks for it.

    Reads as little of the body as that takes, and nothing where it would be of no use: for a check
    that is not made, that the header decides, or that fails for want of a cookie.
    """
    if (
        request.method != "POST"
        or request.content_type != "multipart/form-data"
        or getattr(view, "csrf_exempt", False)
        or getattr(request, "_dont_enforce_csrf_checks", False)
        or request.META.get(settings.CSRF_HEADER_NAME)
        or not (settings.CSRF_USE_SESSIONS or settings.CSRF_COOKIE_NAME in request.COOKIES)
    ):
        return
    if token := await find_csrf_token(request.body_stream):
        request.POST = QueryDict(urlencode({CSRF_FIELD: token}))


def answering(receiver: Receiver, scope: Scope, send: Send) -> Send:
    """Returns the `send` of a request whose body may not have been read to its end by the answer.

    Over HTTP/1 the connection is closed then, as the server would have to read on to find the next
    request; and it is kept open for a moment, because a client that still sends may not see an
    answer if it is closed at once (RFC 9112 9.6). A client that waits for `100 Continue` sends
    nothing, and is not asked to.
    """
    is_http1 = scope.get("http_version", "1.1").startswith("1")
    lingers = True

    async def answer(message: Mapping[str, Any]) -> None:
        nonlocal lingers
        is_start = message["type"] == "http.response.start"
        if is_start and not receiver.is_whole:
            lingers = receiver.is_begun
            if is_http1:
                close = (b"Connection", b"close")
                message = {**message, "headers": [*message["headers"], close]}
        is_end = not is_start and not message.get("more_body", False)
        if is_end and lingers and not receiver.is_whole:
            await send({**message, "more_body": True})
            await receiver.linger()
            await _send_while_discarding(receiver, {"type": "http.response.body"}, send)
            return
        await send(message)
        if is_start:
            receiver.begin()

    return answer


async def _send_while_discarding(receiver: Receiver, message: Any, send: Send) -> None:
    """Sends the last message, for which hypercorn waits until it gets rid of what it received."""
    discarding = asyncio.ensure_future(receiver.discard())
    try:
        await send(message)
    finally:
        discarding.cancel()
        await asyncio.wait([discarding])


def awaits_continue(scope: Scope) -> bool:
    """Whether the client sends its body only when it is asked to go on (RFC 9110 10.1.1)."""
    expected: bytes = dict(scope["headers"]).get(b"expect", b"")
    return expected.lower() == b"100-continue"
