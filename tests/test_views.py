"""`views`: deciding is Django's, and starts nothing; the answer says what it is."""

import asyncio
import json
import threading

import msgpack
import pytest
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin, PermissionRequiredMixin
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.test import RequestFactory
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_GET

from django_streams import (
    EVENT_STREAM,
    JSONL,
    MSGPACK,
    TEXT,
    BytesMixin,
    DecodeError,
    Event,
    EventStreamView,
    JSONLinesMixin,
    MessagePackMixin,
    NoContent,
    StreamError,
    StreamView,
    TextMixin,
)
from django_streams.testing import StreamClient
from tests.kennel.models import Dog

pytestmark = pytest.mark.urls(__name__)

started = []


class Words(StreamView):
    async def stream(self):
        started.append(self.request.method)
        for word in ("a ", "b"):
            yield word


class Ticks(EventStreamView):
    async def stream(self):
        started.append(self.request.method)
        yield Event.json({"user": (await self.request.auser()).get_username()}, id="1")


class PostedWords(Words):
    http_method_names = ["post"]

    async def stream(self):
        yield self.request.POST["prompt"]


class Feed(StreamView):
    formats = (JSONL, MSGPACK, EVENT_STREAM)

    async def stream(self):
        yield {"name": "Rex"}
        yield {"name": "Ada"}


class OneOfText(TextMixin, StreamView):
    def stream(self):
        return ["é"]


class OneOfBytes(BytesMixin, StreamView):
    def stream(self):
        return [b"\x00"]


class OneOfLines(JSONLinesMixin, StreamView):
    def stream(self):
        return [{"a": 1}]


class OneOfMessagePack(MessagePackMixin, StreamView):
    def stream(self):
        return [{"a": 1}]


class Dogs(JSONLinesMixin, StreamView):
    def stream(self):
        return Dog.objects.all()

    def to_item(self, dog):
        return {"name": dog.name}


class DogsAsTheyAre(JSONLinesMixin, StreamView):
    def stream(self):
        return Dog.objects.all()


class Missing(StreamView):
    async def stream(self):
        raise Http404
        yield


class MissingWithCookie(Missing):
    def dispatch(self, *args, **kwargs):
        response = super().dispatch(*args, **kwargs)
        response.set_cookie("taste", "sweet")
        return response


class MissingAtOnce(EventStreamView):
    async def stream(self):
        raise Http404
        yield


class Nothing(EventStreamView):
    async def stream(self):
        return None


class NothingAfterAll(EventStreamView):
    async def stream(self):
        raise NoContent
        yield


class Refusing(StreamView):
    async def stream(self):
        raise StreamError("the prompt is too long")
        yield


class Upstream(StreamView):
    async def stream(self):
        raise DecodeError("item 3: a secret of the other server")
        yield


class FailingMidway(StreamView):
    formats = (JSONL, EVENT_STREAM, TEXT)

    async def stream(self):
        yield "first"
        raise LookupError("a secret")


class FailingWithItsOwnItem(FailingMidway):
    async def get_error_item(self, error):
        return {"sorry": type(error).__name__}


class FailingWithoutItem(FailingMidway):
    def get_error_item(self, error):
        return None


class FailingInTheHook(FailingMidway):
    def get_error_item(self, error):
        raise ValueError


class Silent(StreamView):
    pass


class NoSource(StreamView):
    def stream(self):
        return 5


class NoFormats(Words):
    formats = ()


class WrongFormat(Words):
    format = "jsonl"


class WrongHeartbeat(Ticks):
    heartbeat = "soon"


class LastSeen(EventStreamView):
    async def stream(self):
        yield {"last": self.last_event_id}


class Retrying(EventStreamView):
    retry = 3

    async def stream(self):
        yield "x"


class AsyncHooks(EventStreamView):
    async def get_retry(self):
        return 0.5

    async def get_heartbeat(self):
        return 60

    async def stream(self):
        yield "x"


class LoggedIn(LoginRequiredMixin, Ticks):
    pass


class Permitted(PermissionRequiredMixin, Ticks):
    permission_required = "kennel.view_dog"


