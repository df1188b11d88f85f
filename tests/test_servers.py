"""What the package promises on real ASGI servers, asked of each of them over a socket."""

import http.client
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest

from django_streams import DIOXUS_JSON, FORMATS

from .serverproject.wire import ERROR, FIRST, FRAME_SIZES, HOUNDS, MUCH_LINE, SECOND, Hound
from .servers import APPLICATIONS, ASGI_SERVERS, HOST, PATIENCE, eventually, running

pytestmark = pytest.mark.server

PROMISED_SECONDS = 1
"""Within which a source is closed when its client has left."""

ANSWER_SECONDS = 2
"""Within which an ordinary view is answered while a source takes all the time it gets: a hundred
times what it takes alone, and far from where a person would give up."""

BROKEN_BODY = (httpx.RemoteProtocolError, httpx.ReadError)
"""How httpx tells of a body without its end: it is missing, or the connection was reset."""


@pytest.fixture(params=ASGI_SERVERS)
def server(request):
    with running(request, request.param) as server:
        yield server


@pytest.fixture(params=APPLICATIONS.values(), ids=APPLICATIONS)
def prefix(request):
    return request.param


@pytest.fixture(params=["", "/sync"], ids=["ours", "ours-under-sync-middleware"])
def our_prefix(request):
    return request.param


# Items leave as they are made.


@pytest.mark.parametrize("format", FIRST)
@pytest.mark.parametrize("source", ["steps", "plain-steps", "query-set-steps"])
def test_an_item_is_read_while_its_source_still_runs(server, prefix, source, format, name):
    with server.open(f"{prefix}/{source}/{format}/{name}/") as stream:
        assert stream.response.status_code == 200
        stream.read_until(FIRST[format])
        assert [what for what, _ in server.journal(name)] == ["begun"]
        server.signal(name)
        assert stream.read_all() == FIRST[format] + SECOND[format]
    assert [what for what, _ in server.journal(name)] == ["begun", "closed"]


def test_the_headers_of_an_event_stream_leave_before_its_first_event(server, prefix, name):
    with server.open(f"{prefix}/late/event-stream/{name}/") as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        assert stream.response.headers["X-Accel-Buffering"] == "no"
        assert "Content-Encoding" not in stream.response.headers
        server.signal(name)
        assert stream.read_all() == FIRST["event-stream"]


def test_a_synchronous_middleware_is_where_the_tests_think_it_is(server, name):
    server.signal(name)
    with server.open(f"/sync/steps/text/{name}/") as stream:
        assert stream.response.headers["X-Middleware"] == "sync"
        stream.read_all()


# Disconnects.


def assert_closed_in_time(server, name, left_at):
    """Asserts that the source was closed in time; both times are of the clock of this machine."""
    assert server.time_of("closed", name) - left_at < PROMISED_SECONDS


@pytest.mark.parametrize(
    "source", ["paced", "plain-paced", "query-set-paced", "endless", "plain-endless"]
)
def test_a_disconnect_closes_the_source_within_a_second(server, prefix, source, name):
    with server.open(f"{prefix}/{source}/event-stream/{name}/") as stream:
        assert stream.read_some()
        assert [what for what, _ in server.journal(name)] == ["begun"]
        left_at = time.monotonic()
    assert_closed_in_time(server, name, left_at)


@pytest.mark.parametrize("format", ["text", "event-stream"])
def test_a_disconnect_before_the_first_item_closes_the_source(server, our_prefix, format, name):
    with connected(server) as sock:
        sock.sendall(head_of(server, "GET", f"{our_prefix}/late/{format}/{name}/"))
        assert server.time_of("begun", name)
        left_at = time.monotonic()
    assert_closed_in_time(server, name, left_at)


def connected(server):
    return socket.create_connection((HOST, server.port), timeout=PATIENCE)


def head_of(server, method, path):
    return f"{method} {path} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\n\r\n".encode()


# Errors.


@pytest.mark.parametrize("source", ["failing", "plain-failing"])
@pytest.mark.parametrize("format", FIRST)
def test_an_error_midway_is_told_and_breaks_the_body_off(server, our_prefix, source, format, name):
    with server.open(f"{our_prefix}/{source}/{format}/{name}/") as stream:
        stream.read_until(FIRST[format])
        server.signal(name)
        if format == "event-stream":
            stream.read_all()
        else:
            with pytest.raises(BROKEN_BODY):
                stream.read_all()
        assert stream.body == FIRST[format] + SECOND[format] + ERROR[format]
    assert [what for what, _ in server.journal(name)] == ["begun", "closed"]
    assert_logged_once(server, f"RuntimeError: {name} failed")


