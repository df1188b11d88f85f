"""`asgi`: a stream starts when the middleware has returned, and ends with its request."""

import asyncio
import logging
import threading

import pytest
from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import got_request_exception, request_finished
from django.db import connections
from django.http import Http404, HttpResponse
from django.test import AsyncRequestFactory, override_settings
from django.urls import path

from django_streams import (
    EventStreamResponse,
    EventStreamView,
    JSONLinesMixin,
    StreamResponse,
    StreamView,
)
from django_streams.asgi import StreamingASGIHandler, get_asgi_application
from django_streams.testing import StreamClient
from tests.kennel.models import Dog

pytestmark = pytest.mark.urls(__name__)


class Life:
    """What becomes of the sources of this module."""

    def __init__(self):
        self.started = 0
        self.closed = 0

    def begin(self):
        self.started += 1

    def end(self):
        self.closed += 1


life = Life()


@pytest.fixture(autouse=True)
def born_again():
    life.__init__()
    yield
    assert life.started == life.closed, "a source was left open"


class Endless(EventStreamView):
    async def stream(self):
        life.begin()
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            life.end()


class EndlessText(StreamView):
    async def stream(self):
        life.begin()
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            life.end()


class MadeInThread(EndlessText):
    thread = None

    def stream(self):
        MadeInThread.thread = threading.current_thread()
        return super().stream()


class NeverAnItem(StreamView):
    async def stream(self):
        life.begin()
        try:
            await asyncio.Event().wait()
            yield
        finally:
            life.end()


class Flood(StreamView):
    async def stream(self):
        life.begin()
        try:
            while True:
                yield "x" * 100
        finally:
            life.end()


class PlainFlood(StreamView):
    def stream(self):
        life.begin()
        try:
            while True:
                yield "x" * 100
        finally:
            life.end()


class Sleeper(StreamView):
    """A plain generator that nobody can interrupt."""

    asleep = threading.Event()
    wake = threading.Event()

    def stream(self):
        yield "first"
        Sleeper.asleep.set()
        Sleeper.wake.wait(10)
        yield "second"


class Missing(StreamView):
    async def stream(self):
        life.begin()
        try:
            raise Http404
            yield
        finally:
            life.end()


class Count(JSONLinesMixin, StreamView):
    """Asks the database before and after its first item."""

    async def stream(self):
        yield await Dog.objects.acount()
        await asyncio.sleep(0)
        yield await sync_to_async(Dog.objects.count)()


class Ends(StreamView):
    async def stream(self):
        yield "whole"


class FailsMidway(StreamView):
    async def stream(self):
        yield "first"
        raise LookupError("a secret")


def with_etag(view):
    def wrapper(request):
        response = view(request)
        response["ETag"] = '"1"'
        return response

    return wrapper


def function_view(request):
    async def source():
        life.begin()
        try:
            yield {"n": 1}
        finally:
            life.end()

    return EventStreamResponse(source())


async def async_function_view(request):
    async def produce(send):
        life.begin()
        try:
            await send("a")
            await send("b")
        finally:
            life.end()

    return StreamResponse.spawn(produce)


heard = []


def produced_view(request):
    async def produce(send):
        heard.clear()
        try:
            while True:
                await send("x" * 1000)
        except BaseException as error:
            heard.append(type(error).__name__)
            raise

    return StreamResponse.spawn(produce)


def plain_view(request):
    return HttpResponse("plain")


urlpatterns = [
    path("endless/", Endless.as_view()),
    path("endless-text/", EndlessText.as_view()),
    path("made-in-thread/", MadeInThread.as_view()),
    path("never/", NeverAnItem.as_view()),
    path("flood/", Flood.as_view()),
    path("plain-flood/", PlainFlood.as_view()),
    path("sleeper/", Sleeper.as_view()),
    path("missing/", Missing.as_view()),
    path("count/", Count.as_view()),
    path("ends/", Ends.as_view()),
    path("etag/", with_etag(Endless.as_view())),
    path("fails/", FailsMidway.as_view()),
    path("function/", function_view),
    path("async-function/", async_function_view),
    path("produced/", produced_view),
    path("plain/", plain_view),
]


# Middleware.


def sync_middleware(get_response):
    def middleware(request):
        return get_response(request)

    return middleware


class AsyncMiddleware:
    async_capable = True
    sync_capable = False

    def __init__(self, get_response):
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    async def __call__(self, request):
        return await self.get_response(request)