class HeaderMixin:
    def dispatch(self, *args, **kwargs):
        response = super().dispatch(*args, **kwargs)
        response["X-Mixin"] = "yes"
        return response


class WithHeader(HeaderMixin, LoginRequiredMixin, Ticks):
    pass


@method_decorator(cache_control(max_age=60), name="dispatch")
class Cached(Ticks):
    pass


def third_party(view):
    """A decorator of somebody who has never heard of asynchronous views."""

    def wrapper(request, *args, **kwargs):
        response = view(request, *args, **kwargs)
        response["X-Third-Party"] = response["Content-Type"]
        return response

    return wrapper


class Threads(StreamView):
    format = JSONL

    async def stream(self):
        yield {"decided": self.kwargs["decided"]}


class WhereDecided(Threads):
    """A view with a hook of its own, which may use the ORM: Django gives it a thread."""

    def get_format(self):
        self.kwargs["decided"] = threading.get_ident()
        return JSONL


urlpatterns = [
    path("login/", lambda request: HttpResponse("log in")),
    path("words/", Words.as_view()),
    path("posted/", PostedWords.as_view()),
    path("ticks/", Ticks.as_view()),
    path("feed/", Feed.as_view()),
    path("text/", OneOfText.as_view()),
    path("bytes/", OneOfBytes.as_view()),
    path("lines/", OneOfLines.as_view()),
    path("messagepack/", OneOfMessagePack.as_view()),
    path("dogs/", Dogs.as_view()),
    path("dogs-as-they-are/", DogsAsTheyAre.as_view()),
    path("missing/", Missing.as_view()),
    path("missing-with-cookie/", MissingWithCookie.as_view()),
    path("missing-at-once/", MissingAtOnce.as_view()),
    path("nothing/", Nothing.as_view()),
    path("nothing-after-all/", NothingAfterAll.as_view()),
    path("upstream/", Upstream.as_view()),
    path("refusing/", Refusing.as_view()),
    path("failing/", FailingMidway.as_view()),
    path("failing-own/", FailingWithItsOwnItem.as_view()),
    path("failing-none/", FailingWithoutItem.as_view()),
    path("failing-hook/", FailingInTheHook.as_view()),
    path("silent/", Silent.as_view()),
    path("no-source/", NoSource.as_view()),
    path("no-formats/", NoFormats.as_view()),
    path("wrong-format/", WrongFormat.as_view()),
    path("wrong-heartbeat/", WrongHeartbeat.as_view()),
    path("last-seen/", LastSeen.as_view()),
    path("retrying/", Retrying.as_view()),
    path("async-hooks/", AsyncHooks.as_view()),
    path("logged-in/", LoggedIn.as_view()),
    path("permitted/", Permitted.as_view()),
    path("with-header/", WithHeader.as_view()),
    path("cached/", Cached.as_view()),
    path("decorated/cache/", cache_control(max_age=60)(Ticks.as_view())),
    path("decorated/never/", never_cache(Ticks.as_view())),
    path("decorated/login/", login_required(Ticks.as_view())),
    path("decorated/get/", require_GET(Ticks.as_view())),
    path("decorated/third/", third_party(Ticks.as_view())),
    path("decided/", WhereDecided.as_view()),
]


@pytest.fixture(autouse=True)
def nothing_started():
    started.clear()


async def fetched(path, method="GET", client=None, **kwargs):
    async with (client or StreamClient()).stream(method, path, **kwargs) as stream:
        body = await stream.read()
    return stream, body


