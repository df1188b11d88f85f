"""`FileStreamResponse`: the right bytes and headers by every handler, and no file left open."""

import asyncio
import gc
import gzip
import io
import logging
import os
import tempfile
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes
from wsgiref.util import FileWrapper, setup_testing_defaults

import pytest
from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.asgi import get_asgi_application as get_djangos_application
from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.core.files.storage import InMemoryStorage
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception
from django.db import connections
from django.http import BadHeaderError
from django.test import AsyncRequestFactory, RequestFactory, override_settings
from django.urls import path
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware
from django.utils.http import http_date

from django_streams import FileStreamResponse
from django_streams.asgi import StreamingASGIHandler, get_asgi_application
from django_streams.checks import check_settings
from django_streams.exceptions import BrokenOff
from django_streams.files import SLICE_BYTES, FileShrunk, open_file
from django_streams.responses.file import SMALL_BYTES
from django_streams.responses.file_body import REMOTE_READS
from tests.kennel.models import Dog

pytestmark = pytest.mark.urls(__name__)

SMALL = b"The quick brown fox jumps over the lazy dog.\n" * 20
LARGE = os.urandom(2 * SLICE_BYTES + 4321)
HANDLERS = ["ours", "django", "wsgi"]
every_handler = pytest.mark.parametrize("handler", HANDLERS)


class Served:
    """What the one URL here answers with."""

    view = None


def answer_with(request):
    return Served.view(request)


urlpatterns = [path("", answer_with)]


@pytest.fixture
def serve(monkeypatch):
    """Serves what a function makes of the request, or a file."""

    def serve(file, **kwargs):
        view = file
        if not callable(file):
            view = partial(FileStreamResponse, file=file, **kwargs)
        monkeypatch.setattr(Served, "view", staticmethod(view))

    return serve


@pytest.fixture
def small(tmp_path):
    found = tmp_path / "small.txt"
    found.write_bytes(SMALL)
    return found


@pytest.fixture
def large(tmp_path):
    found = tmp_path / "large.bin"
    found.write_bytes(LARGE)
    return found


@dataclass
class Answer:
    status: int = 0
    headers: dict = field(default_factory=dict)
    pieces: list = field(default_factory=list)
    is_whole: bool = False
    messages: list = field(default_factory=list)
    error: BaseException | None = None

    @property
    def body(self):
        return b"".join(self.pieces)

    def take(self, message):
        self.messages.append(message)
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [
                (name.decode(), value.decode("latin-1")) for name, value in message["headers"]
            ]
            assert len(dict(headers)) == len(headers)
            self.headers = dict(headers)
        elif message["type"] == "http.response.body":
            assert not self.is_whole
            if message.get("body"):
                self.pieces.append(message["body"])
            self.is_whole = not message.get("more_body", False)


async def ask(handler="ours", method="GET", headers=None, *, url="/", **kwargs):
    """Returns the answer to one request; an exception of the application is in `error`."""
    if handler == "wsgi":
        return await asyncio.to_thread(ask_wsgi, method, headers or {}, url, **kwargs)
    return await ask_asgi(handler, method, headers or {}, url, **kwargs)


async def ask_asgi(handler, method, headers, url, *, extensions=None, on_send=None, left=None):
    application = get_asgi_application() if handler == "ours" else get_djangos_application()
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": unquote(url),
        "raw_path": url.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    if extensions is not None:
        scope["extensions"] = extensions
    messages = iter([{"type": "http.request", "body": b""}])
    left = left or asyncio.Event()
    answer = Answer()

    async def receive():
        for message in messages:
            return message
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        answer.take(message)
        if on_send is not None:
            await on_send(message)

    try:
        await asyncio.wait_for(application(scope, receive, send), 10)
    except Exception as error:  # noqa: BLE001 - The test looks at it.
        answer.error = error
    return answer


def ask_wsgi(method, headers, url, *, wrapper=None):
    path_info = unquote_to_bytes(url).decode("latin-1")
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path_info}
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    setup_testing_defaults(environ)
    if wrapper is not None:
        environ["wsgi.file_wrapper"] = wrapper
    answer = Answer()

    def start_response(status, headers):
        answer.status = int(status.split()[0])
        answer.headers = dict(headers)

    chunks = WSGIHandler()(environ, start_response)
    try:
        for chunk in chunks:
            answer.pieces.append(chunk)
        answer.is_whole = True
    except Exception as error:  # noqa: BLE001 - The test looks at it.
        answer.error = error
    finally:
        chunks.close()
    return answer


def is_open(path):
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("which files are open is asked of Linux")
    found = set()
    for link in folder.iterdir():
        try:
            found.add(os.readlink(link))
        except FileNotFoundError:
            continue
    return os.path.realpath(path) in found


class Recorded(File):
    """A storage's file, perhaps on another machine: it has no descriptor.

    Its reads are counted; `fails_at` is the read that raises, `waits_at` the one that waits for
    `go_on`.
    """

    def __init__(self, content=LARGE, *, size=None, fails_at=None, waits_at=None):
        self.name = "recorded.bin"
        self.mode = "rb"
        self.content = io.BytesIO(content)
        self.size = len(content) if size is None else size
        self.reads = 0
        self.fails_at, self.waits_at = fails_at, waits_at
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.is_reading = False
        self.was_closed_while_reading = False
        self.is_closed = threading.Event()

    def seekable(self):
        return True

    def seek(self, *args):
        return self.content.seek(*args)

    def read(self, count=-1):
        self.is_reading = True
        try:
            return self._read(count)
        finally:
            self.is_reading = False

    def _read(self, count):
        self.reads += 1
        if self.reads == self.fails_at:
            raise OSError("the disk is gone")
        if self.reads == self.waits_at:
            self.reached.set()
            self.go_on.wait(5)
        return self.content.read(count)

    def close(self):
        self.was_closed_while_reading |= self.is_reading
        self.is_closed.set()


# The same by every handler.


