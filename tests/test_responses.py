"""`responses`: the same stream elsewhere than in our ASGI handler, and its options."""

import asyncio
import io
import threading

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception
from django.db import connection
from django.http import HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory, TestCase
from django.test.utils import override_settings
from django.urls import path

from django_streams import (
    JSONL,
    BrokenOff,
    EventStreamResponse,
    EventStreamView,
    JSONLinesMixin,
    MalformedBody,
    NoContent,
    Spawn,
    StreamResponse,
    StreamView,
)
from tests.kennel.models import Dog

pytestmark = pytest.mark.urls(__name__)

closed = []
threads = []


@pytest.fixture(autouse=True)
def afresh():
    closed.clear()
    calls.clear()
    threads.clear()


class Async(StreamView):
    async def stream(self):
        try:
            for word in ("a", "b", "c"):
                yield word
                await asyncio.sleep(0)
        finally:
            closed.append("async")


class Plain(StreamView):
    def stream(self):
        threads.append(threading.get_ident())
        try:
            yield from ("a", "b", "c")
        finally:
            closed.append("plain")


class Dogs(JSONLinesMixin, StreamView):
    def stream(self):
        return Dog.objects.all()

    def to_item(self, dog):
        return dog.name


class AsyncToItem(Dogs):
    async def to_item(self, dog):
        return dog.name


class Coroutine(StreamView):
    async def stream(self):
        return ["a", "b", "c"]


class Spawned(StreamView):
    def stream(self):
        async def produce(send):
            for word in ("a", "b", "c"):
                await send(word)

        return Spawn(produce)


calls = []


class FunctionOfAsync(StreamView):
    def stream(self):
        calls.append("stream")
        return Async.stream(self)


class FailingFunction(JSONLinesMixin, StreamView):
    def stream(self):
        raise LookupError("a secret")


class Failing(JSONLinesMixin, StreamView):
    async def stream(self):
        yield 1
        raise LookupError("a secret")


class PlainFailing(JSONLinesMixin, StreamView):
    def stream(self):
        yield 1
        raise LookupError("a secret")

    async def get_error_item(self, error):
        return "sorry"


class FailingEvents(EventStreamView):
    def stream(self):
        yield 1
        raise LookupError("a secret")


class Late(EventStreamView):
    async def stream(self):
        await asyncio.sleep(0)
        raise NoContent
        yield


def function_view(request):
    async def source():
        yield "a"
        yield "b"
        yield "c"

    return StreamResponse(source())


async def async_function_view(request):
    return function_view(request)


def plain_function_view(request):
    return StreamResponse(word for word in ("a", "b", "c"))


STREAMS = {
    "async": Async,
    "plain": Plain,
    "coroutine": Coroutine,
    "spawned": Spawned,
}
urlpatterns = [
    *(path(f"{name}/", view.as_view()) for name, view in STREAMS.items()),
    path("function-of-async/", FunctionOfAsync.as_view()),
    path("failing-function/", FailingFunction.as_view()),
    path("dogs/", Dogs.as_view()),
    path("dogs-async/", AsyncToItem.as_view()),
    path("failing/", Failing.as_view()),
    path("plain-failing/", PlainFailing.as_view()),
    path("failing-events/", FailingEvents.as_view()),
    path("late/", Late.as_view()),
    path("function/", function_view),
    path("async-function/", async_function_view),
    path("plain-function/", plain_function_view),
]
ALL = [*STREAMS, "function", "async-function", "plain-function"]


# Django's test clients.


@pytest.mark.parametrize("name", ALL)
def test_the_sync_client_reads_every_kind_of_source(name):
    response = Client().get(f"/{name}/")
    assert response.status_code == 200
    assert not response.is_async
    assert b"".join(response.streaming_content) == b"abc"


@pytest.mark.parametrize("name", ALL)
def test_the_sync_client_can_ask_for_the_value(name):
    assert Client().get(f"/{name}/").getvalue() == b"abc"


@pytest.mark.parametrize("name", ALL)
async def test_the_async_client_reads_every_kind_of_source(name):
    response = await AsyncClient().get(f"/{name}/")
    assert response.is_async
    assert b"".join([chunk async for chunk in response.streaming_content]) == b"abc"


@pytest.mark.parametrize("name", ["async", "plain"])
async def test_what_the_async_client_leaves_is_closed(name):
    response = await AsyncClient().get(f"/{name}/")
    content = response.streaming_content
    while not await anext(content):
        pass
    response.close()
    async with asyncio.timeout(5):
        while closed != [name]:
            await asyncio.sleep(0)


@pytest.mark.parametrize("name", ["async", "plain"])
def test_what_the_sync_client_leaves_is_closed(name):
    response = Client().get(f"/{name}/")
    content = iter(response.streaming_content)
    while not next(content):
        pass
    response.close()
    assert closed == [name]


