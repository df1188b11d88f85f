"""Streams below middleware, on real servers: nothing is held back, and what was done is there."""

import json
import time
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest

from .serverproject.stacks import COMPLAINT, CSP, STACKS, STEPS
from .servers import ASGI_SERVERS, PATIENCE, Reader, eventually, running

pytestmark = pytest.mark.server

PROMISED_SECONDS = 1
"""Within which a source is closed when its client has left."""

FORMATS = ("event-stream", "jsonl")
SOURCES = (*FORMATS, "plain-event-stream", "plain-jsonl")
END = {"event-stream": b"\n\n", "jsonl": b"\n"}
"""What each item ends with."""

GERMAN = {"Accept-Language": "de"}


@pytest.fixture
def uvicorn(request):
    with running(request, "uvicorn") as server:
        yield server


@pytest.fixture(params=ASGI_SERVERS)
def server(request):
    with running(request, request.param) as server:
        yield server


@pytest.fixture
def name():
    """A name for the test's stream."""
    return uuid4().hex


@contextmanager
def browsing(server, **headers):
    """Gives a client that keeps cookies and takes compressed answers, as browsers do."""
    with httpx.Client(
        base_url=server.url(""),
        headers={"Accept-Encoding": "gzip, deflate", **headers},
        timeout=PATIENCE,
        trust_env=False,
        # A kept connection may be closed by the server just when it is used again.
        limits=httpx.Limits(max_keepalive_connections=0),
    ) as client:
        yield client


@contextmanager
def opened(client, path):
    with client.stream("GET", path) as response:
        assert response.status_code == 200
        assert "Content-Encoding" not in response.headers
        yield Told(response, path.split("/")[3])


class Told:
    """Reads a stream item by item."""

    def __init__(self, response, source):
        self.response = response
        self._reader = Reader(response)
        self._end = END[source.removeprefix("plain-")]

    def item(self):
        self._reader.body.clear()
        self._reader.read_until(self._end)
        return json.loads(self._reader.body.removeprefix(b"data: "))

    def rest(self):
        self._reader.body.clear()
        return self._reader.read_all()


def entries(server, name):
    return [what for what, _ in server.journal(name)]


def read_step_by_step(server, stream, name):
    """Reads a whole stream, whose source waits after each item until that has been read."""
    items = []
    for step in range(STEPS):
        items.append(stream.item())
        assert items[-1]["step"] == step
        assert entries(server, name) == ["begun"]
        server.signal(f"{name}-{step}")
    assert stream.rest() == b""
    assert entries(server, name) == ["begun", "closed"]
    return items


def assert_leaving_closes(server, client, path, name):
    with opened(client, path) as stream:
        assert stream.item()["step"] == 0
        assert entries(server, name) == ["begun"]
        left_at = time.monotonic()
    assert server.time_of("closed", name) - left_at < PROMISED_SECONDS


# One by one, each alone.


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("stack", STACKS)
def test_every_item_is_read_while_its_source_waits_for_that(uvicorn, stack, source, name):
    with (
        browsing(uvicorn) as client,
        opened(client, f"/stacks/{stack}/{source}/{name}/") as stream,
    ):
        assert stream.response.cookies["taste"] == "sweet"
        read_step_by_step(uvicorn, stream, name)


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("stack", STACKS)
def test_leaving_closes_the_source(uvicorn, stack, source, name):
    with browsing(uvicorn) as client:
        assert_leaving_closes(uvicorn, client, f"/stacks/{stack}/{source}/{name}/", name)


MARKS = {
    "security": ("X-Content-Type-Options", "nosniff"),
    "sessions": ("Vary", "Cookie"),
    "locale": ("Content-Language", "en"),
    "sync": ("X-Third-Party", "sync"),
    "async": ("X-Third-Party", "async"),
    "wrapping-sync": ("X-Third-Party", "wrapping"),
    "wrapping-async": ("X-Third-Party", "wrapping"),
    "wrapping": ("X-Third-Party", "wrapping"),
    "sync-async-sync": ("X-Third-Party", "sync"),
    "cors": ("Vary", "origin"),
}
if CSP:
    MARKS["csp"] = ("Content-Security-Policy", "default-src 'self'")


@pytest.mark.parametrize("stack", MARKS)
def test_the_middleware_is_where_the_tests_think_it_is(uvicorn, stack, name):
    header, value = MARKS[stack]
    with (
        browsing(uvicorn) as client,
        opened(client, f"/stacks/{stack}/jsonl/{name}/") as stream,
    ):
        assert stream.response.headers[header] == value


