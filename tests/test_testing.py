"""`testing`: what a user's tests see of a stream."""

import asyncio

import msgpack
import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import TestCase, override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_protect

from django_streams import (
    JSONL,
    MSGPACK,
    BodyStreamMixin,
    EventStreamView,
    StreamView,
    body_stream,
)
from django_streams.testing import StreamClient, StreamEnded
from tests.kennel.models import Dog

pytestmark = pytest.mark.urls(__name__)


class Endless(EventStreamView):
    async def stream(self):
        n = 0
        while True:
            n += 1
            yield {"n": n}
            await asyncio.sleep(0)


class Leaking(EventStreamView):
    """Its `finally` takes longer than anybody waits."""

    release = None

    async def stream(self):
        try:
            yield "x"
            await asyncio.Event().wait()
        finally:
            await self.release.wait()


class Echo(BodyStreamMixin, StreamView):
    http_method_names = ["post"]

    async def stream(self):
        async for chunk in self.request.body_stream:
            yield chunk.decode().upper()


@body_stream
async def received(request):
    chunks = [chunk async for chunk in request.body_stream]
    return HttpResponse(b"|".join(chunks))


class Items(StreamView):
    formats = (JSONL, MSGPACK)

    async def stream(self):
        yield {"a": 1}
        yield {"a": 2}


class Waiting(EventStreamView):
    async def stream(self):
        await asyncio.Event().wait()
        yield


class Failing(StreamView):
    format = JSONL

    async def stream(self):
        yield 1
        raise LookupError


class Who(StreamView):
    async def stream(self):
        yield (await self.request.auser()).get_username()


class Names(StreamView):
    format = JSONL

    def stream(self):
        return Dog.objects.values_list("name", flat=True)


class Posted(StreamView):
    http_method_names = ["post"]

    async def stream(self):
        yield self.request.POST["a"] + self.request.headers["X-B"]


def cookie(request):
    response = HttpResponse("plain")
    response.set_cookie("taste", "sweet")
    return response


urlpatterns = [
    path("echo/", Echo.as_view()),
    path("received/", received),
    path("endless/", Endless.as_view()),
    path("leaking/", Leaking.as_view()),
    path("items/", Items.as_view()),
    path("waiting/", Waiting.as_view()),
    path("failing/", Failing.as_view()),
    path("who/", Who.as_view()),
    path("names/", Names.as_view()),
    path("posted/", Posted.as_view()),
    path("protected/", csrf_protect(Posted.as_view())),
    path("cookie/", cookie),
]


async def test_events_are_read_one_at_a_time_and_leaving_closes_the_source():
    async with StreamClient().stream("GET", "/endless/") as stream:
        assert (await stream.event()).json() == {"n": 1}
        assert (await stream.event()).json() == {"n": 2}
        with pytest.raises(AssertionError, match="still runs"):
            stream.assert_closed()
        await stream.disconnect()
        stream.assert_closed()


async def test_leaving_the_block_is_leaving_the_stream():
    async with StreamClient().stream("GET", "/endless/") as stream:
        await stream.event()
    stream.assert_closed()


async def test_a_source_that_does_not_close_is_found(monkeypatch):
    monkeypatch.setattr("django_streams.pump.pump.CLOSE_SECONDS", 0.01)
    Leaking.release = asyncio.Event()
    async with StreamClient().stream("GET", "/leaking/") as stream:
        await stream.event()
        closing = asyncio.ensure_future(stream.disconnect())
        await asyncio.sleep(0)
        with pytest.raises(AssertionError, match="still runs"):
            stream.assert_closed()
        Leaking.release.set()
        await closing


@pytest.mark.parametrize("format", [JSONL, MSGPACK], ids=str)
async def test_items_are_decoded_by_the_content_type(format):
    client = StreamClient()
    async with client.stream("GET", "/items/", headers={"Accept": str(format)}) as stream:
        assert await stream.item(dict[str, int]) == {"a": 1}
        assert [item async for item in stream] == [{"a": 2}]
        with pytest.raises(StreamEnded):
            await stream.item()
        assert stream.is_complete


async def test_the_bytes_are_there_too():
    headers = {"Accept": "application/vnd.msgpack"}
    async with StreamClient().stream("GET", "/items/", headers=headers) as stream:
        assert await stream.read() == msgpack.packb({"a": 1}) + msgpack.packb({"a": 2})
        assert await stream.read() == b""


async def test_waiting_has_an_end_that_says_what_was_waited_for():
    async with StreamClient(timeout=2).stream("GET", "/waiting/") as stream:
        with pytest.raises(TimeoutError, match=r"^/waiting/: nothing has come, for 2 seconds$"):
            await stream.event()