def sync_raising_middleware(get_response):
    def middleware(request):
        get_response(request)
        raise LookupError("after the view")

    return middleware


class AsyncRaisingMiddleware(AsyncMiddleware):
    async def __call__(self, request):
        await self.get_response(request)
        raise LookupError("after the view")


class AsyncWaitingMiddleware(AsyncMiddleware):
    waiting = None

    async def __call__(self, request):
        response = await self.get_response(request)
        type(self).waiting.set()
        await asyncio.Event().wait()
        return response


class AsyncSwallowingMiddleware(AsyncWaitingMiddleware):
    async def __call__(self, request):
        response = await self.get_response(request)
        type(self).waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return response


def replacing_middleware(get_response):
    def middleware(request):
        response = get_response(request)

        async def other():
            yield b"other"

        response.streaming_content = other()
        return response

    return middleware


def dropping_middleware(get_response):
    def middleware(request):
        get_response(request)
        return HttpResponse("instead")

    return middleware


def wrapping_middleware(get_response):
    def middleware(request):
        response = get_response(request)

        async def wrapped(content):
            async for chunk in content:
                yield chunk.upper()

        assert response.is_async
        response.streaming_content = wrapped(response.streaming_content)
        return response

    return middleware


def use(settings, *names):
    settings.MIDDLEWARE = [f"{__name__}.{name}" for name in names]


BOTH_WORLDS = pytest.mark.parametrize("middleware", ["sync_middleware", "AsyncMiddleware"])


@BOTH_WORLDS
async def test_the_first_event_comes_while_the_source_runs_and_leaving_closes_it(
    middleware, settings
):
    use(settings, middleware)
    async with StreamClient().stream("GET", "/endless/") as stream:
        assert (await stream.event()).data == "first"
        assert (life.started, life.closed) == (1, 0)
        await stream.disconnect()
        stream.assert_closed()
    assert life.closed == 1


@BOTH_WORLDS
@pytest.mark.django_db(transaction=True)
async def test_the_orm_works_in_the_source(middleware, settings):
    use(settings, middleware)
    await Dog.objects.acreate(name="Rex")
    async with StreamClient().stream("GET", "/count/") as stream:
        assert [item async for item in stream] == [1, 1]


@pytest.mark.parametrize("middleware", ["sync_raising_middleware", "AsyncRaisingMiddleware"])
async def test_a_middleware_that_raises_after_the_view_leaves_nothing_running(
    middleware, settings, caplog
):
    use(settings, middleware)
    async with StreamClient().stream("GET", "/endless/") as stream:
        assert stream.status_code == 500
    assert life.started == 0
    assert "after the view" in caplog.text


async def test_a_304_leaves_nothing_running(settings):
    settings.MIDDLEWARE = ["django.middleware.http.ConditionalGetMiddleware"]
    client = StreamClient()
    async with client.stream("GET", "/etag/", headers={"If-None-Match": '"1"'}) as stream:
        assert stream.status_code == 304
    assert life.started == 0


async def test_a_client_that_leaves_while_a_middleware_waits_leaves_nothing_running(settings):
    use(settings, "AsyncWaitingMiddleware")
    AsyncWaitingMiddleware.waiting = asyncio.Event()
    application = ApplicationCommunicator(get_asgi_application(), scope_of("/endless/"))
    await application.send_input({"type": "http.request"})
    await AsyncWaitingMiddleware.waiting.wait()
    await application.send_input({"type": "http.disconnect"})
    await application.wait(5)
    assert life.started == 0


async def test_a_client_that_leaves_before_the_first_item_closes_the_source():
    application = ApplicationCommunicator(get_asgi_application(), scope_of("/never/"))
    await application.send_input({"type": "http.request"})
    while not life.started:
        await asyncio.sleep(0)
    await application.send_input({"type": "http.disconnect"})
    await application.wait(5)
    assert life.closed == 1


async def test_content_that_a_middleware_replaced_is_sent_and_the_source_never_starts(settings):
    use(settings, "replacing_middleware")
    async with StreamClient().stream("GET", "/endless/") as stream:
        assert await stream.read() == b"other"
    assert life.started == 0


async def test_a_response_that_a_middleware_dropped_never_starts(settings):
    use(settings, "dropping_middleware")
    async with StreamClient().stream("GET", "/endless/") as stream:
        assert await stream.read() == b"instead"
    assert life.started == 0