# All together, on every server.


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("stack", ["all", "all-and-wrapping"])
def test_every_item_is_read_below_all_middleware_together(server, stack, source, name):
    with (
        browsing(server) as client,
        opened(client, f"/stacks/{stack}/{source}/{name}/") as stream,
    ):
        read_step_by_step(server, stream, name)


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("stack", ["all", "all-and-wrapping"])
def test_leaving_closes_the_source_below_all_middleware_together(server, stack, source, name):
    with browsing(server) as client:
        assert_leaving_closes(server, client, f"/stacks/{stack}/{source}/{name}/", name)


@pytest.mark.parametrize("source", FORMATS)
def test_the_source_sees_what_the_middleware_has_done(server, source, name):
    path = f"/stacks/all/{source}/{name}/"
    with browsing(server, **GERMAN) as client:
        assert client.get("/login/?user=ada").text == "ada"
        with opened(client, path) as stream:
            assert {"messages", "taste"} <= set(stream.response.cookies)
            assert stream.response.headers["Content-Language"] == "de"
            seen = {"language": "de", "user": "ada", "visits": 1, "touched": 1}
            assert read_step_by_step(server, stream, name) == [
                {"step": step, **seen} for step in range(STEPS)
            ]
        assert client.get("/stacks/all/session/").json() == {"visits": 1, "touched": 1}
        # Nothing is cached: the source runs again, now to its end at once.
        with opened(client, path) as stream:
            assert stream.item() == {"step": 0, **seen, "visits": 2, "touched": 3}
            stream.rest()
    assert entries(server, name) == ["begun", "closed"] * 2


@pytest.mark.parametrize("source", ["plain-event-stream", "plain-jsonl"])
def test_a_source_in_a_thread_speaks_the_language_of_the_request(server, source, name):
    with (
        browsing(server, **GERMAN) as client,
        opened(client, f"/stacks/all/{source}/{name}/") as stream,
    ):
        assert stream.item() == {"step": 0, "language": "de"}


def test_a_session_that_begins_with_the_stream_is_there_for_the_next_request(uvicorn, name):
    with (
        browsing(uvicorn) as client,
        opened(client, f"/stacks/sessions/jsonl/{name}/") as stream,
    ):
        assert "sessionid" in stream.response.cookies
        assert stream.item()["visits"] == 1
        # The stream is open still.
        answer = client.get("/stacks/sessions/session/").json()
        assert answer == {"visits": 1, "touched": None}


def test_nothing_of_a_stream_is_cached(uvicorn, name):
    path = f"/stacks/cache/jsonl/{name}/"
    for step in range(STEPS):
        uvicorn.signal(f"{name}-{step}")
    with browsing(uvicorn) as client:
        for _ in range(2):
            with opened(client, path) as stream:
                assert stream.response.headers["Cache-Control"] == "no-cache, no-transform"
                assert len(stream.rest().splitlines()) == STEPS
    assert entries(uvicorn, name) == ["begun", "closed"] * 2


# What stands in the way.


@pytest.mark.parametrize("source", FORMATS)
def test_a_stream_that_was_replaced_never_starts(uvicorn, source, name):
    response = uvicorn.get(f"/stacks/replacing/{source}/{name}/")
    assert (response.status_code, response.text) == (200, "something else")
    assert uvicorn.journal(name) == []


@pytest.mark.parametrize("source", FORMATS)
def test_a_middleware_that_fails_after_the_view_is_a_plain_error(uvicorn, source, name):
    before = uvicorn.logged(COMPLAINT)
    response = uvicorn.get(f"/stacks/failing/{source}/{name}/")
    assert response.status_code == 500
    assert uvicorn.journal(name) == []
    eventually(lambda: uvicorn.logged(COMPLAINT) == before + 1, "the failure is logged")


@pytest.mark.parametrize("source", SOURCES)
def test_a_middleware_that_cannot_wrap_an_async_stream_fails_loudly(uvicorn, source, name):
    """Django asks it to look at `is_async` first."""
    complaint = "TypeError: 'async_generator' object is not iterable"
    before = uvicorn.logged(complaint)
    response = uvicorn.get(f"/stacks/naively-wrapping/{source}/{name}/")
    assert response.status_code == 500
    assert uvicorn.journal(name) == []
    eventually(lambda: uvicorn.logged(complaint) == before + 1, "the failure is logged")
