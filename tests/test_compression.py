"""`compression`: every chunk can be decoded when it comes, and only a whole stream has an end."""

import asyncio
import json

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory, override_settings
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st

from django_streams import (
    DIOXUS_JSON,
    JSON_ARRAY,
    JSONL,
    BrokenOff,
    CSVMixin,
    DioxusMixin,
    EventStreamResponse,
    EventStreamView,
    JSONArrayMixin,
    JSONLinesMixin,
    NoContent,
    StreamResponse,
    StreamView,
    ZipStreamView,
)
from django_streams.checks import check_views
from django_streams.compression import (
    CODINGS,
    PIECE,
    Coding,
    CompressedChunks,
    choose_coding,
    compressed,
)
from django_streams.testing import StreamClient

from .decompression import decompressed, decompressor

pytestmark = pytest.mark.urls(__name__)

GZIP = {coding.name: coding for coding in CODINGS}["gzip"]
FAKE = Coding("fake", GZIP.compressor)


# The choice.


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate, br", "gzip"),
        ("deflate, br", None),
        ("gzip, fake", "fake"),  # Ours is the order among equals.
        ("gzip;q=0.9, fake;q=0.8", "gzip"),
        ("gzip ; q=0.5 , fake\t;\tQ=0.501", "fake"),
        ("*", "fake"),
        ("fake;q=0, *", "gzip"),
        ("gzip, *;q=0", "gzip"),
        ("gzip;q=0.5, *;q=0.1", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("*;q=0", None),
        ("identity", None),
        ("identity, gzip", "gzip"),
        ("identity;q=0.5, gzip;q=0.4", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, gzip;q=0.001", "gzip"),
        ("identity;q=0", None),
        ("identity;q=0, deflate", None),
        ("gzip;q=2", None),
        ("gzip;q=nan, fake;q=0.1", "fake"),
        ("gzip;q=", None),
        ("gzip;level=9", None),
        (",;,gzip,=", "gzip"),
    ],
)
def test_the_client_gets_what_it_likes_best(accept, name):
    coding = choose_coding(accept, (FAKE, GZIP))
    assert (coding and coding.name) == name


@given(st.text(max_size=50))
def test_no_header_is_too_strange_to_be_answered(accept):
    assert choose_coding(accept) in (None, *CODINGS)


def test_zstd_is_preferred_where_python_has_it():
    assert [coding.name for coding in CODINGS] in (["gzip"], ["zstd", "gzip"])


# The chunks.


@pytest.fixture(params=CODINGS, ids=lambda coding: coding.name)
def coding(request):
    return request.param


async def each(*chunks, error=None):
    for chunk in chunks:
        yield chunk
    if error is not None:
        raise error


async def test_each_chunk_can_be_decoded_when_it_comes(coding):
    decoder = decompressor(coding.name)
    chunks = [b"first", b"x" * 10_000, b"", b"\n", b"last"]
    compressed_chunks = CompressedChunks(each(*chunks), coding)
    for chunk in chunks:
        assert decoder.decompress(await anext(compressed_chunks)) == chunk
    assert not decoder.eof
    assert decoder.decompress(await anext(compressed_chunks)) == b""
    assert decoder.eof
    with pytest.raises(StopAsyncIteration):
        await anext(compressed_chunks)


def test_each_chunk_can_be_decoded_without_an_event_loop(coding):
    decoder = decompressor(coding.name)
    chunks = [b"first", b"", b"last"]
    decoded = [decoder.decompress(chunk) for chunk in compressed(iter_of(chunks), coding)]
    assert decoded == [*chunks, b""]
    assert decoder.eof


def iter_of(chunks):
    yield from chunks


@given(st.lists(st.binary(max_size=300)))
def test_any_chunks_come_back(chunks):
    for coding in CODINGS:
        data = b"".join(compressed(iter_of(chunks), coding))
        assert decompressed(coding.name, data) == (b"".join(chunks), True)


async def test_an_empty_chunk_stays_empty(coding):
    """It is there to push the headers out, and a chunk that is not for a client says nothing."""
    assert await anext(CompressedChunks(each(b""), coding)) == b""


async def test_a_stream_without_a_chunk_is_a_whole_one(coding):
    data = b"".join([chunk async for chunk in CompressedChunks(each(), coding)])
    assert decompressed(coding.name, data) == (b"", True)


async def test_what_is_broken_off_has_no_end(coding):
    received = bytearray()
    with pytest.raises(BrokenOff):
        async for chunk in CompressedChunks(each(b"a", b"b", error=BrokenOff()), coding):
            received += chunk
    assert decompressed(coding.name, received) == (b"ab", False)