async def test_content_that_a_middleware_wrapped_is_streamed_and_closed(settings):
    use(settings, "wrapping_middleware")
    async with StreamClient().stream("GET", "/endless/") as stream:
        assert await stream.chunk() == b"DATA: FIRST\n\n"
        await stream.disconnect()
        stream.assert_closed()
    assert life.closed == 1


async def test_wrapped_content_is_broken_off_when_the_source_fails(settings, caplog):
    use(settings, "wrapping_middleware")
    async with StreamClient().stream("GET", "/fails/") as stream:
        assert await stream.read() == b"FIRST"
        assert stream.is_broken_off
    assert caplog.text.count("LookupError: a secret") == 1


@pytest.mark.parametrize("path", ["/flood/", "/plain-flood/"])
async def test_a_flood_is_stopped_when_its_client_leaves(path):
    async with StreamClient().stream("GET", path) as stream:
        assert (await stream.chunk())[:3] == b"xxx"
        await stream.disconnect()
        stream.assert_closed()
    assert life.closed == 1


async def test_a_thread_that_sleeps_keeps_no_request_waiting(monkeypatch, caplog):
    monkeypatch.setattr("django_streams.pump.pump.CLOSE_SECONDS", 0.01)
    async with StreamClient().stream("GET", "/sleeper/") as stream:
        assert await stream.chunk() == b"first"
        await asyncio.to_thread(Sleeper.asleep.wait, 5)
        await stream.disconnect()  # Returns though the thread still sleeps.
        Sleeper.wake.set()
        while not stream._exchange.response.pump.is_closed:
            await asyncio.sleep(0.001)
    assert "still runs" in caplog.text


async def test_a_client_that_leaves_a_sleeping_thread_before_the_first_item_is_let_go(monkeypatch):
    monkeypatch.setattr("django_streams.pump.pump.CLOSE_SECONDS", 0.01)
    asleep, wake = threading.Event(), threading.Event()

    class SleepsFirst(StreamView):
        def stream(self):
            asleep.set()
            wake.wait(10)
            yield "late"

    handler = get_asgi_application()
    handler._middleware_chain = chain(SleepsFirst.as_view())
    application = ApplicationCommunicator(handler, scope_of("/"))
    await application.send_input({"type": "http.request"})
    await asyncio.to_thread(asleep.wait, 5)
    await application.send_input({"type": "http.disconnect"})
    await application.wait(5)  # Raises TimeoutError if the thread is waited for.
    assert not wake.is_set()
    wake.set()


async def test_a_middleware_that_swallows_the_cancellation_starts_nothing(settings):
    use(settings, "AsyncSwallowingMiddleware")
    AsyncSwallowingMiddleware.waiting = asyncio.Event()
    application = ApplicationCommunicator(get_asgi_application(), scope_of("/endless/"))
    await application.send_input({"type": "http.request"})
    await AsyncSwallowingMiddleware.waiting.wait()
    await application.send_input({"type": "http.disconnect"})
    await application.wait(5)
    assert life.started == 0


async def test_a_producer_hears_that_its_client_has_left(monkeypatch):
    # It gives way when the buffer is full, and not because somebody else has had the processor.
    monkeypatch.setattr("django_streams.pump.pump.TURN_SECONDS", 60)
    async with StreamClient().stream("GET", "/produced/") as stream:
        await stream.chunk()
        await stream.disconnect()
    assert heard == ["ClientDisconnected"]


async def test_a_first_item_that_is_not_found_closes_the_source():
    async with StreamClient().stream("GET", "/missing/") as stream:
        assert stream.status_code == 404
    assert life.closed == 1


async def test_function_views_stream_too():
    async with StreamClient().stream("GET", "/function/") as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert (await stream.event()).json() == {"n": 1}
    async with StreamClient().stream("GET", "/async-function/") as stream:
        assert await stream.read() == b"ab"


async def test_head_of_a_function_view_starts_nothing():
    for url in ("/function/", "/async-function/"):
        async with StreamClient().stream("HEAD", url) as stream:
            assert (stream.status_code, await stream.read()) == (200, b"")
    assert life.started == 0


async def test_other_responses_are_as_they_were():
    async with StreamClient().stream("GET", "/plain/") as stream:
        assert await stream.read() == b"plain"
        assert "X-Accel-Buffering" not in stream.headers


