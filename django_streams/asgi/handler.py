"""`StreamingASGIHandler`: Django's ASGI handler with streams, out and in.

    receive: URL, unread body             here, for views that take it; else Django's
    decide:  middleware, view             Django's, untouched
    stream:  release, start, prime, send  here, when the whole middleware chain has returned

The handler keeps the response of each request until its source is closed, whatever a middleware did
to the content. It also answers the lifespan scope, which Django refuses. It behaves the same on
Django 5.2, 6.0 and 6.1, and leaves every request and response that does not stream as it is.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from django.utils.log import log_response

from django_streams.body import Aborted, BodyStream, Receiver, finish_saving
from django_streams.conf import conf
from django_streams.exceptions import BrokenOff, NoContent, StreamError
from django_streams.lifetime import Ending, shutdown
from django_streams.release import let_go
from django_streams.responses import (
    FileStreamResponse,
    StreamResponse,
    keep_what_was_said,
    no_content,
)
from django_streams.views import refusal, wants_body_stream

from .exchange import EXCHANGE, Exchange
from .holding import holding_back
from .sending import Sending, abort, abort_later
from .unread import answering, awaits_continue, leaves_body_unread, lend_csrf_token

__all__ = ["StreamingASGIHandler", "get_asgi_application"]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


SHUTDOWN_SECONDS = 5
"""How long the end of a process waits for what was cut off to be cleaned up."""


class StreamingASGIHandler(ASGIHandler):
    """Django's handler, which starts streams after the middleware and closes them at the end."""

    # Django's handler of static files derives from a handler without calling its __init__.
    _get_urlconf: Callable[[Scope], Any] | None = None

    def __init__(self, get_urlconf: Callable[[Scope], Any] | None = None) -> None:
        super().__init__()
        self._get_urlconf = get_urlconf
        # Before the `process_view` of any middleware, of which CSRF's is one.
        self._view_middleware: list[Any] = [self._settle_body, *self._view_middleware]

    def get_urlconf(self, scope: Scope) -> Any:
        """Returns the URLconf by which a request's view is looked up before its body is read.

        A hook, for a middleware that sets `request.urlconf`: it takes an ASGI scope and returns
        what the middleware would, or None for ROOT_URLCONF. Where the two differ the right view is
        called nevertheless, with its body read.
        """
        return None if self._get_urlconf is None else self._get_urlconf(scope)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one connection: HTTP as Django does, and the lifespan of the server."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; returns when its source is closed."""
        exchange = scope.get(EXCHANGE) or Exchange()
        send = holding_back(send)
        receive_body, answer = receive, send
        if leaves_body_unread(scope, self.get_urlconf):
            receive_body = exchange.receiver = Receiver(
                receive, awaits_continue=awaits_continue(scope)
            )
            answer = answering(exchange.receiver, scope, send)
        try:
            with exchange.hearing_of_shutdown():
                await super().handle({**scope, EXCHANGE: exchange}, receive_body, answer)
        finally:
            await exchange.aclose()
        if exchange.is_cut_off:
            await _send_unavailable(send)
        if exchange.response is not None and exchange.response.is_broken_off:
            _close_twisted_request(send)
        if exchange.is_stalled and (scope["http_version"] < "2" or shutdown.has_begun):
            abort(send)  # Other streams may share a connection of HTTP/2.

    # The body.

    async def read_body(self, receive: Receive) -> Any:
        """Returns the file with the body; in place of one that is left unread, what receives it."""
        return receive if isinstance(receive, Receiver) else await super().read_body(receive)

    def create_request(self, scope: Mapping[str, Any], body_file: Any) -> Any:
        """Returns the request and None, or None and a response that refuses it."""
        scope[EXCHANGE].body_file = body_file
        request: Any
        request, refused = super().create_request(scope, body_file)
        if request is not None and isinstance(body_file, Receiver):
            request.body_stream = BodyStream(body_file, request.META)
            request._read_started = True  # To Django the body has been read, by somebody else.
            request._post, request._files = QueryDict(), MultiValueDict()
        return request, refused

    async def listen_for_disconnect(self, receive: Receive) -> None:
        """Raises `RequestAborted` when the client has left."""
        if isinstance(receive, Receiver):
            await receive.listen(super().listen_for_disconnect)
        else:
            await super().listen_for_disconnect(receive)

    async def _settle_body(
        self, request: Any, view: Any, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        """Runs before all other `process_view`: the view is known for sure, and nobody has asked
        for the form.
        """
        receiver = request.scope[EXCHANGE].receiver
        if receiver is None:
            return None
        try:
            if wants_body_stream(view):
                await lend_csrf_token(request, view)
            else:
                request._stream = await super().read_body(receiver)
                request._read_started = False
                for name in ("body_stream", "_post", "_files"):  # What somebody was told meanwhile.
                    vars(request).pop(name, None)
        except StreamError as error:
            return refusal(error)
        except RequestAborted:
            return refusal(Aborted())
        return None

    # The stages of an answer.

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the view as Django calls it: async, if it decides without a thread."""
        adapted: Callable[..., Any] = super().make_view_atomic(view)
        if adapted is not view or getattr(view, "decides_without_thread", None) is not view:
            return adapted

        async def on_the_loop(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            response: HttpResponseBase = view(request, *args, **kwargs)
            return response

        return on_the_loop

    async def get_response_async(self, request: Any) -> HttpResponseBase:
        """Returns the response, started if it streams: here deciding ends and streaming begins."""
        exchange: Exchange = request.scope[EXCHANGE]
        exchange.prepare(request)
        response: HttpResponseBase = await super().get_response_async(request)
        if isinstance(response, StreamResponse | FileStreamResponse):
            response.exchange = exchange
        if isinstance(response, FileStreamResponse):
            response.attach(type(self))
            if not response.is_in_memory:
                await let_go()  # Reading on needs neither the thread nor a connection.
        if not isinstance(response, StreamResponse):
            return response
        response.attach(request, type(self))
        exchange.response = response
        if request.method == "HEAD":
            response.drop_content()
            return response
        _refuse_to_start_for_nobody(exchange)
        return await self._started(request, response)

    async def send_response(self, response: HttpResponseBase, send: Send) -> None:
        """Sends the response; one that is broken off without the final message."""
        if not isinstance(response, StreamResponse | FileStreamResponse):
            await super().send_response(response, send)
            return
        deliver: Any = _deliver if response.has_own_content else super().send_response
        try:
            async with _sending(response, send) as sending:
                await deliver(response, sending)
            response.is_delivered = True
        except BrokenOff:
            response.is_broken_off = True
            if isinstance(response, FileStreamResponse):
                _close_twisted_request(send)  # A stream's `finally` comes first: see `handle`.
        except Exception:
            if isinstance(response, FileStreamResponse):
                # Django closes no response that a server would not take.
                await sync_to_async(response.close_file, thread_sensitive=False)()
            raise
        finally:
            if isinstance(response, StreamResponse):
                await response.aclose()

    async def _started(self, request: Any, response: StreamResponse) -> HttpResponseBase:
        answer: HttpResponseBase
        try:
            response.live.admit()
            if response.has_own_content:
                await response.start()
            return response
        except asyncio.CancelledError:
            # Before Django's request_finished, which may need the thread that the source keeps.
            await response.aclose()
            raise
        except NoContent:
            response.is_delivered = True
            answer = no_content(response)
        except Exception as error:  # noqa: BLE001 - Django reports it, as it does a view's.
            if isinstance(error, StreamError) and error.is_clients:
                answer = refusal(error)
            else:
                answer = await sync_to_async(response_for_exception)(request, error)
        answer._resource_closers += response._resource_closers  # type: ignore[attr-defined]
        keep_what_was_said(response, answer)
        if answer.status_code >= 400:
            log = sync_to_async(log_response, thread_sensitive=False)
            await log(
                "%s: %s", answer.reason_phrase, request.path, response=answer, request=request
            )
        return answer


def get_asgi_application(
    get_urlconf: Callable[[Scope], Any] | None = None,
) -> StreamingASGIHandler:
    """Returns the ASGI application, for the project's `asgi.py`, in place of Django's.

    `get_urlconf(scope)` is for projects whose middleware sets `request.urlconf`: see
    `StreamingASGIHandler.get_urlconf`. Raises `ImproperlyConfigured` for a wrong `STREAMS` setting.
    """
    django.setup(set_prefix=False)
    conf.check()  # A wrong SHUTDOWN_GRACE would be found when the server stops, and keep it.
    return StreamingASGIHandler(get_urlconf)


async def _deliver(response: StreamResponse | FileStreamResponse, send: Sending) -> None:
    """Sends a stream as Django would, but no chunk in pieces, and with nothing in between.

    A reader of frames may rely on a message for each, and every layer costs as much as an event.
    """
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    cookies = (cookie.OutputString() for cookie in response.cookies.values())
    headers += [(b"Set-Cookie", cookie.encode("ascii")) for cookie in cookies]
    start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
    await send(start)
    if isinstance(response, FileStreamResponse) and (message := response.only_message):
        await send(message)
        return
    await response.pour(send)
    await send({"type": "http.response.body"})


@asynccontextmanager
async def _sending(
    response: StreamResponse | FileStreamResponse, send: Send
) -> AsyncIterator[Sending]:
    """Lets a response send, for as long as the client takes it and the server does not stop."""
    live = response.live if isinstance(response, StreamResponse) else None
    sending = Sending(send, conf.send_timeout if live is None else live.terms.send_timeout)
    try:
        if live is None:
            shutdown.add(sending)
        else:
            live.cut = sending.cut
        async with sending:
            yield sending
    finally:
        shutdown.remove(sending)
        if live is not None:
            live.cut = None
            live.ending = live.ending or (Ending.SLOW if sending.is_stalled else None)
        response.exchange.is_stalled = sending.is_stalled
        if shutdown.has_begun:
            abort_later(send)


async def _send_unavailable(send: Send) -> None:
    """Answers a client whose body was still coming when the server had to stop."""
    headers = [(b"Retry-After", b"1"), (b"Connection", b"close"), (b"Content-Length", b"0")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body"})


def _refuse_to_start_for_nobody(exchange: Exchange) -> None:
    """Raises `CancelledError` if the client has left and somebody has swallowed that.

    A middleware may catch the cancellation, and before Django 6.1 the request's task goes on when
    its application was cancelled.
    """
    task = asyncio.current_task()
    if exchange.is_over or (task is not None and task.cancelling()):
        raise asyncio.CancelledError


async def _live(receive: Receive, send: Send) -> None:
    """Answers the lifespan scope. There is nothing to set up, and streams are closed by then; what
    uploads that were cut off have written is deleted in threads that nobody else waits for.
    """
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            shutdown.reset()
            shutdown.listen()
        is_end = message["type"] == "lifespan.shutdown"
        if is_end:
            await finish_saving(SHUTDOWN_SECONDS)
        await send({"type": f"{message['type']}.complete"})
        if is_end:
            return


def _close_twisted_request(send: Send) -> None:
    """Closes the connection if the server is daphne, which otherwise lets its client wait.

    Other servers break the body off when the application returns without a final message. daphne's
    `send` is a partial over its Twisted request, which sends what is pending before it closes; its
    transport would wait for ever for the request to finish.
    """
    request = send.args[0] if isinstance(send, functools.partial) and send.args else None
    lose_connection = getattr(request, "loseConnection", None)
    if lose_connection is not None:
        lose_connection()
