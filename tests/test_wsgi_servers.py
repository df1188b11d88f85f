"""What the package promises under WSGI, asked of real servers over a socket."""

import json
import socket
import struct

import httpx
import pytest

from .serverproject.wire import ERROR, FIRST, SECOND
from .servers import HOST, PATIENCE, WSGI_SERVERS, eventually, running, started

pytestmark = pytest.mark.server

EVERY_WSGI_SERVER = (*WSGI_SERVERS, "gunicorn-sync")
"""gunicorn-sync answers one request in each of its two processes: a test of it opens one stream,
and learns by files what becomes of it."""

KINDS = ["async", "plain", "query-set", "spawn", "coroutine"]


@pytest.fixture(params=WSGI_SERVERS)
def server(request):
    with running(request, request.param) as server:
        yield server


@pytest.fixture(params=EVERY_WSGI_SERVER)
def any_server(request):
    with running(request, request.param) as server:
        yield server


@pytest.mark.parametrize("format", FIRST)
@pytest.mark.parametrize("source", ["steps", "plain-steps", "query-set-steps"])
def test_an_item_is_read_while_its_source_still_runs(server, source, format, name):
    with server.open(f"/{source}/{format}/{name}/") as stream:
        assert stream.response.status_code == 200
        stream.read_until(FIRST[format])
        assert [what for what, _ in server.journal(name)] == ["begun"]
        server.signal(name)
        assert stream.read_all() == FIRST[format] + SECOND[format]
    assert [what for what, _ in server.journal(name)] == ["begun", "closed"]


@pytest.mark.parametrize(
    "source", ["going-on", "plain-paced", "query-set-paced", "endless", "plain-endless"]
)
def test_a_disconnect_closes_a_source_that_goes_on(server, source, name):
    """WSGI notices a disconnect when it writes: a source that says nothing would not hear of it."""
    with server.open(f"/{source}/event-stream/{name}/") as stream:
        assert stream.read_some()
        assert [what for what, _ in server.journal(name)] == ["begun"]
    assert server.time_of("closed", name)


@pytest.mark.parametrize("source", ["failing", "plain-failing"])
@pytest.mark.parametrize("format", FIRST)
def test_an_error_midway_is_told_and_closes_the_source(server, source, format, name):
    with server.open(f"/{source}/{format}/{name}/") as stream:
        stream.read_until(FIRST[format])
        server.signal(name)
        if server.name == "gunicorn" and format != "event-stream":
            with pytest.raises(httpx.RemoteProtocolError):
                stream.read_all()
        else:  # wsgiref speaks HTTP/1.0, where the end of a body is the end of the connection.
            stream.read_all()
        assert stream.body == FIRST[format] + SECOND[format] + ERROR[format]
    assert server.time_of("closed", name)
    assert server.logged(f"RuntimeError: {name} failed") >= 1


@pytest.mark.parametrize("source", ["steps", "plain-steps", "query-set-steps"])
def test_head_runs_no_source(server, source, name):
    response = server.request("HEAD", f"/{source}/text/{name}/")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content == b""
    assert server.journal(name) == []


# Every kind of source, on every server: told by files.


def tell(server, name, n):
    """Lets the source of the stream go on after its item n."""
    folder = server.database.parent / "told"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.{n}").touch()


def log_of(server, name):
    """Returns what has happened to the stream, even if its process is gone."""
    path = server.database.parent / "told" / f"{name}.log"
    return path.read_text().splitlines() if path.exists() else []


def assert_closed(server, name):
    eventually(lambda: log_of(server, name) == ["begun", "closed"], f"{name} is closed")