@every_handler
async def test_a_small_file_is_sent_with_all_that_is_known_of_it(handler, small, serve):
    serve(small)
    answer = await ask(handler)
    assert answer.status == 200
    assert answer.body == SMALL
    status = small.stat()
    headers = answer.headers
    assert headers.pop("ETag").startswith('"')
    assert headers.pop("Last-Modified") == http_date(status.st_mtime)
    assert headers.pop("Cross-Origin-Opener-Policy")
    assert headers.pop("Referrer-Policy")
    assert headers == {
        "Accept-Ranges": "bytes",
        "Content-Disposition": 'inline; filename="small.txt"',
        "Content-Length": str(len(SMALL)),
        "Content-Type": "text/plain; charset=utf-8",
        "X-Content-Size": str(len(SMALL)),
        "X-Content-Type-Options": "nosniff",
    }


@every_handler
@pytest.mark.parametrize("size", [0, 1, SMALL_BYTES, SMALL_BYTES + 1, SLICE_BYTES, len(LARGE)])
async def test_a_file_of_any_size_is_sent(handler, size, tmp_path, serve):
    found = tmp_path / "a.bin"
    found.write_bytes(LARGE[:size])
    serve(found)
    answer = await ask(handler)
    assert answer.is_whole
    assert answer.body == LARGE[:size]
    assert answer.headers["Content-Length"] == answer.headers["X-Content-Size"] == str(size)


@every_handler
@pytest.mark.parametrize(
    "given",
    [
        str,
        lambda path: path,
        lambda path: path.open("rb"),
        lambda path: File(path.open("rb")),
        lambda path: path.read_bytes(),
        lambda path: bytearray(path.read_bytes()),
        lambda path: io.BytesIO(path.read_bytes()),
        open_file,
        lambda path: Recorded(path.read_bytes()),
    ],
    ids=["str", "Path", "open", "File", "bytes", "bytearray", "BytesIO", "OpenedFile", "Recorded"],
)
async def test_whatever_is_given_it_has_ranges(handler, given, large, serve):
    serve(lambda request: FileStreamResponse(request, given(large)))
    whole = await ask(handler)
    assert (whole.status, whole.body) == (200, LARGE)
    part = await ask(handler, headers={"Range": f"bytes=7-{SLICE_BYTES + 7}"})
    assert (part.status, part.body) == (206, LARGE[7 : SLICE_BYTES + 8])
    assert part.headers["Content-Length"] == str(SLICE_BYTES + 1)
    assert not is_open(large)


@every_handler
async def test_an_open_file_is_sent_from_where_it_is(handler, large, serve):
    def view(request):
        file = large.open("rb")
        file.seek(100)
        return FileStreamResponse(request, file)

    serve(view)
    answer = await ask(handler)
    assert answer.body == LARGE[100:]
    assert answer.headers["Content-Length"] == str(len(LARGE) - 100)
    answer = await ask(handler, headers={"Range": "bytes=0-9"})
    assert answer.body == LARGE[100:110]


@every_handler
async def test_what_is_generated_has_no_length(handler, serve):
    serve(lambda request: FileStreamResponse(request, (bytes([n]) for n in range(3))))
    answer = await ask(handler, headers={"Range": "bytes=0-1"})
    assert (answer.status, answer.body) == (200, b"\x00\x01\x02")
    assert answer.headers["Accept-Ranges"] == "none"
    assert not {"Content-Length", "X-Content-Size", "ETag", "Last-Modified"} & set(answer.headers)


@every_handler
@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=-5", len(LARGE) - 5, len(LARGE)),
        (f"bytes=3-{SMALL_BYTES + 10}", 3, SMALL_BYTES + 11),
        ("bytes=1-", 1, len(LARGE)),
    ],
)
async def test_one_range(handler, value, start, stop, large, serve):
    serve(large)
    answer = await ask(handler, headers={"Range": value})
    assert answer.status == 206
    assert answer.body == LARGE[start:stop]
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(LARGE)}"
    assert answer.headers["Content-Length"] == str(stop - start)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Size"] == str(len(LARGE))
    assert "Content-Encoding" not in answer.headers
    assert not is_open(large)


@every_handler
async def test_several_ranges(handler, large, serve):
    serve(large)
    answer = await ask(handler, headers={"Range": f"bytes=0-4,-3,10-{SLICE_BYTES + 20}"})
    assert answer.status == 206
    assert "Content-Range" not in answer.headers
    assert answer.headers["Content-Length"] == str(len(answer.body))
    boundary = answer.headers["Content-Type"].removeprefix("multipart/byteranges; boundary=")
    parts = answer.body.split(f"--{boundary}".encode())[1:-1]
    ranges = [(0, 5), (len(LARGE) - 3, len(LARGE)), (10, SLICE_BYTES + 21)]
    for part, (start, stop) in zip(parts, ranges, strict=True):
        head, _, content = part.partition(b"\r\n\r\n")
        assert content == LARGE[start:stop] + b"\r\n"
        assert f"Content-Range: bytes {start}-{stop - 1}/{len(LARGE)}".encode() in head
        assert b"Content-Type: application/octet-stream" in head
    assert not is_open(large)


@every_handler
async def test_a_range_beyond_the_end(handler, large, serve):
    serve(large, as_attachment=True, headers={"Content-Encoding": "zip", "Vary": "Cookie"})
    answer = await ask(handler, headers={"Range": f"bytes={len(LARGE)}-"})
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(LARGE)}"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Vary"] == "Cookie"
    assert not {"Content-Disposition", "Content-Encoding", "ETag"} & set(answer.headers)
    assert not is_open(large)


