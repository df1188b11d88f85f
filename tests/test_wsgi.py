"""`wsgi`: Django's handler, whose streams are started before the headers are sent."""

import asyncio
import gc
import io

import pytest
from django.core.exceptions import PermissionDenied
from django.core.handlers.wsgi import WSGIHandler
from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.test import RequestFactory, override_settings
from django.urls import path

from django_streams import (
    JSON_ARRAY,
    JSONL,
    BodyTooLarge,
    EventStreamResponse,
    Limit,
    NoContent,
    StreamResponse,
    StreamView,
)
from django_streams.lifetime import shutdown
from django_streams.wsgi import StreamingWSGIHandler, get_wsgi_application

pytestmark = pytest.mark.urls(__name__)

closed = []


@pytest.fixture(autouse=True)
def nothing_closed():
    closed.clear()


async def numbers():
    try:
        yield 1
        yield 2
    finally:
        closed.append("async")


async def paused():
    try:
        yield 1
        await asyncio.Event().wait()
    finally:
        closed.append("paused")


def plain_numbers():
    try:
        yield 1
        yield 2
    finally:
        closed.append("plain")


def raising(error):
    async def source():
        raise error
        yield

    return source


def raising_plainly(error):
    def source():
        try:
            raise error
            yield
        finally:
            closed.append("raising")

    return source


async def nothing():
    return None


async def never():
    await asyncio.Event().wait()
    yield


def unencodable():
    yield object()


def calls_nothing():
    raise Http404("no such thing")


def headed(request):
    response = StreamResponse(nothing)
    response["X-Trace"] = "7"
    response["cache-control"] = "private"
    response.set_cookie("seen", "yes")
    response._resource_closers.append(lambda: closed.append("response"))
    return response


SOURCES = {
    "async": lambda request: StreamResponse(numbers(), format=JSONL),
    "paused": lambda request: StreamResponse(paused(), format=JSONL),
    "plain": lambda request: StreamResponse(plain_numbers(), format=JSONL),
    "array": lambda request: StreamResponse(plain_numbers(), format=JSON_ARRAY),
    "empty": lambda request: StreamResponse([], format=JSON_ARRAY),
    "missing": lambda request: StreamResponse(raising(Http404()), format=JSONL),
    "plain-missing": lambda request: StreamResponse(raising_plainly(Http404()), format=JSONL),
    "array-missing": lambda request: StreamResponse(raising_plainly(Http404()), format=JSON_ARRAY),
    "missing-function": lambda request: StreamResponse(calls_nothing),
    "denied": lambda request: StreamResponse(raising(PermissionDenied())),
    "too-large": lambda request: StreamResponse(raising(BodyTooLarge("too large"))),
    "broken": lambda request: StreamResponse(raising(LookupError("a secret")), format=JSONL),
    "no-source": lambda request: StreamResponse(lambda: 3),
    "unencodable": lambda request: StreamResponse(unencodable, format=JSONL),
    "no-content": lambda request: StreamResponse(raising_plainly(NoContent())),
    "nothing": headed,
    "events": lambda request: EventStreamResponse(plain_numbers()),
    "missing-events": lambda request: EventStreamResponse(raising_plainly(Http404())),
    "no-events": lambda request: EventStreamResponse(nothing),
    "never": lambda request: StreamResponse(never, first_item_seconds=0.01),
    "ordinary": lambda request: HttpResponse("ordinary"),
}


class OneAtATime(StreamView):
    max_streams = 1

    def stream(self):
        yield "1"


def one_at_a_time(request):
    limits = [Limit("one-at-a-time", 1)]
    return StreamResponse(plain_numbers(), format=JSONL, limits=limits)


def not_modified(get_response):
    """Answers in place of the view, as ConditionalGetMiddleware does."""

    def middleware(request):
        response = get_response(request)
        return HttpResponseNotModified() if "HTTP_IF_NONE_MATCH" in request.META else response

    return middleware


urlpatterns = [
    *(path(f"{name}/", view) for name, view in SOURCES.items()),
    path("one/", OneAtATime.as_view()),
    path("one-by-function/", one_at_a_time),
]


def ask(name, method="GET", handler=StreamingWSGIHandler, **headers):
    """Returns status, headers and the iterable, as a server gets them."""
    environ = RequestFactory()._base_environ(
        PATH_INFO=f"/{name}/", REQUEST_METHOD=method, **headers
    )
    environ["wsgi.input"] = io.BytesIO()
    started = []
    body = handler()(environ, lambda status, headers: started.append((status, headers)))
    [(status, headers)] = started
    return int(status.split()[0]), dict(headers), body