def test_what_is_broken_off_without_an_event_loop_has_no_end(coding):
    def chunks():
        yield b"ab"
        raise BrokenOff

    received = bytearray()
    with pytest.raises(BrokenOff):
        for chunk in compressed(chunks(), coding):
            received += chunk
    assert decompressed(coding.name, received) == (b"ab", False)


async def test_closing_closes_the_chunks(coding):
    chunks, plain_chunks = each(b"a", b"b"), iter_of([b"a", b"b"])
    compressed_chunks = CompressedChunks(chunks, coding)
    await anext(compressed_chunks)
    await compressed_chunks.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)
    compressed_plainly = compressed(plain_chunks, coding)
    next(compressed_plainly)
    compressed_plainly.close()
    assert list(plain_chunks) == []


async def test_a_large_chunk_leaves_the_event_loop_its_turns(coding):
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    large = json.dumps(list(range(200_000))).encode()
    task = asyncio.create_task(others())
    received = await anext(CompressedChunks(each(large), coding))
    task.cancel()
    assert turns >= len(large) // PIECE
    assert decompressed(coding.name, received) == (large, False)


# The views.


class Words(StreamView):
    compress = True

    async def stream(self):
        yield "a "
        yield "b"


class PlainWords(StreamView):
    compress = True

    def stream(self):
        yield "a "
        yield "b"


class Steps(EventStreamView):
    compress = True
    retry = 3
    heartbeat = 0.01

    async def stream(self):
        yield "first"
        await asyncio.Event().wait()


class Failing(StreamView):
    compress = True
    format = JSONL

    async def stream(self):
        yield 1
        raise LookupError("a secret")


class FailingEvents(EventStreamView):
    compress = True

    async def stream(self):
        yield 1
        raise LookupError("a secret")


class Rows(CSVMixin, StreamView):
    compress = True
    bom = True

    async def stream(self):
        yield {"a": 1}


class Elements(JSONArrayMixin, StreamView):
    compress = True

    async def stream(self):
        for n in range(3):
            yield n
            await asyncio.sleep(0)


class Frames(DioxusMixin, StreamView):
    compress = True

    async def stream(self):
        for n in range(5):
            yield "x" * n


class Nothing(StreamView):
    compress = True

    async def stream(self):
        raise NoContent
        yield


class Missing(StreamView):
    compress = True

    async def stream(self):
        raise Http404
        yield


class EndlessLines(StreamView):
    compress = True
    format = JSONL
    max_duration = 0.01

    async def stream(self):
        while True:
            yield 1
            await asyncio.sleep(0)


class EndlessEvents(EventStreamView):
    compress = True
    max_duration = 0.01

    def stream(self):
        while True:
            yield 1


class Empty(StreamView):
    compress = True

    async def stream(self):
        return []


class Hooked(Words):
    compress = False

    async def get_compress(self):
        return "compress" in self.request.GET


class Several(JSONLinesMixin, Words):
    formats = (JSONL, JSON_ARRAY)


class Archive(ZipStreamView):
    compress = True

    def get_files(self):
        return [("a.txt", b"a" * 1000)]


class Wrong(Words):
    compress = "gzip"


def function_view(request):
    return StreamResponse(["a ", "b"], compress=True, request=request)


def encoded_by_itself(request):
    return StreamResponse(
        ["a ", "b"], compress=True, request=request, headers={"Content-Encoding": "rot13"}
    )


VIEWS = {
    "words": Words,
    "plain-words": PlainWords,
    "steps": Steps,
    "failing": Failing,
    "failing-events": FailingEvents,
    "rows": Rows,
    "elements": Elements,
    "frames": Frames,
    "nothing": Nothing,
    "missing": Missing,
    "endless-lines": EndlessLines,
    "endless-events": EndlessEvents,
    "empty": Empty,
    "hooked": Hooked,
    "several": Several,
    "archive": Archive,
}
urlpatterns = [
    *(path(f"{name}/", view.as_view()) for name, view in VIEWS.items()),
    path("function/", function_view),
    path("encoded/", encoded_by_itself),
]


@pytest.fixture
def accept(coding):
    return {"Accept-Encoding": coding.name}


async def fetched(path, headers, method="GET"):
    async with StreamClient().stream(method, path, headers=headers) as stream:
        body = await stream.read()
    return stream, body