async def test_a_source_that_goes_on_after_its_client_has_left_is_told():
    Leaking.release = asyncio.Event()
    try:
        with pytest.raises(TimeoutError, match=r"^/leaking/: the application still runs after"):
            async with StreamClient().stream("GET", "/leaking/") as stream:
                await stream.event()
                stream._timeout = 0.01
    finally:
        Leaking.release.set()
        await asyncio.wait([stream._application])


async def test_an_item_of_another_kind_is_no_event():
    async with StreamClient().stream("GET", "/items/") as stream:
        with pytest.raises(
            AssertionError, match=r"but application/jsonl, with the status 200: \{'a': 1}"
        ):
            await stream.event()


async def test_a_stream_that_was_broken_off_says_so():
    async with StreamClient().stream("GET", "/failing/") as stream:
        assert [item async for item in stream] == [1, {"error": "the stream failed"}]
        assert stream.is_broken_off
        assert not stream.is_complete


async def test_a_response_that_does_not_stream_is_no_stream_to_be_closed():
    client = StreamClient()
    async with client.stream("GET", "/cookie/") as stream:
        assert await stream.read() == b"plain"
        with pytest.raises(AssertionError, match="no stream"):
            stream.assert_closed()
    assert client.cookies["taste"].value == "sweet"


@pytest.mark.django_db(transaction=True)
async def test_a_user_can_be_logged_in():
    client = StreamClient()
    await client.aforce_login(await User.objects.acreate_user("ada"))
    async with client.stream("GET", "/who/") as stream:
        assert await stream.read() == b"ada"


async def test_forms_and_headers_are_sent():
    data = {"data": {"a": "1"}, "headers": {"X-B": "2"}}
    async with StreamClient(headers={"X-C": "3"}).stream("POST", "/posted/", **data) as stream:
        assert await stream.read() == b"12"


async def test_csrf_is_checked_only_if_asked_to():
    data = {"data": {"a": "1"}, "headers": {"X-B": "2"}}
    async with StreamClient().stream("POST", "/protected/", **data) as stream:
        assert stream.status_code == 200
    client = StreamClient(enforce_csrf_checks=True)
    async with client.stream("POST", "/protected/", **data) as stream:
        assert stream.status_code == 403


async def test_an_application_of_the_projects_can_be_asked():
    from tests.asgi import application

    async with StreamClient(application=application).stream("GET", "/items/") as stream:
        assert await stream.item() == {"a": 1}


async def test_an_exception_of_the_application_reaches_the_test():
    async def application(scope, receive, send):
        raise LookupError("x")

    with pytest.raises(LookupError):
        async with StreamClient(application=application).stream("GET", "/"):
            pass


async def test_a_client_is_djangos_as_well():
    response = await StreamClient().get("/cookie/")
    assert response.content == b"plain"


@override_settings(ROOT_URLCONF=__name__)
class WithDjangosTestCase(TestCase):
    @classmethod
    def setUpTestData(cls):
        Dog.objects.create(name="Rex")

    async def test_a_stream_sees_the_transaction_of_the_test(self):
        async with StreamClient().stream("GET", "/names/") as stream:
            self.assertEqual([item async for item in stream], ["Rex"])
            stream.assert_closed()

    async def test_an_endless_stream_is_closed(self):
        async with StreamClient().stream("GET", "/endless/") as stream:
            await stream.event()
            await stream.disconnect()
            stream.assert_closed()


async def test_a_body_is_sent_as_the_view_reads_it():
    chunks = asyncio.Queue()
    chunks.put_nowait(b"a")

    async def body():
        while chunk := await chunks.get():
            yield chunk

    async with StreamClient().stream("POST", "/echo/", body=body()) as stream:
        assert await stream.chunk() == b"A"
        chunks.put_nowait(b"b")
        assert await stream.chunk() == b"B"
        chunks.put_nowait(b"")
        assert await stream.read() == b""
        assert stream.is_complete


async def test_a_body_comes_in_the_chunks_it_was_given_in():
    async def body():
        yield b"ab"
        yield b"c"

    async with StreamClient().stream("POST", "/received/", body=body()) as stream:
        assert await stream.read() == b"ab|c"


async def test_a_client_leaves_in_the_middle_of_its_body():
    async def body():
        yield b"a"
        await asyncio.Event().wait()

    async with StreamClient().stream("POST", "/echo/", body=body()) as stream:
        assert await stream.chunk() == b"A"
        await stream.disconnect()
        stream.assert_closed()


async def test_data_reaches_a_view_that_takes_its_body_as_a_stream():
    async with StreamClient().stream(
        "POST", "/received/", data=b"abc", content_type="text/plain"
    ) as stream:
        assert await stream.read() == b"abc"
