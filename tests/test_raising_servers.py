"""`asgi`: a server's `send` that raises, as the client has left (ASGI's HTTP 2.4) or by a bug."""

import asyncio
import tempfile

import pytest
from django.core.signals import request_finished
from django.http import HttpResponse
from django.test import AsyncRequestFactory
from django.urls import path

from django_streams import EventStreamView, FileStreamView
from django_streams.asgi import get_asgi_application
from django_streams.asgi.handler import StreamingASGIHandler
from django_streams.signals import stream_finished

pytestmark = pytest.mark.urls(__name__)

LARGE = 3 * 2**20


class Numbers(EventStreamView):
    closed = 0

    async def stream(self):
        try:
            for n in range(1_000_000):
                yield n
                await asyncio.sleep(0)
        finally:
            Numbers.closed += 1


class Large(FileStreamView):
    opened = ()

    def get_file(self):
        file = tempfile.TemporaryFile()  # noqa: SIM115 - It is the response's to close.
        file.truncate(LARGE)
        Large.opened += (file,)
        return file


def plain(request):
    return HttpResponse("plain")


urlpatterns = [
    path("numbers/", Numbers.as_view()),
    path("large/", Large.as_view()),
    path("plain/", plain),
]


@pytest.fixture(autouse=True)
def born_again():
    Numbers.closed, Large.opened = 0, ()


async def ask(url, error, application=None):
    """Asks for a URL, of a server that raises an error instead of sending a second message."""
    scope = AsyncRequestFactory().get(url).scope
    messages = [{"type": "http.request"}]
    sent = []

    async def receive():
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    async def send(message):
        if len(sent) == 1:
            raise error
        sent.append(message)

    await (application or get_asgi_application())(scope, receive, send)


@pytest.mark.parametrize("error", [OSError("gone"), BrokenPipeError(), ConnectionResetError()])
async def test_an_oserror_says_that_the_client_of_a_stream_has_left(error):
    endings = []

    def finished(stream, **kwargs):
        endings.append(str(stream.ending))

    stream_finished.connect(finished)
    try:
        await ask("/numbers/", error)
    finally:
        stream_finished.disconnect(finished)
    assert Numbers.closed == 1
    assert endings == ["disconnect"]


async def test_an_oserror_says_that_the_client_of_a_file_has_left():
    await ask("/large/", OSError("gone"))
    assert [file.closed for file in Large.opened] == [True]


@pytest.mark.parametrize("url", ["/numbers/", "/large/"])
async def test_what_else_a_server_raises_is_its_own_and_everything_is_closed(url):
    with pytest.raises(LookupError):
        await ask(url, LookupError("a bug"))
    assert Numbers.closed == (url == "/numbers/")
    assert all(file.closed for file in Large.opened)


async def test_a_request_ends_once_when_the_client_has_left():
    ends = []

    def finished(**kwargs):
        ends.append(1)

    request_finished.connect(finished)
    try:
        await ask("/large/", OSError("gone"))
    finally:
        request_finished.disconnect(finished)
    assert len(ends) == 1


class Remembering(StreamingASGIHandler):
    """Remembers the files with the bodies."""

    def __init__(self):
        super().__init__()
        self.files = []

    async def read_body(self, receive):
        self.files.append(await super().read_body(receive))
        return self.files[-1]


@pytest.mark.parametrize("url", ["/plain/", "/numbers/", "/large/"])
async def test_the_file_with_the_body_is_closed_whatever_is_raised(url):
    handler = Remembering()
    with pytest.raises(LookupError):
        await ask(url, LookupError("a bug"), handler)
    assert [file.closed for file in handler.files] == [True]


async def test_the_file_with_the_body_is_closed_when_the_request_is_cancelled():
    handler = Remembering()
    started = asyncio.Event()

    async def send(message):
        started.set()
        await asyncio.Event().wait()

    messages = [{"type": "http.request"}]

    async def receive():
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    scope = AsyncRequestFactory().get("/numbers/").scope
    request = asyncio.create_task(handler(scope, receive, send))
    await started.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert [file.closed for file in handler.files] == [True]
    assert Numbers.closed == 1