@every_handler
async def test_what_the_client_has_already(handler, large, serve):
    headers = {
        "Cache-Control": "max-age=60",
        "Content-Disposition": "inline",
        "Content-Language": "de",
        "Content-Location": "/here",
        "Content-Type": "text/html",
        "Expires": "0",
        "Vary": "Cookie",
    }
    serve(large, headers=headers)
    etag = (await ask(handler)).headers["ETag"]
    answer = await ask(handler, headers={"If-None-Match": f'"x", W/{etag}', "Range": "bytes=0-1"})
    assert (answer.status, answer.body) == (304, b"")
    kept = {"Cache-Control", "Content-Location", "ETag", "Expires", "Last-Modified", "Vary"}
    others = {"Cross-Origin-Opener-Policy", "Referrer-Policy", "X-Content-Type-Options"}
    assert set(answer.headers) == kept | others
    assert not is_open(large)


@every_handler
async def test_conditions_by_date(handler, large, serve):
    os.utime(large, (1_700_000_000, 1_700_000_000))
    serve(large)
    before, exact = http_date(1_699_999_999), http_date(1_700_000_000)
    assert (await ask(handler, headers={"If-Modified-Since": exact})).status == 304
    assert (await ask(handler, headers={"If-Modified-Since": before})).status == 200
    assert (await ask(handler, headers={"If-Unmodified-Since": before})).status == 412
    ranged = {"Range": "bytes=0-1"}
    assert (await ask(handler, headers=ranged | {"If-Range": exact})).status == 206
    assert (await ask(handler, headers=ranged | {"If-Range": before})).body == LARGE
    assert not is_open(large)


@every_handler
async def test_what_the_client_does_not_expect(handler, large, serve):
    serve(large)
    answer = await ask(handler, headers={"If-Match": '"other"'})
    assert answer.status == 412
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert not is_open(large)


@every_handler
@pytest.mark.parametrize("value", ["bytes=", "bytes=3-1", "items=0-1", "x", "bytes=0-1,a"])
async def test_a_malformed_range_is_ignored(handler, value, small, serve):
    serve(small)
    answer = await ask(handler, headers={"Range": value})
    assert (answer.status, answer.body) == (200, SMALL)


@every_handler
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-1"}, {"Range": "bytes=99999999-"}])
async def test_head_has_the_headers_of_get_and_no_body(handler, headers, large, serve):
    serve(large)
    answer = await ask(handler, "HEAD", headers)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers == (await ask(handler)).headers
    assert not is_open(large)


@every_handler
async def test_names_types_and_headers_are_the_views_to_say(handler, small, serve):
    serve(
        small,
        as_attachment=True,
        filename="Zoë.html",
        content_type="text/x-fox",
        headers={"Cache-Control": "private", "content-length": "3", "Content-Type": "no/no"},
    )
    headers = (await ask(handler)).headers
    assert headers["Content-Disposition"] == (
        "attachment; filename=\"Zoe.html\"; filename*=UTF-8''Zo%C3%AB.html"
    )
    assert headers["Content-Type"] == "text/x-fox"
    assert headers["Content-Length"] == str(len(SMALL))
    assert headers["Cache-Control"] == "private"


def test_the_type_is_that_of_the_files_own_name(small):
    request = RequestFactory().get("/")
    of_file = FileStreamResponse(request, small, filename="a.html")
    assert of_file["Content-Type"] == "text/plain; charset=utf-8"
    of_bytes = FileStreamResponse(request, SMALL, filename="a.csv")
    assert of_bytes["Content-Type"] == "text/csv; charset=utf-8"
    assert FileStreamResponse(request, SMALL)["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize("given", [None, 3, object(), io.StringIO("text")])
def test_what_is_no_file_is_refused(given):
    with pytest.raises(TypeError, match=r"binary"):
        FileStreamResponse(RequestFactory().get("/"), given)


def test_no_header_can_be_slipped_in(large):
    request = RequestFactory().get("/", headers={"Range": "bytes=0-1,5-6"})
    for kwargs in ({"content_type": "a/b\r\nX: y"}, {"headers": {"X": "a\nb"}}):
        with pytest.raises(BadHeaderError):
            FileStreamResponse(request, large, **kwargs)
        with pytest.raises(BadHeaderError):
            FileStreamResponse(RequestFactory().get("/"), large, **kwargs)
    assert not is_open(large)


@every_handler
async def test_an_async_view_makes_it_in_a_thread(handler, large):
    async def view(request):
        return await sync_to_async(FileStreamResponse)(request, large)

    urls = type("urls", (), {"urlpatterns": [path("", view)]})
    with override_settings(ROOT_URLCONF=urls):
        assert (await ask(handler)).body == LARGE
    assert not is_open(large)


@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
async def test_a_test_can_read_it_either_way(factory, large):
    def content():
        response = FileStreamResponse(factory().get("/"), large)
        try:
            return b"".join(response)
        finally:
            response.close()

    assert await asyncio.to_thread(content) == LARGE
    response = FileStreamResponse(factory().get("/"), large)
    assert b"".join([chunk async for chunk in response]) == LARGE
    response.close()
    assert not is_open(large)


# Under our handler.


async def test_a_small_body_is_one_message(small, serve):
    serve(small)
    for headers in ({}, {"Range": "bytes=1-2,5-6"}, {"Range": "bytes=9999-"}):
        answer = await ask(headers=headers)
        assert len(answer.messages) == 2
        assert answer.is_whole


async def test_a_large_body_leaves_in_slices(large, serve):
    serve(large)
    answer = await ask()
    assert [len(piece) for piece in answer.pieces] == [SLICE_BYTES, SLICE_BYTES, 4321]
    assert len(answer.messages) == 5


@pytest.mark.parametrize("handler", ["ours", "django"])
async def test_the_next_slice_is_read_while_one_is_sent(handler, serve):
    file = Recorded(waits_at=2)
    file.go_on.set()
    serve(file)
    reads = []

    async def on_send(message):
        if message.get("body") and not reads:
            assert await asyncio.to_thread(file.reached.wait, 5)
            reads.append(file.reads)

    answer = await ask(handler, on_send=on_send)
    assert reads == [2]
    assert answer.body == LARGE


@pytest.mark.parametrize("handler", ["ours", "django"])
async def test_a_storage_that_hangs_holds_up_no_local_file(handler, large, serve):
    content = LARGE[: 2 * SMALL_BYTES]
    files = [Recorded(content, waits_at=1) for _ in range(REMOTE_READS + 3)]
    given = iter(files)
    serve(lambda request: FileStreamResponse(request, next(given, large)))
    waiting = [asyncio.create_task(ask(handler)) for _ in files]
    async with asyncio.timeout(10):
        while sum(file.reached.is_set() for file in files) < REMOTE_READS:
            await asyncio.sleep(0.01)
    assert (await ask(handler)).body == LARGE
    await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80), 10)
    assert not any(file.content.tell() for file in files)  # They are waiting still.
    for file in files:
        file.go_on.set()
    for answer in await asyncio.gather(*waiting):
        assert answer.body == content


