"""Streams for the pages of another origin: what the headers say, and what Chromium makes of it."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from .browser import chromium, new_page
from .serverproject.stacks import CSP, STEPS
from .servers import HOST, PATIENCE, running

pytestmark = pytest.mark.server

ORIGIN = "http://127.0.0.1:1234"
FOREIGN = "http://localhost:1234"
"""Which the server's settings do not allow."""


@pytest.fixture(scope="module")
def server(request):
    with running(request, "uvicorn") as server:
        yield server


def fetched(server, path, method="GET", origin=ORIGIN, **headers):
    """Returns the headers of an answer to a page of that origin, and none of its body."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx.stream(
        method,
        server.url(path),
        headers={"Origin": origin, **names},
        timeout=PATIENCE,
        trust_env=False,
    ) as response:
        return response


def assert_readable(response, origin=ORIGIN):
    """Asserts that a browser lets a page of that origin read the response, sent with cookies."""
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert "origin" in varies_by(response)


def varies_by(response):
    return {name.strip().lower() for name in response.headers["Vary"].split(",")}


# OPTIONS.


@pytest.mark.parametrize(
    ("source", "method", "allowed"),
    [
        ("event-stream", "GET", "GET, HEAD, OPTIONS"),
        ("jsonl", "GET", "GET, HEAD, OPTIONS"),
        ("posted", "POST", "POST, OPTIONS"),
    ],
)
def test_a_preflight_is_answered_and_starts_nothing(server, source, method, allowed, name):
    path = f"/stacks/two-origins/{source}/{name}/"
    response = fetched(
        server,
        path,
        "OPTIONS",
        Access_Control_Request_Method=method,
        Access_Control_Request_Headers="content-type,last-event-id",
    )
    assert response.status_code == 200
    assert_readable(response)
    assert method in response.headers["Access-Control-Allow-Methods"]
    headers = response.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"content-type", "last-event-id"} <= set(headers)
    # One that asks for no permission reaches the view.
    response = fetched(server, path, "OPTIONS")
    assert (response.status_code, response.headers["Allow"]) == (200, allowed)
    assert_readable(response)
    assert server.journal(name) == []


# What a page may read.


@pytest.mark.parametrize(
    ("source", "status", "headers"),
    [
        ("event-stream", 200, {}),
        ("jsonl", 200, {}),
        # Refused by the view,
        ("choosing", 406, {"Accept": "text/csv"}),
        ("private", 403, {}),
        ("posted", 405, {}),
        # and before the first item.
        ("not-there", 404, {}),
        ("failing", 500, {}),
        ("refusing", 400, {}),
        ("nothing", 204, {}),
    ],
)
def test_every_answer_may_be_read_by_an_origin_that_is_allowed(
    server, source, status, headers, name
):
    path = f"/stacks/two-origins/{source}/{name}/"
    response = fetched(server, path, **headers)
    assert response.status_code == status
    assert_readable(response)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Language"] == "en"
    assert "accept-language" in varies_by(response)
    if CSP:
        assert response.headers["Content-Security-Policy"] == "default-src 'self'"
    assert "Access-Control-Allow-Origin" not in fetched(server, path, origin=FOREIGN).headers
    # All of these are said once, however many have said them.
    assert len(response.headers.multi_items()) == len(response.headers)


@pytest.mark.parametrize(
    ("source", "content_type"),
    [
        ("not-there", "text/html; charset=utf-8"),
        ("failing", "text/html; charset=utf-8"),
        ("refusing", "text/plain; charset=utf-8"),
        ("nothing", None),
        ("keeping", "text/html; charset=utf-8"),
    ],
)
def test_an_answer_in_place_of_a_stream_says_nothing_of_its_content(
    server, source, content_type, name
):
    response = fetched(server, f"/stacks/two-origins/{source}/{name}/")
    assert response.headers.get("Content-Type") == content_type
    expected = "no-cache, no-transform" if source == "nothing" else None
    assert response.headers.get("Cache-Control") == expected
    names = {"Content-Encoding", "Content-Disposition", "Content-Location", "ETag", "Last-Modified"}
    names |= {"X-Accel-Buffering", "X-Accel-Limit-Rate"}
    assert not {name.lower() for name in names} & set(response.headers)
    # While what the session of the deciding phase has said is there.
    assert {"taste", "sessionid", "messages"} <= set(response.cookies)


def test_what_nobody_may_store_has_no_error_that_anybody_may(server, name):
    response = fetched(server, f"/stacks/two-origins/secret/{name}/")
    assert response.status_code == 404
    assert response.headers["Cache-Control"] == "private, no-store"


# A browser.


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


class EmptyPage(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def port():
    """The port of a second server, which has nothing but an empty page."""
    with ThreadingHTTPServer((HOST, 0), EmptyPage) as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        try:
            yield pages.server_port
        finally:
            pages.shutdown()
            thread.join(PATIENCE)


@contextmanager
def page_at(browser, origin, **options):
    with new_page(browser, origin, **options) as page:
        page.set_default_timeout(PATIENCE * 1000)
        page.goto("/")
        yield page


@pytest.fixture
def page(browser, port, server):
    """A page of an origin that is allowed, in a browser whose user is logged in at the server."""
    with page_at(browser, f"http://{HOST}:{port}") as page:
        log_in(page, server)
        yield page


def log_in(page, server):
    cookie = server.get("/login/?user=ada").cookies["sessionid"]
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": server.url("/")}])


LISTEN = """([url, withCredentials]) => {
    window.received = [];
    window.source = new EventSource(url, {withCredentials});
    window.source.onmessage = event => window.received.push(JSON.parse(event.data));
}"""

FETCH = """async ([url, options]) => {
    window.received = [];
    const response = await fetch(url, {credentials: "include", ...options});
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    (async () => {
        for (;;) {
            const {value, done} = await reader.read();
            if (done) break;
            window.received.push(...value.split("\\n").filter(Boolean).map(JSON.parse));
        }
        window.isOver = true;
    })();
    return response.status;
}"""

ASK = """async ([url, options]) => {
    try {
        const response = await fetch(url, {credentials: "include", ...options});
        return [response.status, await response.text()];
    } catch (error) {
        return [0, error.name];
    }
}"""


def wait_for_steps(page, server, name):
    """Waits for each step, whose source waits until the page has got it; returns what came."""
    for step in range(STEPS):
        page.wait_for_function(f"window.received.length == {step + 1}")
        assert [what for what, _ in server.journal(name)] == ["begun"]
        server.signal(f"{name}-{step}")
    return page.evaluate("window.received")


@pytest.mark.browser
@pytest.mark.parametrize(("with_credentials", "user"), [(True, "ada"), (False, "")])
def test_an_event_source_of_another_origin_reads_every_event(
    page, server, with_credentials, user, name
):
    url = server.url(f"/stacks/two-origins/event-stream/{name}/")
    page.evaluate(LISTEN, [url, with_credentials])
    page.wait_for_function("window.received.length == 1")
    items = wait_for_steps(page, server, name)
    page.evaluate("window.source.close()")
    assert [(item["step"], item["user"]) for item in items] == [
        (step, user) for step in range(STEPS)
    ]


@pytest.mark.browser
def test_an_event_source_of_another_origin_resumes_and_stops_when_it_is_told_to(page, server, name):
    """204 has to be readable: what is not, a browser takes for a fault, and tries for ever."""
    page.evaluate(LISTEN, [server.url(f"/stacks/two-origins/resuming/{name}/"), True])
    page.wait_for_function("window.source.readyState == EventSource.CLOSED")
    assert page.evaluate("window.received") == [{"after": 0}, {"after": 1}]
    assert [what for what, _ in server.journal(name)] == ["begun", "closed"] * 3


@pytest.mark.browser
@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        ("jsonl", {"headers": {"Last-Event-ID": "7"}}, {"user": "ada"}),
        (
            "posted",
            {
                "method": "POST",
                "headers": {"Content-Type": "application/json"},
                "body": json.dumps({"prompt": "Wuff"}),
            },
            {"posted": {"prompt": "Wuff"}},
        ),
    ],
)
def test_a_page_of_another_origin_fetches_every_item(page, server, source, options, expected, name):
    url = server.url(f"/stacks/two-origins/{source}/{name}/")
    assert page.evaluate(FETCH, [url, options]) == 200
    items = wait_for_steps(page, server, name)
    page.wait_for_function("window.isOver")
    for step, item in enumerate(items):
        assert item.items() >= {"step": step, **expected}.items()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("source", "status", "text"),
    [
        ("not-there", 404, "</html>"),
        ("failing", 500, "</html>"),
        ("refusing", 400, "the prompt is too long\n"),
        ("nothing", 204, ""),
    ],
)
def test_a_page_of_another_origin_reads_an_error_before_the_first_item(
    browser, port, server, source, status, text, name
):
    tolerated = "Failed to load resource: the server responded with a status of"
    with page_at(browser, f"http://{HOST}:{port}", tolerated=tolerated) as page:
        url = server.url(f"/stacks/two-origins/{source}/{name}/")
        answer = page.evaluate(ASK, [url, {}])
        assert answer[0] == status
        assert answer[1].strip().endswith(text.strip())


@pytest.mark.browser
@pytest.mark.parametrize(
    ("stack", "host"), [("one-origin", "127.0.0.1"), ("two-origins", "localhost")]
)
def test_a_page_that_is_not_allowed_reads_nothing_and_the_source_is_closed(
    browser, port, server, stack, host, name
):
    with page_at(browser, f"http://{host}:{port}", tolerated="") as page:
        log_in(page, server)
        page.evaluate(LISTEN, [server.url(f"/stacks/{stack}/event-stream/{name}/"), True])
        page.wait_for_function("window.source.readyState == EventSource.CLOSED")
        assert page.evaluate("window.received") == []
        url = server.url(f"/stacks/{stack}/jsonl/{name}-fetched/")
        assert page.evaluate(ASK, [url, {}]) == [0, "TypeError"]
        assert server.time_of("closed", name)
        assert server.time_of("closed", f"{name}-fetched")