@pytest.mark.parametrize("view", [*STREAMS.values(), FailingEvents, Late])
def test_head_runs_no_source_under_any_handler(view):
    response = view.as_view(retry=2) if hasattr(view, "retry") else view.as_view()
    assert b"".join(response(RequestFactory().head("/"))) == b""
    assert closed == []


def test_retry_is_sent_in_event_streams_only():
    body = b"".join(EventStreamResponse([{"a": 1}], format=JSONL, retry=3))
    assert body == b'{"a":1}\n'


def test_a_header_that_happens_to_be_identity_is_sent():
    response = StreamResponse([], headers={"X-Transform": "identity"})
    assert dict(response.items())["X-Transform"] == "identity"


def test_the_names_of_headers_may_be_written_in_any_case():
    request = RequestFactory().get("/", headers={"Accept-Encoding": "gzip"})
    response = StreamResponse(
        ["a"], compress=True, request=request, headers={"content-length": "1", "cache-control": "x"}
    )
    names = [name.lower() for name, _ in response.items()]
    assert "content-length" not in names
    assert names.count("cache-control") == 1
    assert ("content-encoding", "identity") not in StreamResponse(
        [], headers={"content-encoding": "identity"}
    ).items()


def test_a_response_that_nobody_reads_never_starts():
    Client().get("/async/").close()
    assert closed == []


def test_a_function_is_called_once():
    assert Client().get("/function-of-async/").getvalue() == b"abc"
    assert calls == ["stream"]


def test_head_is_empty():
    for name in STREAMS:
        assert Client().head(f"/{name}/").getvalue() == b""
    assert closed == []


class TransactionTests(TestCase):
    """Under WSGI a plain source runs in the caller's thread, and sees the test's transaction."""

    @classmethod
    def setUpTestData(cls):
        Dog.objects.create(name="Rex")

    @override_settings(ROOT_URLCONF=__name__)
    def test_the_sync_client_streams_a_query_set(self):
        for name in ("dogs", "dogs-async"):
            response = self.client.get(f"/{name}/")
            self.assertEqual(b"".join(response.streaming_content), b'"Rex"\n')

    @override_settings(ROOT_URLCONF=__name__)
    async def test_the_async_client_streams_a_query_set(self):
        for name in ("dogs", "dogs-async"):
            response = await self.async_client.get(f"/{name}/")
            chunks = [chunk async for chunk in response.streaming_content]
            self.assertEqual(b"".join(chunks), b'"Rex"\n')
        self.assertTrue(connection.in_atomic_block or await Dog.objects.acount())


# Failing midway, elsewhere.


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("failing", b'1\n{"error":"the stream failed"}\n'),
        ("failing-function", b""),  # Nothing has left: a server still answers 500.
        ("plain-failing", b'1\n"sorry"\n'),
    ],
)
def test_a_failure_midway_raises_after_its_record(name, body, caplog):
    received = []
    content = iter(Client().get(f"/{name}/").streaming_content)
    with pytest.raises(BrokenOff):
        received.extend(content)
    assert b"".join(received) == body
    assert caplog.text.count("Streaming failed midway") == 1
    assert "a secret" in caplog.text


def test_a_clients_mistake_midway_breaks_off_and_is_no_failure_of_the_servers(caplog):
    class Refusing(StreamView):
        format = JSONL

        def stream(self):
            yield 1
            raise MalformedBody("part 3 of the form is malformed")

    failures = []

    def failed(**kwargs):
        failures.append(kwargs)

    got_request_exception.connect(failed)
    try:
        content = iter(Refusing.as_view()(RequestFactory().get("/")).streaming_content)
        with pytest.raises(BrokenOff):
            list(content)
    finally:
        got_request_exception.disconnect(failed)
    assert not failures
    [record] = caplog.records
    assert (record.levelname, record.status_code) == ("WARNING", 400)
    assert record.exc_info is None
    assert "part 3 of the form is malformed: /" in caplog.text


def test_a_failing_event_stream_ends_after_its_record():
    body = Client().get("/failing-events/").getvalue()
    assert body == b'data: 1\n\nevent: error\ndata: {"error":"the stream failed"}\n\n'


def test_no_content_after_the_headers_is_a_failure_that_is_logged(caplog):
    Client().get("/late/").getvalue()
    assert "NoContent" in caplog.text


# Django's own handlers.


async def test_djangos_asgi_handler_streams_and_closes():
    application = ApplicationCommunicator(ASGIHandler(), AsyncRequestFactory().get("/async/").scope)
    await application.send_input({"type": "http.request"})
    start = await application.receive_output(5)
    body = b""
    while (message := await application.receive_output(5)).get("more_body"):
        body += message["body"]
    await application.wait(5)
    assert (start["status"], body) == (200, b"abc")
    headers = dict(start["headers"])
    assert headers[b"Cache-Control"] == b"no-cache, no-transform"
    assert b"Content-Encoding" not in headers
    assert closed == ["async"]


