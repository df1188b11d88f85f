"""`lifetime`: why streams end, how many there may be, and what is told of them."""

import asyncio
import gc
import logging
import random
import threading
import time
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient, AsyncRequestFactory, Client, override_settings
from django.urls import path
from django.utils.functional import SimpleLazyObject

from django_streams import (
    JSON_ARRAY,
    JSONL,
    BrokenOff,
    Ending,
    EventStreamView,
    NoContent,
    StreamResponse,
    StreamView,
    open_streams,
    shutting_down,
    stream_finished,
    stream_started,
)
from django_streams.lifetime import shutdown, streams, totals
from django_streams.lifetime.limits import Limit, Places
from django_streams.testing import StreamClient

pytestmark = pytest.mark.urls(__name__)


class Waiting(EventStreamView):
    async def stream(self):
        yield "1"
        await asyncio.Event().wait()


class Export(StreamView):
    format = JSON_ARRAY

    async def stream(self):
        yield 1
        await asyncio.Event().wait()


class Short(StreamView):
    format = JSONL
    http_method_names = ["get", "head", "post"]

    async def stream(self):
        for number in range(20):
            yield number


class ShortInThread(StreamView):
    format = JSONL

    def stream(self):
        yield from range(20)


class Failing(StreamView):
    format = JSONL

    async def stream(self):
        yield 1
        raise LookupError


class Nothing(StreamView):
    async def stream(self):
        raise NoContent
        yield


class Farewell(EventStreamView):
    async def stream(self):
        yield "hello"
        await self.shutting_down.wait()
        yield "goodbye"


class Endless(EventStreamView):
    def stream(self):
        while True:
            yield "."


class EndlessExport(StreamView):
    def stream(self):
        while True:
            yield "."


class FarewellFromThread(EventStreamView):
    def stream(self):
        shutting_down = self.shutting_down
        yield "hello"
        while not shutting_down.is_set():
            time.sleep(0.001)
        yield "goodbye"


class Finishing(StreamView):
    """An export that is nearly done when the server stops."""

    format = JSON_ARRAY

    async def stream(self):
        yield 1
        await self.shutting_down.wait()
        yield 2


class Large(StreamView):
    """Has done its part when the server stops: the rest is up to the client."""

    ended = 0

    async def stream(self):
        yield "x" * 2**17
        yield "and so on"
        Large.ended += 1


class LargeEvent(Large, EventStreamView):
    pass


class Lingering(EventStreamView):
    async def stream(self):
        try:
            yield "1"
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.2)


class BehindProxy(Export):
    async def get_address(self):
        return self.request.headers["X-Real-IP"]


class OfUser(LoginRequiredMixin, EventStreamView):
    async def stream(self):
        yield self.request.user.username
        await asyncio.Event().wait()


class Guarded(StreamView):
    format = JSONL
    revalidate = 0.05
    is_allowed = True
    asked = 0

    def dispatch(self, request, *args, **kwargs):
        Guarded.asked += 1
        if not Guarded.is_allowed:
            raise PermissionError
        return super().dispatch(request, *args, **kwargs)

    async def stream(self):
        yield 1
        await asyncio.Event().wait()


def function_view(request):
    async def source():
        yield 1
        await asyncio.Event().wait()

    if request.GET.get("user") and not request.user.is_authenticated:
        raise PermissionError
    return StreamResponse(source(), format=JSONL, request=request, revalidate=0.05)


class CalledView:
    def __call__(self, request):
        return function_view(request)


called_view = CalledView()