@pytest.mark.parametrize("name", ["words", "plain-words", "function", "hooked"])
async def test_a_view_compresses_for_a_client_that_takes_it(name, coding, accept):
    stream, body = await fetched(f"/{name}/?compress", accept)
    assert stream.headers["Content-Encoding"] == coding.name
    assert stream.headers["Vary"] == "Accept-Encoding"
    assert stream.headers["Cache-Control"] == "no-cache, no-transform"
    assert decompressed(coding.name, body) == (b"a b", True)


@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "deflate"}])
async def test_a_view_does_not_compress_for_one_that_does_not(headers):
    stream, body = await fetched("/words/", headers)
    assert "Content-Encoding" not in stream.headers
    assert stream.headers["Vary"] == "Accept-Encoding"
    assert body == b"a b"


async def test_a_view_that_does_not_compress_says_nothing_of_it(accept):
    stream, body = await fetched("/hooked/", accept)
    assert "Content-Encoding" not in stream.headers
    assert "Vary" not in stream.headers
    assert body == b"a b"


async def test_a_choice_of_formats_varies_too(accept):
    stream, _ = await fetched("/several/", accept)
    assert stream.headers["Vary"] == "Accept-Encoding, Accept"


async def test_head_item_and_heartbeat_of_an_open_stream_can_be_decoded(coding, accept):
    decoder, received = decompressor(coding.name), b""
    async with StreamClient().stream("GET", "/steps/", headers=accept) as stream:
        while not received.endswith(b"retry: 3000\n\ndata: first\n\n:\n\n:\n\n"):
            assert len(received) < 50, received
            received += decoder.decompress(await stream.chunk())
        await stream.disconnect()
    stream.assert_closed()
    assert not decoder.eof


async def test_items_that_are_ready_together_are_flushed_once(accept):
    async with StreamClient().stream("GET", "/words/", headers=accept) as stream:
        first = await stream.chunk()
    assert decompressed(stream.headers["Content-Encoding"], first)[0] == b"a b"


async def test_an_error_midway_is_told_and_leaves_the_coding_without_its_end(coding, accept):
    stream, body = await fetched("/failing/", accept)
    assert stream.is_broken_off
    assert decompressed(coding.name, body) == (b'1\n{"error":"the stream failed"}\n', False)


async def test_an_error_midway_of_an_event_stream_ends_it_well(coding, accept):
    stream, body = await fetched("/failing-events/", accept)
    assert stream.is_complete
    data, has_ended = decompressed(coding.name, body)
    assert data == b'data: 1\n\nevent: error\ndata: {"error":"the stream failed"}\n\n'
    assert has_ended


@pytest.mark.parametrize(
    ("name", "ends_well"), [("endless-lines", False), ("endless-events", True)]
)
async def test_only_what_may_end_early_ends_its_coding_then(name, ends_well, coding, accept):
    stream, body = await fetched(f"/{name}/", accept)
    assert stream.is_complete == ends_well
    data, has_ended = decompressed(coding.name, body)
    assert b"1\n" in data
    assert has_ended == ends_well


@pytest.mark.parametrize(
    ("name", "expected"),
    [("rows", b"\xef\xbb\xbfa\r\n1\r\n"), ("elements", b"[0,1,2]"), ("empty", b"")],
)
async def test_what_stands_around_the_items_is_compressed_too(name, expected, coding, accept):
    stream, body = await fetched(f"/{name}/", accept)
    assert stream.headers["Content-Encoding"] == coding.name
    data, has_ended = decompressed(coding.name, body)
    assert b"".join(data.split()) == b"".join(expected.split())
    assert has_ended


async def test_each_frame_is_in_a_message_of_its_own(coding, accept):
    decoder = decompressor(coding.name)
    async with StreamClient().stream("GET", "/frames/", headers=accept) as stream:
        for n in range(5):
            frame = decoder.decompress(await stream.chunk())
            assert list(DIOXUS_JSON.decoder().feed(frame)) == ["x" * n]
        assert decoder.decompress(await stream.chunk()) == b""
    assert decoder.eof


@pytest.mark.parametrize(("name", "status"), [("nothing", 204), ("missing", 404)])
async def test_an_answer_without_the_stream_is_not_compressed(name, status, accept):
    stream, _ = await fetched(f"/{name}/", accept)
    assert stream.status_code == status
    assert "Content-Encoding" not in stream.headers


@pytest.mark.parametrize("name", ["words", "empty", "archive", "elements"])
async def test_head_has_the_same_headers_and_no_body(name, accept):
    get, _ = await fetched(f"/{name}/", accept)
    head, body = await fetched(f"/{name}/", accept, method="HEAD")
    assert head.headers == get.headers
    assert "Content-Encoding" in head.headers
    assert body == b""


