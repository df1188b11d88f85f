"""Compressed streams on real servers: their clients, a proxy and a browser read item by item."""

import shutil
import subprocess
from contextlib import contextmanager

import httpx
import pytest

from .browser import chromium, new_page
from .decompression import decompressor
from .nginx import nginx_before
from .serverproject.wire import ERROR, FIRST, SECOND
from .servers import APPLICATIONS, ASGI_SERVERS, PATIENCE, WSGI_SERVERS, eventually, running

pytestmark = pytest.mark.server

BROKEN_BODY = (httpx.RemoteProtocolError, httpx.ReadError)
"""How httpx tells of a body without its end: it is missing, or the connection was reset."""


@pytest.fixture(params=[*ASGI_SERVERS, *WSGI_SERVERS])
def server(request):
    with running(request, request.param) as server:
        yield server


class Reader:
    """Reads what a compressed body says, as it comes."""

    def __init__(self, response):
        self.response = response
        self.data = b""
        self._chunks = response.iter_raw()
        self._decoder = decompressor(response.headers["Content-Encoding"])

    def read_until(self, expected):
        while not self.data.endswith(expected):
            chunk = next(self._chunks, None)
            assert chunk is not None, f"the body ended with {self.data[-200:]!r}"
            self.data += self._decoder.decompress(chunk)

    def read_all(self):
        for chunk in self._chunks:
            self.data += self._decoder.decompress(chunk)

    @property
    def is_whole(self):
        """Whether the coding has come to its end."""
        return self._decoder.eof


@contextmanager
def opened(url):
    """Opens a stream as a client that takes gzip, which httpx is by itself."""
    with httpx.stream("GET", url, timeout=PATIENCE, trust_env=False) as response:
        yield Reader(response)


@pytest.mark.parametrize("format", FIRST)
@pytest.mark.parametrize("source", ["compressed-steps", "compressed-plain-steps"])
def test_an_item_is_decoded_while_its_source_still_runs(server, source, format, name):
    with opened(server.url(f"/{source}/{format}/{name}/")) as stream:
        assert stream.response.headers["Vary"] == "Accept-Encoding"
        stream.read_until(FIRST[format])
        assert [what for what, _ in server.journal(name)] == ["begun"]
        server.signal(name)
        stream.read_all()
        assert stream.data == FIRST[format] + SECOND[format]
        assert stream.is_whole
    assert server.time_of("closed", name)


@pytest.mark.parametrize("server", ASGI_SERVERS, indirect=True)
@pytest.mark.parametrize("application", [each for each in APPLICATIONS if each != "ours"])
def test_an_event_is_decoded_at_once_under_other_handlers(server, application, name):
    prefix = APPLICATIONS[application]
    with opened(server.url(f"{prefix}/compressed-steps/event-stream/{name}/")) as stream:
        stream.read_until(FIRST["event-stream"])
        server.signal(name)
        stream.read_all()
        assert stream.is_whole


@pytest.mark.parametrize("server", ASGI_SERVERS, indirect=True)
def test_a_heartbeat_is_decoded_at_once(server, name):
    with opened(server.url(f"/compressed-beating/{name}/")) as stream:
        stream.read_until(b":\n\n:\n\n")
    assert server.time_of("closed", name)


@pytest.mark.parametrize("source", ["compressed-failing", "compressed-plain-failing"])
@pytest.mark.parametrize("format", FIRST)
def test_an_error_midway_is_told_and_leaves_the_coding_open(server, source, format, name):
    with opened(server.url(f"/{source}/{format}/{name}/")) as stream:
        stream.read_until(FIRST[format])
        server.signal(name)
        # wsgiref speaks HTTP/1.0, where only the coding tells.
        if format == "event-stream" or server.name == "wsgiref":
            stream.read_all()
        else:
            with pytest.raises(BROKEN_BODY):
                stream.read_all()
        assert stream.data == FIRST[format] + SECOND[format] + ERROR[format]
        assert stream.is_whole == (format == "event-stream")
    assert server.time_of("closed", name)


def test_a_disconnect_closes_the_source(server, name):
    with opened(server.url(f"/compressed-endless/event-stream/{name}/")) as stream:
        stream.read_until(FIRST["event-stream"])
    assert server.time_of("closed", name)


@pytest.mark.parametrize("source", ["compressed-steps", "compressed-plain-steps"])
def test_head_has_the_headers_and_runs_no_source(server, source, name):
    response = server.request("HEAD", f"/{source}/text/{name}/")
    assert response.headers["Content-Encoding"] in ("gzip", "zstd")
    assert response.headers["Vary"] == "Accept-Encoding"
    assert response.content == b""
    assert server.journal(name) == []


def test_curl_prints_an_event_while_its_source_still_runs(server, name):
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed; get it by: apt-get install curl (or brew install curl)")
    options = ["--silent", "--show-error", "--no-buffer", "--noproxy", "*"]
    options += ["--compressed", "--max-time", str(PATIENCE)]
    command = [curl, *options, server.url(f"/compressed-steps/event-stream/{name}/")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"data: first\n"
        assert [what for what, _ in server.journal(name)] == ["begun"]
        server.signal(name)
        assert process.stdout.read() == b"\ndata: second\n\n"
        assert process.wait(PATIENCE) == 0


@pytest.mark.service
@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"], indirect=True)
@pytest.mark.parametrize("format", FIRST)
def test_nginx_hands_on_each_item_when_it_comes(server, format, name, tmp_path):
    with (
        nginx_before(server, tmp_path, tmp_path) as nginx,
        opened(nginx.url(f"/compressed-steps/{format}/{name}/")) as stream,
    ):
        assert stream.response.headers["Server"].startswith("nginx")
        stream.read_until(FIRST[format])
        assert [what for what, _ in server.journal(name)] == ["begun"]
        server.signal(name)
        stream.read_all()
        assert stream.data == FIRST[format] + SECOND[format]
        assert stream.is_whole


LISTEN = """
url => {
    window.received = [];
    const source = new EventSource(url);
    source.onopen = () => received.push("open");
    source.onmessage = event => received.push(event.data);
    source.onerror = () => { received.push("end"); source.close(); };
}
"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.mark.browser
def test_a_browser_dispatches_each_event_when_it_comes(server, browser, name):
    # A browser asks for a favicon, which is not there.
    with new_page(browser, server.url(""), tolerated="404") as page:
        page.goto(server.url("/pid/"))
        path = f"/compressed-steps/event-stream/{name}/"
        with page.expect_response(lambda response: path in response.url) as opening:
            page.evaluate(LISTEN, path)
        assert opening.value.headers["content-encoding"] in ("gzip", "zstd")
        expect_received(page, ["open", "first"])
        assert [what for what, _ in server.journal(name)] == ["begun"]
        server.signal(name)
        expect_received(page, ["open", "first", "second", "end"])


def expect_received(page, expected):
    eventually(lambda: page.evaluate("received") == expected, f"the page has {expected}")