urlpatterns = [
    path("waiting/", Waiting.as_view()),
    path("brief/", Waiting.as_view(max_duration=0.1)),
    path("brief-export/", Export.as_view(max_duration=timedelta(seconds=0.1))),
    path("of-an-hour/", Waiting.as_view(max_duration=3600)),
    path("export-of-an-hour/", Export.as_view(max_duration=timedelta(hours=1))),
    path("export/", Export.as_view()),
    path("short/", Short.as_view()),
    path("short-in-thread/", ShortInThread.as_view()),
    path("failing/", Failing.as_view()),
    path("nothing/", Nothing.as_view()),
    path("farewell/", Farewell.as_view()),
    path("farewell-from-thread/", FarewellFromThread.as_view()),
    path("brief-in-thread/", Endless.as_view(max_duration=0.05)),
    path("brief-export-in-thread/", EndlessExport.as_view(max_duration=0.05)),
    path("finishing/", Finishing.as_view()),
    path("large/", Large.as_view()),
    path("large-event/", LargeEvent.as_view()),
    path("of-user/", OfUser.as_view(revalidate=0.1)),
    path("guarded/", Guarded.as_view()),
    path("function/", function_view),
    path("partial/", partial(function_view)),
    path("called/", called_view),
    path("two/", Waiting.as_view(max_streams=2)),
    path("one-per-address/", Export.as_view(max_streams_per_address=1)),
    path("one-per-real-address/", BehindProxy.as_view(max_streams_per_address=1)),
    path("one-per-user/", Waiting.as_view(max_streams_per_user=1)),
    path("one-that-lingers/", Lingering.as_view(max_streams=1)),
    path("one-short/", Short.as_view(max_streams=1)),
    path("one-failing/", Failing.as_view(max_streams=1)),
    path("one-of-nothing/", Nothing.as_view(max_streams=1)),
]


class Ears:
    """Hears what is told of streams."""

    def __init__(self):
        self.started = []
        self.finished = []
        self.has_finished = asyncio.Event()

    async def start(self, sender, stream, **kwargs):
        self.started.append((sender, stream.path, stream.ending))

    async def finish(self, sender, stream, **kwargs):
        self.finished.append(stream)
        self.has_finished.set()

    async def ending(self):
        async with asyncio.timeout(5):
            await self.has_finished.wait()
        [stream] = self.finished
        return stream.ending


@pytest.fixture
async def ears():
    ears = Ears()
    stream_started.connect(ears.start)
    stream_finished.connect(ears.finish)
    yield ears
    stream_started.disconnect(ears.start)
    stream_finished.disconnect(ears.finish)


@pytest.fixture
def stopped():
    """The server stops, and begins anew after the test."""
    yield shutdown.begin
    shutdown.reset()


@pytest.fixture
async def jump(monkeypatch):
    """Lets the clock of the event loop jump ahead by some seconds."""
    loop, jumped = asyncio.get_running_loop(), []
    time_of_loop = loop.time
    monkeypatch.setattr(loop, "time", lambda: time_of_loop() + sum(jumped))
    return jumped.append


# What is told.


@pytest.mark.parametrize("view", [Short, ShortInThread])
async def test_a_stream_is_told_of_when_it_begins_and_when_it_has_ended(ears, view):
    url = "/short/" if view is Short else "/short-in-thread/"
    async with StreamClient().stream("GET", url) as stream:
        body = await stream.read()
    assert await ears.ending() is Ending.DONE
    assert ears.started == [(view, url, None)]
    [finished] = ears.finished
    assert (finished.items, finished.bytes_sent) == (20, len(body))
    assert finished.view is view
    assert finished.view_name == f"{__name__}.{view.__name__}"
    assert finished.request.method == "GET"
    assert 0 < finished.seconds < 5


@pytest.mark.parametrize("url", ["/short/", "/short-in-thread/"])
def test_it_is_told_without_an_event_loop_as_well(client, url):
    told = []

    def tell(sender, stream, **kwargs):
        told.append((stream.ending, stream.items, stream.bytes_sent))

    stream_finished.connect(tell)
    try:
        body = b"".join(client.get(url))
    finally:
        stream_finished.disconnect(tell)
    assert told == [(Ending.DONE, 20, len(body))]


@pytest.mark.parametrize(
    ("url", "ending"),
    [
        ("/short/", Ending.DONE),
        ("/nothing/", Ending.DONE),
        ("/failing/", Ending.ERROR),
        ("/waiting/", Ending.DISCONNECT),
        ("/brief/", Ending.DEADLINE),
        ("/brief-export/", Ending.DEADLINE),
    ],
)
async def test_it_is_told_why_a_stream_ended(ears, url, ending):
    async with StreamClient().stream("GET", url) as stream:
        if ending is not Ending.DISCONNECT:
            await stream.read()
    assert await ears.ending() is ending


@pytest.mark.parametrize("kind", [StreamClient, AsyncClient, Client])
async def test_head_is_no_stream(ears, kind):
    if kind is StreamClient:
        async with kind().stream("HEAD", "/short/") as stream:
            assert stream.status_code == 200
            assert await stream.read() == b""
    elif kind is AsyncClient:
        assert (await kind().head("/short/")).status_code == 200  # Django has emptied it.
    else:
        response = await sync_to_async(kind().head)("/short/")
        assert b"".join(response) == b""
    assert not ears.started
    assert not ears.finished