async def test_the_length_of_what_is_not_compressed_is_not_sent(coding, accept):
    stream, body = await fetched("/archive/", accept)
    assert "Content-Length" not in stream.headers
    data, has_ended = decompressed(coding.name, body)
    assert has_ended
    plain, plain_body = await fetched("/archive/", {})
    assert int(plain.headers["Content-Length"]) == len(plain_body) == len(data)


@pytest.mark.parametrize(
    ("given", "sent"), [('"a"', 'W/"a"'), ('W/"a"', 'W/"a"'), ("unquoted", "unquoted"), ("", "")]
)
def test_a_strong_etag_of_what_is_compressed_becomes_weak(given, sent, accept):
    request = RequestFactory().get("/", headers=accept)
    response = StreamResponse(["a"], compress=True, request=request, headers={"etag": given})
    assert dict(response.items())["etag"] == sent
    plain = StreamResponse(["a"], request=request, headers={"etag": given})
    assert dict(plain.items())["etag"] == given


async def test_a_source_with_a_coding_of_its_own_is_left_as_it_is(accept):
    stream, body = await fetched("/encoded/", accept)
    assert stream.headers["Content-Encoding"] == "rot13"
    assert body == b"a b"


# Elsewhere than in our handler.


@pytest.mark.parametrize("name", ["words", "plain-words", "function"])
def test_wsgi_compresses_too(name, coding, accept):
    response = Client().get(f"/{name}/", headers=accept)
    assert response.headers["Content-Encoding"] == coding.name
    assert decompressed(coding.name, b"".join(response.streaming_content)) == (b"a b", True)


def test_wsgi_breaks_off_without_the_coding_s_end(coding, accept):
    received = bytearray()
    with pytest.raises(BrokenOff):
        for chunk in Client().get("/failing/", headers=accept).streaming_content:
            received += chunk
    assert decompressed(coding.name, received) == (b'1\n{"error":"the stream failed"}\n', False)


def test_wsgi_ends_the_coding_of_events_that_are_ended(coding, accept):
    body = b"".join(Client().get("/endless-events/", headers=accept).streaming_content)
    data, has_ended = decompressed(coding.name, body)
    assert data.startswith(b"data: 1\n\n")
    assert has_ended


@pytest.mark.parametrize("name", ["words", "plain-words", "function"])
async def test_django_s_own_handler_compresses_too(name, coding, accept):
    response = await AsyncClient().get(f"/{name}/", headers=accept)
    body = b"".join([chunk async for chunk in response.streaming_content])
    assert decompressed(coding.name, body) == (b"a b", True)


# Not by Django's clients, which take the body away from any answer to HEAD.
@pytest.mark.parametrize("view", [Words, PlainWords, Empty])
async def test_head_has_no_body_elsewhere_either(view, coding, accept):
    response = view.as_view()(RequestFactory().head("/", headers=accept))
    assert response.headers["Content-Encoding"] == coding.name
    assert list(response) == []
    response = view.as_view()(AsyncRequestFactory().head("/", headers=accept))
    assert response.headers["Content-Encoding"] == coding.name
    assert b"".join([chunk async for chunk in response]) == b""


@override_settings(
    MIDDLEWARE=[
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        "django.middleware.common.CommonMiddleware",
    ]
)
async def test_no_middleware_compresses_again(coding, accept):
    stream, body = await fetched("/words/", accept)
    assert stream.headers["Content-Encoding"] == coding.name
    assert decompressed(coding.name, body) == (b"a b", True)


# Mistakes.


@pytest.mark.parametrize("response_class", [StreamResponse, EventStreamResponse])
def test_nobody_compresses_without_a_request(response_class):
    with pytest.raises(ImproperlyConfigured, match=r"compress=True, request=request"):
        response_class(["a"], compress=True)


def test_compress_is_true_or_false():
    request = RequestFactory().get("/", headers={"Accept-Encoding": "gzip"})
    with pytest.raises(ImproperlyConfigured, match="compress is 'gzip'; it takes True or False"):
        StreamResponse(["a"], compress="gzip", request=request)
    with pytest.raises(ImproperlyConfigured, match="compress is 'gzip'; it takes True or False"):
        Wrong.as_view()(request)


def test_a_check_sees_what_compress_cannot_be():
    urls = type("Urls", (), {"urlpatterns": [path("wrong/", Wrong.as_view())]})
    with override_settings(ROOT_URLCONF=urls):
        (error,) = check_views()
    assert error.msg == "Wrong.compress is 'gzip'; it takes True or False."