async def test_djangos_asgi_handler_breaks_off_by_the_exception(caplog):
    scope = AsyncRequestFactory().get("/failing/").scope
    application = ApplicationCommunicator(ASGIHandler(), scope)
    await application.send_input({"type": "http.request"})
    with pytest.raises(BrokenOff):
        await application.wait(5)
    assert caplog.text.count("Streaming failed midway") == 1


async def test_a_client_that_leaves_djangos_asgi_handler_closes_the_source():
    class Endless(StreamView):
        async def stream(self):
            try:
                while True:
                    yield "x"
                    await asyncio.sleep(0)
            finally:
                closed.append("endless")

    handler = ASGIHandler()

    async def get_response(request):
        return Endless.as_view()(request)

    handler._middleware_chain = get_response
    application = ApplicationCommunicator(handler, AsyncRequestFactory().get("/").scope)
    await application.send_input({"type": "http.request"})
    await application.receive_output(5)
    await application.send_input({"type": "http.disconnect"})
    await application.wait(5)
    assert closed == ["endless"]


def wsgi(name):
    """Asks Django's WSGI handler; returns the headers and the iterable, as a server gets them."""
    environ = RequestFactory()._base_environ(PATH_INFO=f"/{name}/")
    environ["wsgi.input"] = io.BytesIO()
    started = []
    body = WSGIHandler()(environ, lambda status, headers: started.append((status, dict(headers))))
    return *started[0], body


@pytest.mark.parametrize("name", ["async", "plain"])
def test_wsgi_gets_one_item_after_the_other(name):
    status, headers, body = wsgi(name)
    assert (status, headers["X-Accel-Buffering"]) == ("200 OK", "no")
    chunks = [chunk for chunk in body if chunk]
    body.close()
    assert b"".join(chunks) == b"abc"
    assert len(chunks) == 3 or name == "async"
    assert closed == [name]


def test_wsgi_runs_a_plain_source_in_the_workers_thread():
    _, _, body = wsgi("plain")
    assert b"".join(body) == b"abc"
    body.close()
    assert threads == [threading.get_ident()]


@pytest.mark.parametrize("name", ["async", "plain"])
def test_closing_wsgi_midway_closes_the_source(name):
    _, _, body = wsgi(name)
    chunks = iter(body)
    while not next(chunks):
        pass
    body.close()
    assert closed == [name]


def test_an_async_source_under_wsgi_runs_while_its_chunks_are_asked_for():
    made = []

    async def source():
        for n in range(3):
            made.append(n)
            yield str(n)
            await asyncio.sleep(0.001)

    chunks = iter(StreamResponse(source()))
    assert [chunk for chunk in chunks if chunk] == [b"0", b"1", b"2"]
    assert made == [0, 1, 2]


# What a response may be given.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "jsonl"}, "format is 'jsonl'; it takes a Format"),
        ({"heartbeat": 0}, "heartbeat is 0; it takes a positive number of seconds, or None"),
        ({"heartbeat": "15"}, "heartbeat is '15'"),
        ({"first_item_seconds": -1}, "first_item_seconds is -1"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(options, message):
    with pytest.raises(ImproperlyConfigured, match=message):
        StreamResponse([], **options)


def test_the_options_of_django_are_taken():
    response = StreamResponse([], status=201, headers={"X-A": "b"}, content_type="text/csv")
    assert (response.status_code, response["X-A"], response["Content-Type"]) == (
        201,
        "b",
        "text/csv",
    )


def test_headers_that_somebody_set_stay():
    response = StreamResponse([])
    response["cache-control"] = "max-age=5"
    response["X-Accel-Buffering"] = "yes"
    sent = {name.lower(): value for name, value in response.items()}
    assert (sent["cache-control"], sent["x-accel-buffering"]) == ("max-age=5", "yes")


def test_an_event_stream_may_say_how_long_to_wait_before_reconnecting():
    assert b"".join(EventStreamResponse(["x"], retry=2)) == b"retry: 2000\n\ndata: x\n\n"


def test_to_item_is_an_option_of_a_response_too():
    response = StreamResponse([1, 2], format=JSONL, to_item=lambda n: n * 10)
    assert b"".join(response) == b"10\n20\n"


def test_gzip_middleware_leaves_a_stream_alone():
    from django.middleware.gzip import GZipMiddleware

    request = RequestFactory().get("/", headers={"Accept-Encoding": "gzip"})
    response = GZipMiddleware(lambda request: StreamResponse(["x" * 500] * 2, request=request))(
        request
    )
    assert b"".join(response) == b"x" * 1000
    assert "Content-Encoding" not in dict(response.items())


def test_a_source_that_was_never_started_is_discarded_with_its_response():
    class File:
        is_closed = False

        def __iter__(self):
            return iter(["x"])

        def close(self):
            self.is_closed = True

    file = File()
    response = StreamResponse(file)
    response.close()
    assert file.is_closed
    assert isinstance(response, HttpResponse.__base__)