async def test_headers_leave_before_the_first_event_of_a_source_that_waits():
    """daphne and granian hold them back until a chunk comes: an empty one does."""
    sent = []

    async def send(message):
        sent.append(message)

    messages = [{"type": "http.request"}]

    async def receive():
        if messages:
            return messages.pop()
        while len(sent) < 2:
            await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    class Waits(EventStreamView):
        async def stream(self):
            await asyncio.Event().wait()
            yield

    handler = get_asgi_application()
    handler._middleware_chain = chain(Waits.as_view())
    await handler(scope_of("/"), receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[1]["body"] == b""
    assert sent[1]["more_body"]


def chain(view):
    async def get_response(request):
        return view(request)

    return get_response


async def test_signals_are_sent_as_for_any_request():
    seen = []

    def finished(**kwargs):
        seen.append("finished")

    def failed(request, **kwargs):
        seen.append(request.path)

    request_finished.connect(finished)
    got_request_exception.connect(failed)
    try:
        async with StreamClient().stream("GET", "/fails/") as stream:
            await stream.read()
        async with StreamClient().stream("GET", "/endless/") as stream:
            await stream.event()
    finally:
        request_finished.disconnect(finished)
        got_request_exception.disconnect(failed)
    assert seen == ["/fails/", "finished", "finished"]


async def test_a_failure_midway_is_logged_once_with_its_request(caplog):
    with caplog.at_level(logging.ERROR):
        async with StreamClient().stream("GET", "/fails/") as stream:
            await stream.read()
    [record] = [record for record in caplog.records if record.exc_info]
    assert (record.name, record.status_code) == ("django.request", 500)
    assert record.request.path == "/fails/"


# Threads and connections.


@pytest.mark.django_db(transaction=True)
async def test_open_streams_hold_no_thread_and_no_connection(settings):
    """Thirty streams, each with a session in the database and under a synchronous middleware."""
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        f"{__name__}.touching_middleware",
    ]
    opened.clear()
    before = threading.active_count()
    streams = [StreamClient().stream("GET", "/endless/") for _ in range(30)]
    for stream in streams:
        await (await stream.__aenter__()).event()
    assert len(opened) == 30
    async with asyncio.timeout(5):
        while any(connection.connection for connection in opened):
            await asyncio.sleep(0.001)
        while threading.active_count() > before + 1:
            await asyncio.sleep(0.001)
    for stream in streams:
        await stream.__aexit__(None, None, None)


async def test_a_plain_function_that_makes_an_async_source_holds_no_thread():
    async with StreamClient().stream("GET", "/made-in-thread/") as stream:
        assert await stream.chunk() == b"first"
        async with asyncio.timeout(5):
            while MadeInThread.thread.is_alive():
                await asyncio.sleep(0.001)


opened = []


def touching_middleware(get_response):
    def middleware(request):
        request.session["seen"] = True
        request.session.save()
        opened.append(connections["default"])
        assert opened[-1].connection is not None
        return get_response(request)

    return middleware


# The servers' side.


def scope_of(path, **kwargs):
    return AsyncRequestFactory().get(path).scope | kwargs


async def test_the_lifespan_is_answered():
    application = ApplicationCommunicator(get_asgi_application(), {"type": "lifespan"})
    for phase in ("startup", "shutdown"):
        await application.send_input({"type": f"lifespan.{phase}"})
        assert await application.receive_output(5) == {"type": f"lifespan.{phase}.complete"}
    await application.wait(5)


async def test_a_connection_of_another_kind_is_refused_as_django_does():
    with pytest.raises(ValueError, match="only handle ASGI/HTTP"):
        await get_asgi_application()({"type": "websocket"}, None, None)


def test_the_handler_is_djangos():
    assert issubclass(StreamingASGIHandler, ASGIHandler)
    assert isinstance(get_asgi_application(), StreamingASGIHandler)


async def test_the_scope_of_the_server_is_left_as_it_is():
    scope = scope_of("/plain/")
    before = dict(scope)
    application = ApplicationCommunicator(get_asgi_application(), scope)
    await application.send_input({"type": "http.request"})
    while (await application.receive_output(5)).get("more_body", True):
        pass
    await application.wait(5)
    assert scope == before


@override_settings(STREAMS={"SHUTDOWN_GRACE": 0})
def test_a_wrong_setting_keeps_the_application_from_starting():
    with pytest.raises(ImproperlyConfigured, match="SHUTDOWN_GRACE"):
        get_asgi_application()