@pytest.mark.django_db(transaction=True)
async def test_thread_and_connection_are_let_go_before_a_large_file_is_sent(large, serve):
    seen = {}

    def view(request):
        seen["dogs"] = Dog.objects.count()
        seen["thread"] = threading.current_thread()
        seen["connection"] = connections["default"]
        return FileStreamResponse(request, large)

    async def on_send(message):
        if message.get("body") and "closed" not in seen:
            await asyncio.to_thread(seen["thread"].join, 5)
            seen["closed"] = seen["connection"].connection is None

    serve(view)
    answer = await ask(on_send=on_send)
    assert answer.body == LARGE
    assert not seen["thread"].is_alive()
    assert seen["closed"]


async def test_a_storage_may_ask_the_database_while_it_is_read(monkeypatch, serve):
    """Nobody else would ever close the connections of the threads in which files are read."""
    closed = []
    monkeypatch.setattr(
        "django_streams.responses.file_body.close_connections",
        lambda: closed.append(threading.current_thread()),
    )
    serve(Recorded())
    assert (await ask()).body == LARGE
    assert len(closed) == 4
    assert threading.main_thread() not in closed


# What goes wrong midway.


@pytest.fixture
def failures():
    found = []

    def note(sender, **kwargs):
        found.append(sender)

    got_request_exception.connect(note)
    yield found
    got_request_exception.disconnect(note)


@pytest.mark.parametrize(
    ("file", "error"),
    [
        (partial(Recorded, LARGE[:-1], size=len(LARGE)), FileShrunk),
        (partial(Recorded, fails_at=2), OSError),
        (partial(Recorded, LARGE[: SLICE_BYTES + 7], size=len(LARGE)), FileShrunk),
    ],
)
async def test_a_file_that_cannot_be_read_on_breaks_the_body_off(
    file, error, serve, caplog, failures
):
    for headers in ({}, {"Range": "bytes=0-"}):
        given = file()
        serve(given)
        caplog.clear()
        failures.clear()
        answer = await ask(headers=headers)
        assert answer.error is None
        assert not answer.is_whole
        assert answer.body == LARGE[: len(answer.body)]
        assert SLICE_BYTES <= len(answer.body) < len(LARGE)
        [record] = [record for record in caplog.records if record.name == "django.request"]
        assert record.levelno == logging.ERROR
        assert record.exc_info[0] is error
        assert failures == [StreamingASGIHandler]
        assert given.is_closed.is_set()


async def test_a_local_file_that_is_truncated_breaks_the_body_off(large, serve, caplog):
    def view(request):
        response = FileStreamResponse(request, large)
        os.truncate(large, SLICE_BYTES + 100)
        return response

    serve(view)
    answer = await ask()
    assert not answer.is_whole
    assert LARGE[: SLICE_BYTES + 100].startswith(answer.body)
    assert "could not be sent to its end" in caplog.text
    assert not is_open(large)


async def test_a_local_file_that_grows_is_sent_as_it_was(large, serve):
    def view(request):
        response = FileStreamResponse(request, large)
        with large.open("ab") as file:
            file.write(b"more")
        return response

    serve(view)
    for handler in HANDLERS:
        large.write_bytes(LARGE)
        assert (await ask(handler)).body == LARGE


async def test_daphne_is_made_to_break_off(serve):
    """It would wait for ever for a final message: see `_close_twisted_request`."""
    lost = []

    class TwistedRequest:
        def loseConnection(self):  # noqa: N802 - Twisted's name.
            lost.append(self)

    async def send(request, message):
        """Stands for daphne's."""

    async def receive():
        return next(messages, None) or await asyncio.Event().wait()

    serve(Recorded(fails_at=2))
    messages = iter([{"type": "http.request", "body": b""}])
    request = TwistedRequest()
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    await get_asgi_application()(scope, receive, partial(send, request))
    assert lost == [request]


@pytest.mark.parametrize(("handler", "error"), [("django", BrokenOff), ("wsgi", OSError)])
async def test_elsewhere_the_server_gets_the_exception(handler, error, serve):
    file = Recorded(fails_at=2)
    serve(file)
    answer = await ask(handler)
    assert isinstance(answer.error, error)
    assert not answer.is_whole
    assert answer.body == LARGE[:SLICE_BYTES]
    assert file.is_closed.is_set()


@every_handler
async def test_what_fails_before_the_headers_is_an_answer(handler, serve):
    file = Recorded(SMALL, fails_at=1)
    serve(file)
    answer = await ask(handler)
    assert answer.status == 500
    assert file.is_closed.is_set()
    file = Recorded(SMALL[:-1], size=len(SMALL))
    serve(file)
    assert (await ask(handler)).status == 500
    assert file.is_closed.is_set()