def test_an_error_after_more_than_a_client_has_read_breaks_the_body_off(server, our_prefix, name):
    with server.open(f"{our_prefix}/much-failing/jsonl/{name}/") as stream:
        standstill(server, name)
        with pytest.raises(BROKEN_BODY):
            stream.read_all()
    lines = stream.body.splitlines(keepends=True)
    if server.name == "granian":
        # It drops what it has not yet written when a body is broken off: the last bytes may lack.
        assert lines[:15_000] == [MUCH_LINE] * 15_000
    else:
        assert lines[-1] == ERROR["jsonl"]
        assert lines[:-1] == [MUCH_LINE] * 20_000


# Without daphne, which leaves its client waiting: only our handler can help that.
@pytest.mark.parametrize("server", ["uvicorn", "granian", "hypercorn"], indirect=True)
@pytest.mark.parametrize("format", FIRST)
def test_an_error_midway_under_django_s_own_handler_breaks_the_body_off(server, format, name):
    with server.open(f"/django/failing/{format}/{name}/") as stream:
        stream.read_until(FIRST[format])
        server.signal(name)
        if format == "event-stream":
            stream.read_all()
        else:
            with pytest.raises(BROKEN_BODY):
                stream.read_all()
        assert stream.body == FIRST[format] + SECOND[format] + ERROR[format]
    assert server.time_of("closed", name)


def assert_logged_once(server, line):
    eventually(lambda: server.logged(line), f"{line!r} is logged")
    assert server.get("/dogs/").status_code == 200  # By then a second one would be there, too.
    assert server.logged(line) == 1


@pytest.mark.parametrize(("source", "status"), [("missing", 404), ("broken", 500)])
@pytest.mark.parametrize("format", FIRST)
def test_an_error_before_the_first_item_is_an_ordinary_response(
    server, our_prefix, source, status, format, name
):
    response = server.get(f"{our_prefix}/{source}/{format}/{name}/")
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("text/html")
    assert b"</html>" in response.content
    assert [what for what, _ in server.journal(name)] == ["begun", "closed"]


def test_an_error_before_the_first_item_keeps_the_session(server, our_prefix, name):
    response = server.get(f"{our_prefix}/visited-missing/text/{name}/")
    assert response.status_code == 404
    assert "sessionid" in response.cookies


# Methods.


@pytest.mark.parametrize("format", FIRST)
@pytest.mark.parametrize("source", ["steps", "plain-steps", "query-set-steps"])
def test_a_connection_is_usable_after_head_which_runs_no_source(
    server, prefix, source, format, name
):
    connection = http.client.HTTPConnection(HOST, server.port, timeout=PATIENCE)
    path = f"{prefix}/{source}/{format}/{name}/"
    try:
        connection.request("HEAD", path)
        sock = connection.sock
        response = connection.getresponse()
        assert response.status == 200
        assert response.read() == b""
        assert server.journal(name) == []
        server.signal(name)
        connection.request("GET", path)
        assert connection.sock is sock  # http.client connects anew if the server has hung up.
        assert connection.getresponse().read() == FIRST[format] + SECOND[format]
        connection.request("GET", "/dogs/")
        assert connection.sock is sock
        assert connection.getresponse().read().isdigit()
    finally:
        connection.close()


@pytest.mark.parametrize("format", FIRST)
@pytest.mark.parametrize(
    ("method", "status"), [("OPTIONS", 200), ("POST", 405), ("PUT", 405), ("DELETE", 405)]
)
def test_options_and_unnamed_methods_never_stream(server, our_prefix, method, status, format, name):
    response = server.request(method, f"{our_prefix}/endless/{format}/{name}/")
    assert response.status_code == status
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert response.content == b""
    assert server.journal(name) == []


# A source that never awaits.


@pytest.mark.parametrize("source", ["endless", "plain-endless"])
def test_others_are_answered_while_a_source_never_awaits(server, prefix, source, name):
    with server.open(f"{prefix}/{source}/text/{name}/") as stream, reading(stream):
        for _ in range(5):
            asked_at = time.monotonic()
            assert server.get("/dogs/").text.isdigit()
            assert time.monotonic() - asked_at < ANSWER_SECONDS
            wait_for_more(server, name)
        left_at = time.monotonic()
    assert_closed_in_time(server, name, left_at)