def read(body):
    try:
        return b"".join(body)
    finally:
        body.close()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("async", b"1\n2\n"),
        ("plain", b"1\n2\n"),
        ("array", b"[1,2]"),
        ("empty", b"[]"),
        ("events", b"data: 1\n\ndata: 2\n\n"),
        ("ordinary", b"ordinary"),
    ],
)
def test_a_response_is_whole(name, content):
    status, _, body = ask(name)
    assert (status, read(body)) == (200, content)


@pytest.mark.parametrize("name", ["paused", "plain"])
def test_a_response_that_is_closed_before_it_is_read_closes_its_source(name):
    _, _, body = ask(name)
    assert closed == []
    body.close()
    assert closed == [name]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("missing", 404),
        ("plain-missing", 404),
        ("array-missing", 404),
        ("missing-function", 404),
        ("denied", 403),
        ("too-large", 413),
        ("broken", 500),
        ("no-source", 500),
        ("unencodable", 500),
    ],
)
def test_what_fails_before_the_first_item_is_an_ordinary_response(name, status, caplog):
    answered, _, body = ask(name)
    assert answered == status
    assert b"the stream failed" not in read(body)
    messages = [record for record in caplog.records if record.name == "django.request"]
    assert len(messages) == 1
    assert "midway" not in messages[0].getMessage()


@pytest.mark.parametrize("name", ["no-content", "no-events"])
def test_a_source_that_has_nothing_to_say_answers_204(name):
    status, headers, body = ask(name)
    assert (status, read(body)) == (204, b"")
    assert "Content-Type" not in headers


def test_204_keeps_headers_cookies_and_what_is_to_be_closed():
    status, headers, body = ask("nothing")
    body.close()
    assert closed == ["response"]
    assert (status, headers["X-Trace"], headers["Cache-Control"]) == (204, "7", "private")
    assert headers["Set-Cookie"].strip().startswith("seen=yes")


def test_what_fails_after_the_headers_of_an_event_stream_is_told_in_it():
    status, _, body = ask("missing-events")
    assert status == 200
    assert read(body) == b'event: error\ndata: {"error":"the stream failed"}\n\n'
    assert closed == ["raising"]


def test_the_headers_wait_no_longer_than_they_are_asked_to():
    status, _, body = ask("never")
    assert status == 200
    assert next(iter(body)) == b""  # With which a server sends them.
    body.close()


def test_head_runs_no_source():
    for name in SOURCES:
        status, _, body = ask(name, "HEAD")
        assert status == 200
        if name != "ordinary":  # Django leaves that to the server.
            assert read(body) == b""
    assert closed == ["response"]


def upper(get_response):
    def middleware(request):
        response = get_response(request)
        content = response.streaming_content
        response.streaming_content = (chunk.upper() for chunk in content)
        return response

    return middleware


@override_settings(MIDDLEWARE=[f"{__name__}.upper"])
def test_content_that_a_middleware_has_wrapped_starts_when_it_is_read():
    status, _, body = ask("plain-missing")
    assert status == 200
    assert closed == []
    with pytest.raises(Exception, match="Http404"):
        read(body)
    assert closed == ["raising"]


@pytest.mark.parametrize("name", ["missing", "plain-missing", "array-missing", "broken"])
def test_nothing_leaves_before_a_failure_under_django_s_own_handler(name, caplog):
    """So the server can still answer 500."""
    _, _, body = ask(name, handler=WSGIHandler)
    chunks = iter(body)
    with pytest.raises(Exception, match="the source raised"):
        next(chunks)
    body.close()
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", ["one", "one-by-function"])
def test_one_stream_too_many_is_429_until_there_is_room(name):
    _, _, first = ask(name)
    status, headers, refused = ask(name)
    assert (status, headers["Retry-After"]) == (429, "10")
    refused.close()
    first.close()
    status, _, third = ask(name)
    assert status == 200
    third.close()


@override_settings(MIDDLEWARE=[f"{__name__}.not_modified"])
def test_an_answer_in_place_of_a_stream_takes_no_place():
    """That would be given back when the garbage collector finds the stream."""
    gc.disable()
    try:
        status, _, answer = ask("one", HTTP_IF_NONE_MATCH="*")
        answer.close()
        assert status == 304
        status, _, answer = ask("one")
        answer.close()
        assert status == 200
    finally:
        gc.enable()


def test_a_stream_that_comes_too_late_is_503():
    shutdown.begin()
    try:
        status, headers, answer = ask("plain")
        answer.close()
        assert (status, headers["Retry-After"]) == (503, "1")
    finally:
        shutdown.reset()


def test_the_application_of_a_project_is_our_handler():
    assert isinstance(get_wsgi_application(), StreamingWSGIHandler)