async def test_a_failure_inside_a_middlewares_content_breaks_off_too(serve, caplog):
    file = Recorded(fails_at=3)
    serve(file)
    with override_settings(MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"]):
        answer = await ask(headers={"Accept-Encoding": "gzip"})
    assert answer.error is None
    assert not answer.is_whole
    assert file.is_closed.is_set()
    assert caplog.text.count("could not be sent to its end") == 1


# No file stays open.


@pytest.mark.parametrize("handler", ["ours", "django"])
async def test_a_file_is_not_closed_under_the_thread_that_reads_it(handler, serve):
    file = Recorded(waits_at=2)
    serve(file)
    left = asyncio.Event()

    async def on_send(message):
        if message.get("body"):
            await asyncio.to_thread(file.reached.wait, 5)
            left.set()
            await asyncio.Event().wait()

    answer = await ask(handler, on_send=on_send, left=left)
    assert answer.pieces == [LARGE[: len(answer.body)]]  # Django's handler cuts slices in pieces.
    assert file.is_reading
    assert not file.is_closed.is_set()
    file.go_on.set()
    assert await asyncio.to_thread(file.is_closed.wait, 5)
    assert not file.was_closed_while_reading
    assert file.reads == 2


@pytest.mark.parametrize("handler", ["ours", "django"])
async def test_a_client_that_leaves_while_a_slice_is_awaited_frees_the_file(handler, serve):
    file = Recorded(waits_at=1)
    serve(file)
    left = asyncio.Event()

    async def leave():
        await asyncio.to_thread(file.reached.wait, 5)
        left.set()

    leaving = asyncio.create_task(leave())
    answer = await ask(handler, left=left)
    await leaving
    assert answer.body == b""
    file.go_on.set()
    assert await asyncio.to_thread(file.is_closed.wait, 5)
    assert not file.was_closed_while_reading


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_client_that_leaves_midway_frees_a_local_file(wrapped, large, serve):
    serve(large)
    left = asyncio.Event()

    async def on_send(message):
        if message.get("body"):
            left.set()
            await asyncio.Event().wait()

    middleware = ["django.middleware.gzip.GZipMiddleware"] if wrapped else []
    with override_settings(MIDDLEWARE=middleware):
        answer = await ask(headers={"Accept-Encoding": "gzip"}, on_send=on_send, left=left)
    assert not answer.is_whole
    assert not await asyncio.to_thread(is_open, large)


async def test_a_failure_that_nobody_waits_for_is_not_reported(serve, caplog):
    file = Recorded(waits_at=2, fails_at=2)
    serve(file)
    left = asyncio.Event()

    async def on_send(message):
        if message.get("body"):
            left.set()
            await asyncio.Event().wait()

    await ask(on_send=on_send, left=left)
    assert await asyncio.to_thread(file.is_closed.wait, 5)
    gc.collect()
    assert caplog.records == []


def raising(get_response):
    def middleware(request):
        get_response(request)
        raise RuntimeError("after the view")

    return middleware


@every_handler
async def test_a_middleware_that_raises_leaves_nothing_open(handler, large, serve, monkeypatch):
    """Nobody closes that response: it closes its file when it is dropped."""
    # pytest keeps what is logged, and with the traceback the response.
    monkeypatch.setattr(logging.getLogger("django.request"), "disabled", True)
    serve(large)
    gc.disable()
    try:
        with override_settings(MIDDLEWARE=[f"{__name__}.raising"]):
            assert (await ask(handler)).status == 500
        assert not is_open(large)
    finally:
        gc.enable()


@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
def test_a_response_that_is_never_iterated_is_closed(factory, large):
    response = FileStreamResponse(factory().get("/"), large)
    assert is_open(large)
    response.close()
    assert not is_open(large)
    gc.disable()
    try:
        response = FileStreamResponse(factory().get("/"), large)
        assert is_open(large)
        del response
        assert not is_open(large)
    finally:
        gc.enable()


def test_what_is_given_is_closed_once():
    class Counted(Recorded):
        closes = 0

        def close(self):
            self.closes += 1

    file = Counted()
    response = FileStreamResponse(RequestFactory().get("/"), file)
    response.close()
    response.close()
    del response
    assert file.closes == 1


def test_what_is_in_memory_needs_the_file_no_longer(small, large):
    for given, headers in (
        (small, {}),
        (large, {"Range": "bytes=0-1"}),
        (large, {"Range": "bytes=99999999-"}),
        (large, {"If-Match": '"x"'}),
    ):
        response = FileStreamResponse(RequestFactory().get("/", headers=headers), given)
        assert response.is_in_memory
        assert not is_open(given)
        assert b"".join(response)


class Nameless:
    def __str__(self):
        raise RuntimeError("no name")


@every_handler
@pytest.mark.parametrize("kwargs", [{"filename": Nameless()}, {"headers": {"X": "a\nb"}}])
async def test_a_constructor_that_raises_closes_the_file(handler, kwargs, serve):
    file = Recorded()
    serve(file, **kwargs)
    assert (await ask(handler)).status == 500
    assert file.is_closed.is_set()


# Middleware.


@every_handler
@pytest.mark.parametrize("headers", [{"Range": "bytes=5-800"}, {"Range": "bytes=1-2,5-800"}])
async def test_a_range_is_not_compressed(handler, headers, small, serve):
    serve(small)
    plain = await ask(handler, headers=headers)
    with override_settings(MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"]):
        answer = await ask(handler, headers=headers | {"Accept-Encoding": "gzip"})
    assert answer.status == 206
    assert answer.headers["Content-Length"] == plain.headers["Content-Length"]
    assert answer.headers.get("Content-Range") == plain.headers.get("Content-Range")
    assert answer.headers["ETag"] == plain.headers["ETag"]
    assert "Content-Encoding" not in answer.headers
    assert len(answer.body) == len(plain.body)


@every_handler
@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"If-None-Match": "*"}, 304),
        ("GET", {"If-Match": '"x"'}, 412),
        ("GET", {"Range": "bytes=99999999-"}, 416),
        ("HEAD", {}, 200),
    ],
)
async def test_what_is_no_file_is_not_compressed(handler, method, headers, status, large, serve):
    serve(large)
    with override_settings(MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"]):
        answer = await ask(handler, method, headers | {"Accept-Encoding": "gzip"})
    assert answer.status == status
    length = int(answer.headers.get("Content-Length", 0))
    assert len(answer.body) == (0 if method == "HEAD" else length)
    assert "Content-Encoding" not in answer.headers


@every_handler
@pytest.mark.parametrize(
    "options",
    [{"content_type": "video/mp4"}, {"content_type": "text/plain", "as_attachment": True}],
)
async def test_what_compressing_would_not_help_is_left_alone(handler, options, serve):
    serve(Recorded(LARGE), **options)
    with override_settings(MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"]):
        answer = await ask(handler, headers={"Accept-Encoding": "gzip"})
    assert answer.body == LARGE
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Content-Length"] == str(len(LARGE))


@every_handler
async def test_an_entity_tag_of_its_own_is_quoted_and_evaluated(handler, large, serve):
    serve(large, etag="v17")
    answer = await ask(handler, headers={"If-None-Match": '"v17"'})
    assert (answer.status, answer.headers["ETag"]) == (304, '"v17"')


@every_handler
@pytest.mark.parametrize("content", [SMALL, LARGE])
async def test_a_whole_file_is_compressed_by_the_slice(handler, content, serve):
    file = Recorded(content)
    serve(file, content_type="text/plain")
    reads = []

    async def on_send(message):
        if message.get("body"):
            reads.append(file.reads)

    kwargs = {} if handler == "wsgi" else {"on_send": on_send}
    with override_settings(MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"]):
        answer = await ask(handler, headers={"Accept-Encoding": "gzip"}, **kwargs)
    assert gzip.decompress(answer.body) == content
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Content-Length" not in answer.headers
    assert answer.headers["Vary"] == "Accept-Encoding"
    if content is LARGE and reads:
        assert min(reads) <= 2
    assert file.is_closed.is_set()


@every_handler
async def test_conditions_agree_with_djangos_own(handler, large, serve):
    serve(large)
    with override_settings(MIDDLEWARE=["django.middleware.http.ConditionalGetMiddleware"]):
        etag = (await ask(handler)).headers["ETag"]
        ranged = {"Range": "bytes=0-1"}
        day_ago = http_date((timezone.now() - timedelta(days=1)).timestamp())
        for more in (
            {},
            {"If-Range": etag},
            {"If-None-Match": '"x"'},
            {"If-Match": etag},
            {"If-Modified-Since": day_ago},
        ):
            answer = await ask(handler, headers=ranged | more)
            assert (answer.status, answer.body) == (206, LARGE[:2])
        assert (await ask(handler, headers=ranged | {"If-None-Match": etag})).status == 304
        assert (await ask(handler, headers=ranged | {"If-Match": '"x"'})).status == 412
    assert not is_open(large)


def header(get_response):
    def middleware(request):
        response = get_response(request)
        response["X-Third-Party"] = "yes"
        return response

    return middleware


@every_handler
async def test_middleware_of_all_kinds_may_stand_in_front(handler, large, serve):
    middleware = [
        f"{__name__}.header",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.locale.LocaleMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ]
    serve(large)
    with override_settings(MIDDLEWARE=middleware):
        whole = await ask(handler)
        part = await ask(handler, headers={"Range": "bytes=0-9"})
    assert whole.body == LARGE
    assert (part.status, part.body) == (206, LARGE[:10])
    assert whole.headers["X-Third-Party"] == part.headers["X-Third-Party"] == "yes"
    assert part.headers["Content-Language"] == "en"
    assert part.headers["Content-Length"] == "10"


def shouting(get_response):
    def middleware(request):
        response = get_response(request)
        content = response.streaming_content
        if response.is_async:

            async def upper():
                async for chunk in content:
                    yield chunk.upper()

            response.streaming_content = upper()
        else:
            response.streaming_content = (chunk.upper() for chunk in content)
        return response

    return middleware


def replacing(get_response):
    def middleware(request):
        response = get_response(request)
        response.streaming_content = nothing_else() if response.is_async else [b"else"]
        del response["Content-Length"]
        return response

    async def nothing_else():
        yield b"else"

    return middleware


@every_handler
@pytest.mark.parametrize("large_content", [False, True])
async def test_a_middleware_may_rewrite_what_is_sent(handler, large_content, tmp_path, serve):
    content = SMALL * 200 if large_content else SMALL
    found = tmp_path / "a.txt"
    found.write_bytes(content)
    serve(found)
    offered = {} if handler == "wsgi" else {"extensions": {"http.response.pathsend": {}}}
    with override_settings(MIDDLEWARE=[f"{__name__}.shouting"]):
        assert (await ask(handler, **offered)).body == content.upper()
    with override_settings(MIDDLEWARE=[f"{__name__}.replacing"]):
        assert (await ask(handler, **offered)).body == b"else"
    assert not is_open(found)


@sync_and_async_middleware
def careless(get_response):
    """Reads everything at once, and says what has become of it."""

    def changed(response, content):
        response.streaming_content = [b"changed: ", content.upper()]
        response.headers["Content-Length"] = str(len(content) + 9)
        response.headers["Content-Range"] = "bytes 0-8/9"
        response.headers["Content-Type"] = "text/shouted"
        response.headers["Content-Encoding"] = "shouting"
        return response

    async def async_middleware(request):
        response = await get_response(request)
        return changed(response, b"".join([chunk async for chunk in response]))

    def middleware(request):
        response = get_response(request)
        return changed(response, b"".join(response))

    return async_middleware if iscoroutinefunction(get_response) else middleware


def forgetful(get_response):
    """Takes for compressible, and for of unknown length, what it has made."""

    def middleware(request):
        response = shouting(get_response)(request)
        for name in ("Content-Length", "Content-Range", "Content-Encoding"):
            del response[name]
        return response

    return middleware


@every_handler
@pytest.mark.parametrize("rewriting", ["shouting", "replacing", "careless", "forgetful"])
@pytest.mark.parametrize("large_content", [False, True])
@pytest.mark.parametrize("asked", ["bytes=5-700", "bytes=5-", "bytes=1-2,5-"])
async def test_no_middleware_rewrites_a_part(
    asked, large_content, rewriting, handler, tmp_path, serve
):
    content = SMALL * 200 if large_content else SMALL
    found = tmp_path / "a.txt"
    found.write_bytes(content)
    serve(found)
    with override_settings(MIDDLEWARE=[]):
        plain = await ask(handler, headers={"Range": asked})
    middleware = [
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        f"{__name__}.{rewriting}",
    ]
    with override_settings(MIDDLEWARE=middleware):
        answer = await ask(handler, headers={"Range": asked, "Accept-Encoding": "gzip"})
    boundaries = [
        each.headers["Content-Type"].partition("boundary=")[2] for each in (plain, answer)
    ]
    assert (answer.status, answer.error) == (206, None)
    answer.headers.pop("Vary", None)
    plain.headers["Content-Type"] = plain.headers["Content-Type"].replace(*boundaries)
    assert answer.headers == plain.headers
    assert answer.body == plain.body.replace(*map(str.encode, boundaries))
    assert not is_open(found)


# Files that the server sends.

PATHSEND = {"http.response.pathsend": {}}


async def test_a_server_that_sends_files_gets_the_path(large, serve):
    serve(str(large))
    answer = await ask(extensions=PATHSEND)
    assert answer.messages[1:] == [{"type": "http.response.pathsend", "path": str(large)}]
    assert answer.headers["Content-Length"] == str(len(LARGE))
    assert not is_open(large)


@pytest.mark.parametrize("extensions", [None, {}, {"http.response.trailers": {}}])
async def test_another_server_gets_the_bytes(extensions, large, serve):
    serve(large)
    assert (await ask(extensions=extensions)).body == LARGE


async def test_a_path_is_only_sent_for_the_whole_large_file(large, small, serve, tmp_path):
    serve(large)
    for headers in ({"Range": "bytes=0-99999"}, {"Range": "bytes=0-9,20-99999"}):
        assert len((await ask(headers=headers, extensions=PATHSEND)).body) >= 99_980
    head = await ask(method="HEAD", extensions=PATHSEND)
    assert [message["type"] for message in head.messages[1:]] == ["http.response.body"]
    for given, content in (
        (small, SMALL),
        (LARGE, LARGE),
        (io.BytesIO(LARGE), LARGE),
        (Recorded(), LARGE),
    ):
        serve(given)
        assert (await ask(extensions=PATHSEND)).body == content
    # What a range asks for may be the whole file, but the status says that it is a part.
    serve(large)
    answer = await ask(headers={"Range": "bytes=0-"}, extensions=PATHSEND)
    assert (answer.status, answer.body) == (206, LARGE)


async def test_a_path_is_not_sent_that_is_no_text(serve, tmp_path):
    found = tmp_path / os.fsdecode(b"\xff\xfe.bin")  # granian answers such a path with a 500.
    found.write_bytes(LARGE)
    serve(found)
    answer = await ask(extensions=PATHSEND)
    assert (answer.status, answer.body) == (200, LARGE)
    assert not is_open(found)


async def test_a_file_that_is_gone_or_another_by_then_is_sent_as_it_was(large, serve, tmp_path):
    def deleted(request):
        response = FileStreamResponse(request, large)
        large.unlink()
        return response

    serve(deleted)
    assert (await ask(extensions=PATHSEND)).body == LARGE

    def replaced(request):
        response = FileStreamResponse(request, large)
        other = tmp_path / "other"
        other.write_bytes(b"other")
        other.replace(large)
        return response

    large.write_bytes(LARGE)
    serve(replaced)
    assert (await ask(extensions=PATHSEND)).body == LARGE
    assert not is_open(large)


@pytest.mark.parametrize(
    ("content", "is_whole"), [(LARGE + b"more", True), (LARGE[::-1], False), (b"less", False)]
)
async def test_a_path_is_not_sent_of_what_was_written_meanwhile(content, is_whole, large, serve):
    def view(request):
        os.utime(large, (1_700_000_000, 1_700_000_000))
        response = FileStreamResponse(request, large)
        large.write_bytes(content)
        return response

    serve(view)
    answer = await ask(extensions=PATHSEND)
    assert "http.response.pathsend" not in [message["type"] for message in answer.messages]
    assert answer.is_whole is is_whole
    assert answer.body == (LARGE if is_whole else b"")


async def test_a_server_sends_no_file_by_itself_if_a_setting_says_so(large, serve):
    serve(large)
    for setting, kind in ((True, "http.response.pathsend"), (False, "http.response.body")):
        with override_settings(STREAMS={"PATHSEND": setting}):
            answer = await ask(extensions=PATHSEND)
        assert answer.messages[1]["type"] == kind
    assert answer.body == LARGE


def named_temporary():
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115 - The response closes it.
    file.write(LARGE)
    file.seek(0)
    return file


def temporary_upload():
    file = TemporaryUploadedFile("a.bin", "a/b", len(LARGE), None)
    file.write(LARGE)
    file.flush()
    return file


@pytest.mark.parametrize("make", [named_temporary, temporary_upload])
async def test_a_file_that_is_deleted_when_it_is_closed_is_not_left_to_the_server(make, serve):
    serve(lambda request: FileStreamResponse(request, make()))
    with override_settings(STREAMS={"X_SENDFILE": True}):
        answer = await ask(extensions=PATHSEND)
    assert answer.body == LARGE
    assert "X-Sendfile" not in answer.headers


@every_handler
async def test_a_web_server_may_send_the_file(handler, large, serve):
    serve(large, as_attachment=True)
    with override_settings(STREAMS={"X_SENDFILE": True}):
        conditions = {"Range": "bytes=0-1", "If-Match": '"x"', "Accept-Encoding": "gzip"}
        for method in ("GET", "HEAD"):
            with override_settings(MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"]):
                answer = await ask(handler, method, conditions)
            assert (answer.status, answer.body) == (200, b"")
            assert answer.headers == {
                "X-Sendfile": str(large),
                "Content-Type": "application/octet-stream",
                "Content-Disposition": 'attachment; filename="large.bin"',
                "X-Content-Size": str(len(LARGE)),
                "X-Content-Type-Options": "nosniff",
            }
        serve(LARGE)
        assert (await ask(handler)).body == LARGE
    assert not is_open(large)


def sent_by(header, file):
    response = FileStreamResponse(RequestFactory().get("/"), file)
    response.close()
    return response.headers.get(header)


def test_the_path_is_percent_encoded(tmp_path):
    names = ["a b.txt", "100%41.txt", "é?#.txt", "日本", "x\ny", os.fsdecode(b"\xff\xfe")]
    encoded = [
        "a%20b.txt",
        "100%2541.txt",
        "%C3%A9%3F%23.txt",
        "%E6%97%A5%E6%9C%AC",
        "x%0Ay",
        "%FF%FE",
    ]
    for name, expected in zip(names, encoded, strict=True):
        file = tmp_path / name
        file.write_bytes(b"x")
        with override_settings(STREAMS={"X_SENDFILE": True}):
            assert sent_by("X-Sendfile", file) == f"{tmp_path}/{expected}"
        with override_settings(STREAMS={"X_ACCEL_REDIRECT": {tmp_path: "/in side/"}}):
            assert sent_by("X-Accel-Redirect", file) == f"/in%20side/{expected}"


def test_nginx_is_told_only_of_what_lies_in_its_folders(tmp_path):
    for folder in ("media", "media2", "media/sub", "private"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to("media")
    (tmp_path / "media" / "out").symlink_to("../private/a")
    (tmp_path / "into").symlink_to("media/sub/a")

    def urls(folder):
        with override_settings(STREAMS={"X_ACCEL_REDIRECT": {folder: "/m/"}}):
            names = ("media/a", "media/sub/a", "media2/a", "private/a", "media/out", "into")
            return [sent_by("X-Accel-Redirect", tmp_path / name) for name in names]

    expected = ["/m/a", "/m/sub/a", None, None, None, "/m/sub/a"]
    for folder in ("media", "media/", "link", "media/../media"):
        assert urls(f"{tmp_path}/{folder}") == expected
    assert urls(tmp_path / "media") == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATHSEND", "no"),
        ("PATHSEND", None),
        ("X_SENDFILE", "yes"),
        ("X_SENDFILE", 1),
        ("X_SENDFILE", None),
        ("X_ACCEL_REDIRECT", None),
        ("X_ACCEL_REDIRECT", "/m/"),
        ("X_ACCEL_REDIRECT", ["/srv"]),
        ("X_ACCEL_REDIRECT", {"/srv": "/m"}),
        ("X_ACCEL_REDIRECT", {"/srv": "m/"}),
        ("X_ACCEL_REDIRECT", {"/srv": None}),
        ("X_ACCEL_REDIRECT", {"srv": "/m/"}),
        ("X_ACCEL_REDIRECT", {"": "/m/"}),
        ("X_ACCEL_REDIRECT", {3: "/m/"}),
    ],
)
def test_a_wrong_setting_is_named(name, value, large):
    with override_settings(STREAMS={name: value}):
        with pytest.raises(ImproperlyConfigured, match=name):
            FileStreamResponse(RequestFactory().get("/"), large)
        [error] = check_settings()
    assert error.id == "streams.E001"
    assert name in error.msg
    assert not is_open(large)


# The file wrapper of WSGI.


class Wrapper(FileWrapper):
    seen = None

    def __init__(self, file, block_size):
        super().__init__(file, block_size)
        self.file = file
        Wrapper.seen = self


async def test_a_wsgi_server_gets_the_file_itself(large, serve):
    serve(large)
    answer = await ask("wsgi", wrapper=Wrapper)
    assert answer.body == LARGE
    assert answer.headers["Content-Length"] == str(len(LARGE))
    assert os.path.basename(large) not in repr(Wrapper.seen.file)
    assert Wrapper.seen.blksize == SLICE_BYTES
    assert not is_open(large)


async def test_a_wsgi_server_gets_an_open_file_from_where_it_is(large, serve):
    def view(request):
        file = large.open("rb")
        file.seek(100)
        large.unlink()
        return FileStreamResponse(request, file)

    serve(view)
    assert (await ask("wsgi", wrapper=Wrapper)).body == LARGE[100:]


async def test_the_wrapper_is_only_for_a_whole_large_local_file(large, small, serve):
    Wrapper.seen = None
    serve(large)
    answer = await ask("wsgi", headers={"Range": "bytes=1-99999"}, wrapper=Wrapper)
    assert answer.body == LARGE[1:100000]
    assert (await ask("wsgi", "HEAD", wrapper=Wrapper)).body == b""
    with override_settings(MIDDLEWARE=[f"{__name__}.shouting"]):
        assert (await ask("wsgi", wrapper=Wrapper)).body == LARGE.upper()
    for given, content in ((small, SMALL), (LARGE, LARGE), (Recorded(), LARGE)):
        serve(given)
        assert (await ask("wsgi", wrapper=Wrapper)).body == content
    assert Wrapper.seen is None
    assert not is_open(large)


async def test_a_file_that_shrinks_while_a_wsgi_server_has_it_is_reported(large, serve, caplog):
    """The server may tell nothing but a traceback, without what was asked for."""

    class Shrinking(Wrapper):
        def __init__(self, file, block_size):
            os.truncate(large, SLICE_BYTES)
            super().__init__(file, block_size)

    serve(large)
    with pytest.raises(FileShrunk):
        await ask("wsgi", wrapper=Shrinking)
    [record] = [record for record in caplog.records if record.name == "django.request"]
    assert record.exc_info[0] is FileShrunk
    assert record.getMessage().endswith(": /")
    assert not is_open(large)


def test_a_storage_in_memory_has_a_file_with_conditions():
    storage = InMemoryStorage()
    name = storage.save("a.txt", io.BytesIO(SMALL))
    response = FileStreamResponse(RequestFactory().get("/"), storage.open(name))
    assert b"".join(response) == SMALL
    assert response["Content-Type"] == "text/plain; charset=utf-8"