# Formats.


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("words", "text/plain; charset=utf-8", b"a b"),
        ("text", "text/plain; charset=utf-8", "é".encode()),
        ("bytes", "application/octet-stream", b"\x00"),
        ("lines", "application/jsonl", b'{"a":1}\n'),
        ("messagepack", "application/vnd.msgpack", msgpack.packb({"a": 1})),
        ("retrying", "text/event-stream", b"retry: 3000\n\ndata: x\n\n"),
        ("async-hooks", "text/event-stream", b"retry: 500\n\ndata: x\n\n"),
    ],
)
async def test_a_view_streams_in_its_format(path, content_type, body):
    stream, received = await fetched(f"/{path}/")
    assert (stream.status_code, stream.headers["Content-Type"]) == (200, content_type)
    assert received == body
    assert stream.is_complete
    assert "Vary" not in stream.headers
    assert stream.headers["Cache-Control"] == "no-cache, no-transform"
    assert stream.headers["X-Accel-Buffering"] == "no"
    assert "Content-Encoding" not in stream.headers


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        (None, "application/jsonl", b'{"name":"Rex"}\n{"name":"Ada"}\n'),
        ("application/x-ndjson", "application/x-ndjson", b'{"name":"Rex"}\n{"name":"Ada"}\n'),
        (
            "application/msgpack",
            "application/msgpack",
            msgpack.packb({"name": "Rex"}) + msgpack.packb({"name": "Ada"}),
        ),
        (
            "text/event-stream, */*;q=0.1",
            "text/event-stream",
            b'data: {"name":"Rex"}\n\ndata: {"name":"Ada"}\n\n',
        ),
    ],
)
async def test_the_accept_header_chooses_the_format(accept, content_type, body):
    headers = {"Accept": accept} if accept else {}
    stream, received = await fetched("/feed/", headers=headers)
    assert stream.headers["Content-Type"] == content_type
    assert received == body
    assert stream.headers["Vary"] == "Accept"


async def test_an_accept_header_that_admits_no_format_is_answered_with_what_there_is():
    stream, body = await fetched("/feed/", headers={"Accept": "image/png"})
    assert (stream.status_code, stream.headers["Vary"]) == (406, "Accept")
    assert b"Accept: image/png" in body
    assert b"application/jsonl, application/vnd.msgpack, text/event-stream" in body


async def test_a_view_of_one_format_streams_it_whatever_the_accept_header_says():
    stream, _ = await fetched("/lines/", headers={"Accept": "application/json"})
    assert stream.status_code == 200


# Methods.


async def test_head_has_the_headers_and_starts_nothing():
    for url in ("/words/", "/ticks/", "/feed/"):
        stream, body = await fetched(url, "HEAD")
        assert (stream.status_code, body) == (200, b"")
        assert stream.is_complete
    assert stream.headers["Content-Type"] == "application/jsonl"
    assert started == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("OPTIONS", "/words/", 200),
        ("POST", "/words/", 405),
        ("PUT", "/words/", 405),
        ("DELETE", "/ticks/", 405),
        ("PATCH", "/ticks/", 405),
        ("TRACE", "/ticks/", 405),
        ("GET", "/posted/", 405),
        ("HEAD", "/posted/", 405),
    ],
)
async def test_methods_that_a_view_does_not_name_never_stream(method, path, status):
    stream, _ = await fetched(path, method)
    assert stream.status_code == status
    assert started == []


async def test_options_names_the_methods():
    stream, _ = await fetched("/words/", "OPTIONS")
    assert stream.headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_a_named_method_streams_and_its_form_is_read():
    stream, body = await fetched("/posted/", "POST", data={"prompt": "hello"})
    assert (stream.status_code, body) == (200, b"hello")


# Before the first item.


@pytest.mark.parametrize("path", ["/missing/", "/missing-at-once/"])
async def test_an_error_before_the_first_item_is_an_ordinary_http_error(path, caplog):
    stream, _ = await fetched(path)
    assert stream.status_code == 404
    assert caplog.text.count("Not Found: " + path) == 1


async def test_damage_in_what_another_server_sent_is_no_mistake_of_the_client():
    stream, body = await fetched("/upstream/")
    assert stream.status_code == 500
    assert b"item 3" not in body


async def test_a_clients_mistake_is_answered_with_its_status_and_message():
    stream, body = await fetched("/refusing/")
    assert (stream.status_code, body) == (400, b"the prompt is too long\n")


async def test_an_error_before_the_first_item_keeps_the_cookies():
    """The middleware has set them by then; a session that was begun must not be lost."""
    stream, _ = await fetched("/missing-with-cookie/")
    assert stream.status_code == 404
    assert stream.cookies == ["taste=sweet; Path=/"]