def test_a_client_that_leaves_is_told_of_without_an_event_loop(client):
    told = []

    def tell(sender, stream, **kwargs):
        told.append(stream.ending)

    stream_finished.connect(tell)
    try:
        response = client.get("/short-in-thread/")
        next(iter(response))
        response.close()
        del response
        gc.collect()
    finally:
        stream_finished.disconnect(tell)
    assert told == [Ending.DISCONNECT]


def test_the_garbage_collector_may_find_a_stream_at_any_time(client):
    name = f"{__name__}.ShortInThread"

    def drop():
        next(iter(client.get("/short-in-thread/")))

    def collect():
        with streams._lock, shutdown._lock:  # Where somebody is counting.
            gc.collect()

    gc.disable()
    try:
        in_a_thread(drop)  # Which would remember its current stream.
        assert open_streams()[name] == 1
        in_a_thread(collect)
    finally:
        gc.enable()
    assert name not in open_streams()


def in_a_thread(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()


async def test_there_is_a_line_for_each_stream_at_debug(caplog):
    caplog.set_level(logging.DEBUG, "django_streams")
    async with StreamClient().stream("GET", "/short/") as stream:
        await stream.read()
    [line] = [record.getMessage() for record in caplog.records if record.name == "django_streams"]
    assert line.startswith("GET /short/: done, 20 items, 50 bytes, 0.")


async def test_open_streams_are_counted_by_view():
    name = f"{__name__}.Waiting"
    assert name not in open_streams()
    async with StreamClient().stream("GET", "/waiting/"), StreamClient().stream("GET", "/two/"):
        assert open_streams()[name] == 2
    assert name not in open_streams()


@pytest.mark.parametrize(
    ("url", "name"), [("/partial/", "function_view"), ("/called/", "CalledView")]
)
async def test_any_callable_may_be_a_view(ears, url, name):
    """As Django allows. A partial is the view that it calls."""
    async with StreamClient().stream("GET", url) as stream:
        assert stream.status_code == 200
        assert open_streams()[f"{__name__}.{name}"] == 1
    await ears.ending()
    assert ears.finished[0].view in (function_view, called_view)


async def test_what_has_ended_is_summed_up():
    key = (f"{__name__}.Short", "done")
    before = totals().get(key)
    async with StreamClient().stream("GET", "/short/") as stream:
        await stream.read()
    after = totals()[key]
    assert after.streams - (before.streams if before else 0) == 1
    assert after.items - (before.items if before else 0) == 20
    assert after.bytes_sent - (before.bytes_sent if before else 0) == 50
    assert after.seconds > 0


async def test_receivers_hear_of_the_end_though_the_client_leaves_meanwhile(ears):
    told = []

    def tell(sender, stream, **kwargs):
        time.sleep(0.05)  # In a thread, while the client leaves.
        told.append(stream.ending)

    stream_finished.connect(tell)
    try:
        async with StreamClient().stream("GET", "/short/") as stream:
            await stream.read()
    finally:
        stream_finished.disconnect(tell)
    assert told == [Ending.DONE]
    assert await ears.ending() is Ending.DONE


async def test_a_receiver_that_fails_disturbs_nothing(ears):
    def fail(sender, **kwargs):
        raise LookupError

    stream_started.connect(fail)
    try:
        async with StreamClient().stream("GET", "/short/") as stream:
            assert len(await stream.read()) == 50
    finally:
        stream_started.disconnect(fail)
    assert await ears.ending() is Ending.DONE


# Deadlines.


async def test_at_its_deadline_an_event_stream_ends_cleanly(jump):
    async with StreamClient().stream("GET", "/of-an-hour/") as stream:
        assert (await stream.event()).data == "1"
        jump(3600)
        assert await stream.read() == b""
        assert stream.is_complete
    stream.assert_closed()


async def test_at_its_deadline_an_export_is_broken_off(jump):
    async with StreamClient().stream("GET", "/export-of-an-hour/") as stream:
        assert await stream.chunk() == b"[1"
        jump(3600)
        assert await stream.read() == b""
        assert not stream.is_complete
    stream.assert_closed()


def test_at_its_deadline_a_stream_without_a_loop_ends_with_its_next_item(client):
    assert b"".join(client.get("/brief-in-thread/")).startswith(b"data: .\n\n")
    with pytest.raises(BrokenOff):
        b"".join(client.get("/brief-export-in-thread/"))


@pytest.mark.parametrize("kind", [StreamClient, Client])
async def test_deadlines_of_streams_that_began_together_differ(kind, monkeypatch):
    monkeypatch.setattr(random, "uniform", lambda least, most: least)
    began = []

    def look(sender, stream, **kwargs):
        began.append(stream._lasts)

    stream_started.connect(look)
    try:
        if kind is StreamClient:
            async with kind().stream("GET", "/brief/") as stream:
                await stream.read()
        else:
            response = await sync_to_async(kind().get)("/brief-in-thread/")
            await sync_to_async(b"".join)(response)
    finally:
        stream_started.disconnect(look)
    assert began == [pytest.approx(0.09 if kind is StreamClient else 0.045)]


@pytest.mark.parametrize("value", [0, -1, "1", float("inf"), timedelta(0)])
@pytest.mark.parametrize("name", ["max_duration", "revalidate", "send_timeout"])
def test_times_are_positive_numbers_of_seconds(name, value):
    view = Waiting.as_view(**{name: value})
    with pytest.raises(ImproperlyConfigured, match=f"{name} is .* positive number of seconds"):
        view(AsyncRequestFactory().get("/"))


# When the server stops.


@override_settings(STREAMS={"SHUTDOWN_GRACE": 60})
async def test_when_the_server_stops_an_event_stream_ends_cleanly_and_at_once(
    ears, stopped, monkeypatch
):
    monkeypatch.setattr(streams, "GOODBYE_SECONDS", 60)
    async with StreamClient().stream("GET", "/waiting/") as stream:
        await stream.event()
        stopped()
        await stream.read()  # Whose patience is shorter than either.
        assert stream.is_complete
    assert await ears.ending() is Ending.SHUTDOWN


@pytest.mark.parametrize("url", ["/farewell/", "/farewell-from-thread/"])
async def test_a_source_can_say_goodbye(ears, stopped, url):
    async with StreamClient().stream("GET", url) as stream:
        assert (await stream.event()).data == "hello"
        stopped()
        assert (await stream.event()).data == "goodbye"
        await stream.read()
        assert stream.is_complete
    assert await ears.ending() is Ending.DONE


async def test_an_export_that_finishes_within_the_grace_is_whole(ears, stopped):
    async with StreamClient().stream("GET", "/finishing/") as stream:
        assert await stream.chunk() == b"[1"
        stopped()
        assert await stream.read() == b",2]"
        assert stream.is_complete
    assert await ears.ending() is Ending.DONE


@override_settings(STREAMS={"SHUTDOWN_GRACE": 0.05})
async def test_an_export_that_does_not_is_broken_off(ears, stopped):
    async with StreamClient().stream("GET", "/export/") as stream:
        assert await stream.chunk() == b"[1"
        stopped()
        assert await stream.read() == b""
        assert not stream.is_complete
    assert await ears.ending() is Ending.SHUTDOWN


@override_settings(STREAMS={"SHUTDOWN_GRACE": 0.05, "SEND_TIMEOUT": None})
@pytest.mark.parametrize("url", ["/large/", "/large-event/"])
async def test_a_client_that_does_not_take_the_rest_of_an_ended_source_is_cut_off(
    ears, stopped, url
):
    async with StreamClient().stream("GET", url) as stream:
        Large.ended = 0
        # Of its chunks one waits to be taken, and the next to be sent.
        async with asyncio.timeout(5):
            while not Large.ended:
                await asyncio.sleep(0.01)
        stopped()
        assert await ears.ending() is Ending.SHUTDOWN
        await stream.read()
        assert not stream.is_complete


@pytest.mark.parametrize("url", ["/waiting/", "/export/", "/short/"])
async def test_a_stream_that_comes_too_late_is_503(stopped, url):
    stopped()
    async with StreamClient().stream("GET", url) as stream:
        assert stream.status_code == 503
        assert stream.headers["Retry-After"] == "1"


async def test_a_stream_that_has_not_begun_when_the_server_stops_is_503(stopped):
    async def stop(sender, **kwargs):
        stopped()
        await asyncio.sleep(0.01)

    stream_started.connect(stop)
    try:
        async with StreamClient().stream("GET", "/waiting/") as stream:
            assert stream.status_code == 503
    finally:
        stream_started.disconnect(stop)


def test_without_a_loop_a_stream_that_comes_too_late_is_503(client, stopped):
    stopped()
    response = client.get("/short-in-thread/")
    assert response.status_code == 503
    assert response["Retry-After"] == "1"


async def test_outside_a_stream_nothing_shuts_down():
    assert not shutting_down().is_set()
    assert not Waiting().shutting_down.is_set()


# Deciding anew.


@pytest.mark.django_db(transaction=True)
async def test_a_session_that_is_revoked_closes_its_stream_and_no_other(ears):
    users = [await User.objects.acreate(username=name) for name in ("eve", "bob")]
    eve, bob = StreamClient(), StreamClient()
    await eve.aforce_login(users[0])
    await bob.aforce_login(users[1])
    async with (
        eve.stream("GET", "/of-user/") as eves,
        bob.stream("GET", "/of-user/") as bobs,
    ):
        assert (await eves.event()).data == "eve"
        assert (await bobs.event()).data == "bob"
        session = await eve.asession()
        await session.aflush()
        await eves.read()
        assert eves.is_complete
        assert await ears.ending() is Ending.REVOKED
        await asyncio.sleep(0.2)  # Twice as long as it takes to ask once more.
        assert not bobs.is_complete
        assert len(ears.finished) == 1


async def test_what_stands_in_front_of_the_view_is_asked_again_and_again(ears):
    Guarded.is_allowed, Guarded.asked = True, 0
    async with StreamClient(raise_request_exception=False).stream("GET", "/guarded/") as stream:
        await stream.chunk()
        async with asyncio.timeout(5):
            while Guarded.asked < 4:
                await asyncio.sleep(0.01)
        assert not ears.finished
        Guarded.is_allowed = False
        await stream.read()
        assert not stream.is_complete
    assert await ears.ending() is Ending.REVOKED


@pytest.mark.django_db(transaction=True)
async def test_a_function_view_is_asked_again(ears):
    client = StreamClient()
    await client.aforce_login(await User.objects.acreate(username="eve"))
    async with client.stream("GET", "/function/?user=1") as stream:
        await stream.chunk()
        await asyncio.sleep(0.2)
        assert not ears.finished
        await (await client.asession()).aflush()
        await stream.read()
        assert not stream.is_complete
    assert await ears.ending() is Ending.REVOKED


def of_a_token(get_response):
    """Says who it is by other means than a session, as many do."""

    def middleware(request):
        name = request.GET.get("user")
        request.user = SimpleLazyObject(lambda: User(username=name) if name else AnonymousUser())
        if "asks" in request.GET:
            assert request.user.is_authenticated == bool(name)
        return get_response(request)

    return middleware


@override_settings(MIDDLEWARE=[f"{__name__}.of_a_token"])
@pytest.mark.parametrize(
    ("query", "seconds"), [("user=eve&asks", 60), ("user=eve", None), ("asks", None)]
)
async def test_an_event_stream_of_a_user_is_decided_upon_anew_by_default(query, seconds):
    terms = []

    def look(sender, stream, **kwargs):
        terms.append(stream.terms)

    stream_started.connect(look)
    try:
        async with StreamClient().stream("GET", f"/waiting/?{query}") as stream:
            await stream.event()
    finally:
        stream_started.disconnect(look)
    assert [each.revalidate for each in terms] == [seconds]


async def test_a_decision_that_hangs_ends_the_stream(ears, monkeypatch):
    monkeypatch.setattr("django_streams.lifetime.streams.DECIDING_SECONDS", 0.05)

    async def hang(request):
        await asyncio.Event().wait()

    monkeypatch.setattr("django_streams.responses.responses.is_still_allowed", hang)
    Guarded.is_allowed = True
    async with StreamClient().stream("GET", "/guarded/") as stream:
        await stream.chunk()
        await stream.read()
        assert not stream.is_complete
    assert await ears.ending() is Ending.REVOKED


# How many there may be.


async def test_more_streams_of_a_view_than_it_allows_are_429():
    async with (
        StreamClient().stream("GET", "/two/") as first,
        StreamClient().stream("GET", "/two/") as second,
    ):
        assert (first.status_code, second.status_code) == (200, 200)
        async with StreamClient().stream("GET", "/two/") as third:
            assert third.status_code == 429
            assert third.headers["Retry-After"] == "10"
        await first.disconnect()
        async with StreamClient().stream("GET", "/two/") as third:
            assert third.status_code == 200


def test_each_address_has_its_own(client):
    url = "/one-per-address/"
    first = client.get(url, REMOTE_ADDR="10.0.0.1")
    assert first.status_code == 200
    assert client.get(url, REMOTE_ADDR="10.0.0.1").status_code == 429
    assert client.get(url, REMOTE_ADDR="10.0.0.2").status_code == 200
    first.close()


async def test_the_address_is_what_a_trusted_proxy_says():
    async def status(address):
        async with StreamClient().stream("GET", "/one-per-real-address/", **address) as stream:
            return stream.status_code

    async with StreamClient().stream(
        "GET", "/one-per-real-address/", headers={"X-Real-IP": "10.0.0.1"}
    ):
        assert await status({"headers": {"X-Real-IP": "10.0.0.1"}}) == 429
        assert await status({"headers": {"X-Real-IP": "10.0.0.2"}}) == 200


@pytest.mark.django_db(transaction=True)
async def test_each_user_has_its_own_and_who_is_nobody_is_not_counted():
    statuses = []
    clients = []
    for name in ("eve", "bob", None):
        client = StreamClient()
        if name:
            await client.aforce_login(await User.objects.acreate(username=name))
        clients.append(client)
    async with (
        clients[0].stream("GET", "/one-per-user/"),
        clients[2].stream("GET", "/one-per-user/"),
    ):
        for client in clients:
            async with client.stream("GET", "/one-per-user/") as stream:
                statuses.append(stream.status_code)
    assert statuses == [429, 200, 200]


@pytest.mark.parametrize("url", ["/one-short/", "/one-failing/", "/one-of-nothing/"])
async def test_however_a_stream_ends_its_place_is_given_back(url):
    for _ in range(3):
        async with StreamClient().stream("GET", url) as stream:
            assert stream.status_code in (200, 204)
            await stream.read()
    for _ in range(3):
        async with StreamClient().stream("GET", url) as stream:
            assert stream.status_code in (200, 204)
    async with StreamClient().stream("HEAD", url) as stream:
        assert stream.status_code == 200


async def test_a_place_is_given_back_though_nobody_waits_for_the_source():
    """daphne cancels again and again what does not end."""
    for _ in range(2):
        with suppress(asyncio.CancelledError):  # Of the application, when the client leaves.
            async with StreamClient().stream("GET", "/one-that-lingers/") as stream:
                assert stream.status_code == 200
                while not stream._application.done():
                    stream._application.cancel()
                    await asyncio.sleep(0.01)
        assert f"{__name__}.Lingering" not in open_streams()


def test_without_a_loop_places_are_given_back_too(client):
    for _ in range(3):
        assert client.head("/one-short/").status_code == 200
    first = client.get("/one-short/")
    assert first.status_code == 200
    assert client.get("/one-short/").status_code == 429
    first.close()
    second = client.get("/one-short/")
    assert second.status_code == 200
    b"".join(second)
    third = client.get("/one-short/")
    assert third.status_code == 200
    del third  # Dropped by a middleware, say, and never closed.
    gc.collect()
    assert client.get("/one-short/").status_code == 200


@pytest.mark.parametrize("value", [0, -1, 1.5, "1", True])
@pytest.mark.parametrize("name", ["max_streams", "max_streams_per_user", "max_streams_per_address"])
def test_how_many_is_a_positive_number(name, value):
    with pytest.raises(ImproperlyConfigured, match=f"Waiting.{name} is .* positive whole number"):
        Waiting.as_view(**{name: value})(AsyncRequestFactory().get("/"))


def test_places_are_taken_together_or_not_at_all():
    places = Places()
    assert places.take([Limit("a", 2), Limit("b", 1)])
    assert not places.take([Limit("a", 2), Limit("b", 1)])
    assert places.take([Limit("a", 2)])
    assert not places.take([Limit("a", 2)])
    places.give_back([Limit("a", 2)])
    places.give_back([Limit("a", 2), Limit("b", 1)])
    assert not places._taken