def wait_for_more(server, name):
    before = server.produced(name)
    eventually(lambda: server.produced(name) > before, "the source goes on")


@contextmanager
def reading(stream):
    """Reads the stream in another thread."""
    is_over = threading.Event()

    def read():
        while not is_over.is_set():
            stream.read_some()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(PATIENCE)


# A client that stops reading.


def test_a_client_that_stops_reading_costs_no_memory(server, name):
    warm_up(server)
    with connected(server) as sock:
        before = server.worker.memory_info().rss
        sock.sendall(head_of(server, "GET", f"/flood/{name}/"))
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        stalled_at = standstill(server, name)
        added = server.worker.memory_info().rss - before
        assert stalled_at < 20_000_000  # What a buffer of ours and the sockets' hold.
        assert added < 5_000_000
        read_to_the_end(sock)
        added = server.worker.memory_info().rss - before
        assert server.produced(name) == 500_000_000
        assert added < 5_000_000


def warm_up(server):
    """Makes the process take what memory a stream of this kind takes once and for all."""
    name = uuid4().hex
    with server.open(f"/flood/{name}/") as stream:
        while server.produced(name) < 50_000_000:
            for _ in range(100):
                stream.read_some()
    assert server.time_of("closed", name)


def standstill(server, name):
    """Waits until the source makes nothing more; returns how much it has made."""
    seen = [-1]

    def stands_still():
        seen.append(server.produced(name))
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    eventually(stands_still, "the source stands still")
    return seen[-1]


def read_to_the_end(sock):
    """Reads until the last chunk of a chunked body has come."""
    last = b""
    while not last.endswith(b"0\r\n\r\n"):
        data = sock.recv(2**20)
        assert data
        last = (last + data)[-5:]


# Formats.


STRUCTURED = [format for format in FORMATS if format.name not in ("text", "bytes", "event-stream")]


@pytest.mark.parametrize("format", STRUCTURED, ids=lambda format: format.name)
def test_every_format_is_read_back(server, format, name):
    response = server.get(f"/any-format/{name}/?format={format.name}")
    decoder = format.decoder(Hound)
    assert [*decoder.feed(response.content), *decoder.close()] == HOUNDS
    expected = f'attachment; filename="hounds{format.extension}"'
    assert response.headers["Content-Disposition"] == expected


@pytest.mark.parametrize("source", ["frames", "plain-frames"])
def test_a_client_that_puts_nothing_together_reads_every_frame(request, source, name):
    with running(request, "uvicorn") as server:
        lengths = []
        for message in messages(server, f"/{source}/{name}/"):
            (item,) = DIOXUS_JSON.decoder(max_item=2**23).feed(message)  # One, and a whole one.
            lengths.append(len(item))
    assert lengths == FRAME_SIZES


def messages(server, path):
    """Yields the body's chunks (RFC 9112 7.1) as they were sent, none put together or empty."""
    with socket.create_connection((HOST, server.port), timeout=PATIENCE) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        file = sock.makefile("rb")
        while file.readline() != b"\r\n":
            pass
        while size := int(file.readline(), 16):
            yield file.read(size)
            assert file.readline() == b"\r\n"


# curl, which knows nothing of Python.


@pytest.fixture(scope="session")
def curl():
    path = shutil.which("curl")
    if path is None:
        pytest.skip("curl is not installed; get it by: apt-get install curl (or brew install curl)")
    return [path, "--silent", "--show-error", "--no-buffer", "--noproxy", "*"]


def test_curl_prints_an_event_while_its_source_still_runs(server, curl, name):
    command = [*curl, server.url(f"/steps/event-stream/{name}/")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"data: first\n"
        assert [what for what, _ in server.journal(name)] == ["begun"]
        server.signal(name)
        assert process.stdout.read() == b"\ndata: second\n\n"
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("format", FIRST)
def test_curl_calls_a_body_incomplete_that_an_error_broke_off(server, curl, format, name):
    server.signal(name)
    process = subprocess.run(
        [*curl, server.url(f"/failing/{format}/{name}/")], capture_output=True, timeout=PATIENCE
    )
    assert process.stdout == FIRST[format] + SECOND[format] + ERROR[format]
    if format == "event-stream":
        assert process.returncode == 0
    elif server.name == "daphne":
        assert process.returncode in {18, 56}  # The transfer is incomplete, the connection reset.
    else:
        assert process.returncode == 18