@pytest.mark.parametrize("path", ["/nothing/", "/nothing-after-all/"])
async def test_a_source_without_content_is_answered_with_204(path):
    stream, body = await fetched(path)
    assert (stream.status_code, body) == (204, b"")
    assert "Content-Type" not in stream.headers
    assert stream.headers["X-Content-Type-Options"] == "nosniff"  # As the middleware had set it.


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/no-source/", "5 (from 'NoSource.stream') is no source of items"),
        ("/silent/", "Silent has no stream()"),
        ("/no-formats/", "formats is ()"),
        ("/wrong-format/", "format is 'jsonl'; it takes a Format"),
        (
            "/wrong-heartbeat/",
            "heartbeat is 'soon'; it takes a positive number of seconds, or None",
        ),
    ],
)
async def test_a_developers_mistake_is_an_internal_error_that_names_it(path, message, caplog):
    stream, _ = await fetched(path)
    assert stream.status_code == 500
    assert message in caplog.text


@pytest.mark.django_db(transaction=True)
async def test_a_model_instance_is_refused_and_the_error_names_to_item(caplog):
    await Dog.objects.acreate(name="Rex")
    stream, body = await fetched("/dogs/")
    assert body == b'{"name":"Rex"}\n'
    stream, _ = await fetched("/dogs-as-they-are/")
    assert stream.status_code == 500
    assert "to_item()" in caplog.text


# After the first item.


@pytest.mark.parametrize(
    ("path", "accept", "body", "is_complete"),
    [
        ("failing", "application/jsonl", b'"first"\n{"error":"the stream failed"}\n', False),
        ("failing", "text/plain", b"first", False),
        (
            "failing",
            "text/event-stream",
            b'data: first\n\nevent: error\ndata: {"error":"the stream failed"}\n\n',
            True,
        ),
        ("failing-own", "application/jsonl", b'"first"\n{"sorry":"LookupError"}\n', False),
        ("failing-none", "application/jsonl", b'"first"\n', False),
        ("failing-hook", "application/jsonl", b'"first"\n', False),
    ],
)
async def test_an_error_midway_is_told_where_it_can_be_and_breaks_off_all_but_events(
    path, accept, body, is_complete, caplog
):
    stream, received = await fetched(f"/{path}/", headers={"Accept": accept})
    assert received == body
    assert stream.is_complete is is_complete
    assert stream.is_broken_off is not is_complete
    assert "LookupError: a secret" in caplog.text
    assert caplog.text.count(f"Streaming failed midway: /{path}/") == 1
    stream.assert_closed()


async def test_an_error_midway_is_told_whole_when_debugging(settings):
    settings.DEBUG = True
    _, body = await fetched("/failing/")
    assert body.endswith(b'{"error":"LookupError: a secret"}\n')


# Last-Event-ID.


@pytest.mark.parametrize(
    ("headers", "query", "last"),
    [
        ({}, {}, ""),
        ({"Last-Event-ID": "7"}, {}, "7"),
        ({"Last-Event-ID": "7"}, {"last_event_id": "8"}, "7"),
        ({}, {"last_event_id": "8"}, "8"),
        ({}, {"last_event_id": "é"}, "é"),
        ({}, {"last_event_id": "a\nb"}, ""),
        ({}, {"last_event_id": "a\0b"}, ""),
        ({"Last-Event-ID": "x" * 2000}, {}, "x" * 1024),
        ({}, {"last_event_id": "é" * 2000}, "é" * 512),
        ({}, {"last_event_id": "x" + "é" * 2000}, "x" + "é" * 511),
    ],
)
async def test_the_last_event_id_is_a_plain_short_string(headers, query, last):
    _, body = await fetched("/last-seen/", headers=headers, query_params=query)
    assert json.loads(body.removeprefix(b"data: ")) == {"last": last}


def test_the_last_event_id_of_a_browser_is_utf8():
    request = RequestFactory().get("/", headers={"Last-Event-ID": "é".encode().decode("latin-1")})
    view = LastSeen()
    view.setup(request)
    assert view.last_event_id == "é"