@pytest.mark.parametrize("prefix", ["", "/django"], ids=["ours", "django's"])
@pytest.mark.parametrize("kind", KINDS)
def test_items_arrive_one_by_one(any_server, prefix, kind, name):
    with any_server.open(f"{prefix}/told/{kind}/told/{name}/") as stream:
        for n in (1, 2, 3):
            stream.read_until(b"%d\n" % n)
            assert log_of(any_server, name) == ["begun"]
            tell(any_server, name, n)
        assert stream.read_all() == b"1\n2\n3\n"
    assert_closed(any_server, name)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_midway_closes_the_source_and_breaks_the_body_off(any_server, kind, name):
    with any_server.open(f"/told/{kind}/failing/{name}/") as stream:
        stream.read_until(b"1\n")
        tell(any_server, name, 1)
        stream.read_until(b"2\n")
        tell(any_server, name, 2)
        if any_server.name == "wsgiref":  # Its bodies end with the connection, cut off or not.
            stream.read_all()
        else:
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
                stream.read_all()
        assert stream.body == b"1\n2\n" + ERROR["jsonl"]
    assert_closed(any_server, name)


@pytest.mark.parametrize("leaving", ["politely", "with-a-reset"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_leaves_closes_the_source_at_the_next_item(any_server, kind, leaving, name):
    path = f"/told/{kind}/on-and-on/{name}/"
    with socket.create_connection((HOST, any_server.port), timeout=PATIENCE) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        read_up_to(sock, b"2\n")
        assert log_of(any_server, name) == ["begun"]
        if leaving == "with-a-reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert_closed(any_server, name)


def read_up_to(sock, expected):
    data = b""
    while expected not in data:
        received = sock.recv(1000)
        assert received, data
        data += received
    return data


def test_a_heartbeat_notices_that_the_client_of_an_idle_stream_has_left(any_server, name):
    with any_server.open(f"/idle/{name}/") as stream:
        for _ in range(3):
            stream.read_until(b":\n\n")
        assert log_of(any_server, name) == ["begun"]
    assert_closed(any_server, name)


@pytest.mark.parametrize("prefix", ["", "/django"], ids=["ours", "django's"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_headers_of_an_event_stream_leave_before_its_first_event(
    any_server, prefix, kind, name
):
    with any_server.open(f"{prefix}/told-events/{kind}/late/{name}/") as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        for n in (0, 1, 2, 3):
            tell(any_server, name, n)
        assert stream.read_all() == b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
    assert_closed(any_server, name)


# Before the first item.


@pytest.mark.parametrize(("source", "status"), [("missing", 404), ("broken", 500)])
@pytest.mark.parametrize("format", ["text", "jsonl", "msgpack"])
def test_an_error_before_the_first_item_is_an_ordinary_response(
    server, source, status, format, name
):
    response = server.get(f"/{source}/{format}/{name}/")
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("text/html")
    assert b"</html>" in response.content
    assert [what for what, _ in server.journal(name)] == ["begun", "closed"]


def test_an_error_before_the_first_item_keeps_the_session(server, name):
    response = server.get(f"/visited-missing/text/{name}/")
    assert response.status_code == 404
    assert "sessionid" in response.cookies


@pytest.mark.parametrize("source", ["missing", "broken"])
@pytest.mark.parametrize("format", ["text", "jsonl", "msgpack"])
def test_it_is_the_server_s_500_under_django_s_own_handler(server, source, format, name):
    response = server.get(f"/django/{source}/{format}/{name}/")
    assert response.status_code == 500
    assert b"the stream failed" not in response.content
    assert [what for what, _ in server.journal(name)] == ["begun", "closed"]


# Where a source runs.


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_a_source_has_the_language_the_zone_and_a_connection_that_is_closed(any_server, kind, name):
    for language, zone in [("de", "Asia/Tokyo"), ("fr", "America/Lima")]:
        stream_name = f"{name}-{language}"
        query = f"?language={language}&zone={zone}"
        with any_server.open(f"/where/{kind}/{stream_name}/{query}") as stream:
            stream.read_until(b"\n")
            assert json.loads(stream.body) == [[language, zone], [language, zone], "first"]
            assert open_databases(any_server) == 1
            tell(any_server, stream_name, 1)
            assert stream.read_all().endswith(b'"first"\n')
        assert_closed(any_server, stream_name)
        eventually(lambda: open_databases(any_server) == 0, "the connection is closed")


def open_databases(server):
    """Returns how many connections to the database the server's processes have open."""
    workers = [server.worker]
    if server.name == "gunicorn-sync":
        workers = server.worker.parent().children()
    files = [file.path for worker in workers for file in worker.open_files()]
    return files.count(str(server.database))


# The end of the server.


def read_through(stream, expected):
    """Reads on until that has come; more may have come with it."""
    while expected not in stream.body:
        stream.body += stream.read_some()


@pytest.mark.parametrize("name_of_server", ["gunicorn", "gunicorn-sync"])
@pytest.mark.parametrize("kind", ["async", "plain"])
def test_gunicorn_lets_a_stream_end_when_it_is_told_to_stop(
    request, monkeypatch, name_of_server, kind, name
):
    monkeypatch.setenv("SERVERPROJECT_GRACE", "60")
    with started(request, name_of_server) as server:
        with server.open(f"/told/{kind}/told/{name}/") as stream:
            stream.read_until(b"1\n")
            server.terminate()
            for n in (1, 2, 3):
                tell(server, name, n)
            assert stream.read_all() == b"1\n2\n3\n"
        assert server.ended() == 0
        assert log_of(server, name) == ["begun", "closed"]


@pytest.mark.parametrize("name_of_server", ["gunicorn", "gunicorn-sync"])
@pytest.mark.parametrize(
    ("kind", "patience", "is_closed"), [("async", "5", True), ("plain", "1", False)]
)
def test_gunicorn_breaks_off_or_kills_what_does_not_end(
    request, name_of_server, kind, patience, is_closed, name
):
    """Nothing runs in a killed process, no `finally` either."""
    with started(request, name_of_server, "--graceful-timeout", patience) as server:
        with server.open(f"/told/{kind}/on-and-on/{name}/") as stream:
            read_through(stream, b"1\n")
            server.terminate()
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                stream.read_all()
        assert server.ended() == 0
        assert log_of(server, name) == (["begun", "closed"] if is_closed else ["begun"])


@pytest.mark.parametrize("name_of_server", ["gunicorn", "gunicorn-sync"])
@pytest.mark.parametrize("kind", ["async", "plain"])
def test_gunicorn_ends_event_streams_with_their_next_item(request, name_of_server, kind, name):
    with started(request, name_of_server) as server:
        with server.open(f"/told-events/{kind}/on-and-on/{name}/") as stream:
            read_through(stream, b"data: 1\n\n")
            server.terminate()
            assert stream.read_all().endswith(b"\n\n")
        assert server.ended() == 0
        assert log_of(server, name) == ["begun", "closed"]


def test_wsgiref_dies_at_once(request, name):
    with started(request, "wsgiref") as server:
        with server.open(f"/told-events/async/on-and-on/{name}/") as stream:
            read_through(stream, b"data: 1\n\n")
            server.terminate()
            stream.read_all()
        assert server.ended() != 0
        assert log_of(server, name) == ["begun"]


def test_a_thread_of_gunicorn_may_stream_for_longer_than_its_timeout(request, name):
    with started(request, "gunicorn", "--timeout", "1") as server:
        with server.open(f"/told/async/on-and-on/{name}/") as stream:
            # Of 20 ms each, so that gunicorn, which looks every second, has looked by then.
            read_through(stream, b"\n150\n")
        assert_closed(server, name)


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_a_sync_worker_ends_a_stream_at_gunicorn_s_timeout(request, kind, name):
    with started(request, "gunicorn-sync", "--timeout", "2") as server:
        for n in range(5):  # gunicorn kills a worker that a busy machine keeps from ending soon.
            with server.open(f"/told/{kind}/on-and-on/{name}-{n}/") as stream:
                read_through(stream, b"1\n")
                with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                    stream.read_all()
            if is_closed_or_killed(server, f"{name}-{n}", n) == "closed":
                return
        pytest.fail("gunicorn had to kill each worker")


def is_closed_or_killed(server, name, killed_before):
    """Waits for either, and returns which it is."""

    def either():
        if log_of(server, name) == ["begun", "closed"]:
            return "closed"
        return "killed" if server.log.read_text().count("SIGKILL") > killed_before else None

    return eventually(either, f"{name} is closed")
