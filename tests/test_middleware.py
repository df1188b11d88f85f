"""Streams below middleware, on real servers: nothing is held back, and what was done is there."""

import httpx
import pytest

from .serverproject.stacks import COMPLAINT, CSP, STACKS, STEPS
from .servers import ASGI_SERVERS, eventually, running
from .steps import assert_leaving_closes, browsing, entries, opened, read_step_by_step

pytestmark = pytest.mark.server

FORMATS = ("event-stream", "jsonl")
SOURCES = (*FORMATS, "plain-event-stream", "plain-jsonl")
GERMAN = {"Accept-Language": "de"}


@pytest.fixture
def uvicorn(request):
    with running(request, "uvicorn") as server:
        yield server


@pytest.fixture(params=ASGI_SERVERS)
def server(request):
    with running(request, request.param) as server:
        yield server


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
        assert answer == {"visits": 1}


@pytest.mark.parametrize("stack", ["sessions", "all"])
def test_a_source_may_save_the_session_itself(uvicorn, stack, name):
    with browsing(uvicorn) as client:
        with client.stream("GET", f"/stacks/{stack}/remembering/{name}/") as response:
            assert response.read().splitlines() == [b'"first"', b'"second"']
        answer = client.get(f"/stacks/{stack}/session/").json()
        assert (answer["visits"], answer["remembered"]) == (1, "something")


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


@pytest.mark.parametrize("stack", ["wrapping-sync", "wrapping-async", "wrapping"])
def test_a_wrapped_stream_that_fails_before_its_first_item_is_broken_off(uvicorn, stack, name):
    """Its headers have left by then: it starts when the wrapper is read."""
    with (
        browsing(uvicorn) as client,
        client.stream("GET", f"/stacks/{stack}/failing/{name}/") as response,
    ):
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            response.read()