# What stands in front of a view.


@pytest.fixture
async def user(transactional_db):
    user = await User.objects.acreate_user("ada")
    await user.user_permissions.aadd(await Permission.objects.aget(codename="view_dog"))
    return user


async def logged_in(user):
    client = StreamClient()
    await client.aforce_login(user)
    return client


@pytest.mark.parametrize(
    "path", ["/logged-in/", "/permitted/", "/with-header/", "/decorated/login/"]
)
async def test_what_keeps_anonymous_users_out_redirects_them(path, transactional_db):
    stream, _ = await fetched(path)
    assert (stream.status_code, stream.headers["Location"]) == (302, f"/login/?next={path}")
    assert started == []


@pytest.mark.parametrize(
    "path",
    [
        "/ticks/",
        "/logged-in/",
        "/permitted/",
        "/with-header/",
        "/cached/",
        "/decorated/cache/",
        "/decorated/never/",
        "/decorated/login/",
        "/decorated/get/",
        "/decorated/third/",
    ],
)
@pytest.mark.parametrize("atomic", [False, True])
async def test_what_stands_in_front_of_a_view_lets_users_stream(path, atomic, user):
    connections.settings["default"]["ATOMIC_REQUESTS"] = atomic
    try:
        stream, body = await fetched(path, client=await logged_in(user))
    finally:
        connections.settings["default"]["ATOMIC_REQUESTS"] = False
    assert stream.status_code == 200
    assert body == b'id: 1\ndata: {"user":"ada"}\n\n'
    stream.assert_closed()


@pytest.mark.parametrize(
    ("path", "header", "value"),
    [
        ("/with-header/", "X-Mixin", "yes"),
        ("/cached/", "Cache-Control", "max-age=60"),
        ("/decorated/cache/", "Cache-Control", "max-age=60"),
        (
            "/decorated/never/",
            "Cache-Control",
            "max-age=0, no-cache, no-store, must-revalidate, private",
        ),
        ("/decorated/third/", "X-Third-Party", "text/event-stream"),
    ],
)
async def test_what_sets_a_header_is_heard(path, header, value, user):
    stream, _ = await fetched(path, client=await logged_in(user))
    assert stream.headers[header] == value


async def test_a_user_without_the_permission_is_forbidden(transactional_db):
    client = await logged_in(await User.objects.acreate_user("bob"))
    stream, _ = await fetched("/permitted/", client=client)
    assert stream.status_code == 403
    assert started == []


# Where deciding runs.


def test_a_view_that_only_streams_decides_without_a_thread():
    for view in (Words, Ticks, Dogs, Feed, FailingWithItsOwnItem, PostedWords):
        function = view.as_view()
        assert function.decides_without_thread is function


@pytest.mark.parametrize("view", [LoggedIn, WithHeader, Cached, WhereDecided, AsyncHooks])
def test_a_view_with_deciding_code_of_its_own_keeps_its_thread(view):
    assert not hasattr(view.as_view(), "decides_without_thread")


async def test_a_hook_runs_in_a_thread():
    _, body = await fetched("/decided/")
    assert json.loads(body)["decided"] != threading.get_ident()


def test_a_property_in_place_of_an_attribute_keeps_the_thread_too():
    class View(Words):
        @property
        def heartbeat(self):
            return 3

    assert not hasattr(View.as_view(), "decides_without_thread")


def test_the_function_of_a_view_is_no_coroutine_function_so_that_decorators_get_a_response():
    response = Words.as_view()(RequestFactory().get("/"))
    assert response.status_code == 200
    assert not asyncio.iscoroutine(response)
    redirect = LoggedIn.as_view()(anonymous_request())
    assert isinstance(redirect, HttpResponseRedirect)


def anonymous_request():
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    return request


def test_a_wrong_format_is_named_when_the_response_is_built():
    with pytest.raises(ImproperlyConfigured, match="it takes a Format"):
        WrongFormat.as_view()(RequestFactory().get("/"))
