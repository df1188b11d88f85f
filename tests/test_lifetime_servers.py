"""Streams that end before their source does, on real servers, to clients with sockets."""

import http.client
import socket
import time
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from .serverproject.lifetime_views import SEND_TIMEOUT
from .servers import ASGI_SERVERS, HOST, PATIENCE, eventually, running

pytestmark = pytest.mark.server

A_BIT = 2**14


@pytest.fixture(params=[*ASGI_SERVERS, "gunicorn"])
def server(request):
    with running(request, request.param) as server:
        yield server


@contextmanager
def slowly_read(server, path):
    """Opens a response that is not read unless it is asked for, through a small buffer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, A_BIT)
    sock.settimeout(PATIENCE)
    with sock:
        sock.connect((HOST, server.port))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        yield sock


def endings(server, name):
    return [what for what, _ in server.journal(name) if what.startswith("ended")]


# A client that does not read.


@pytest.mark.parametrize("server", ASGI_SERVERS, indirect=True)
def test_a_client_that_takes_nothing_is_given_up(server, name):
    with slowly_read(server, f"/impatient/{name}/") as sock:
        assert server.time_of("begun", name)
        assert server.time_of("closed", name)
        eventually(lambda: endings(server, name), "its end is told")
        assert endings(server, name) == ["ended: slow"]
        if server.name in ("uvicorn", "hypercorn"):
            # The connection is gone, though nobody has read what was sent.
            eventually(lambda: not connected(server, sock), "the connection is dropped")


def connected(server, sock):
    port = sock.getsockname()[1]
    return any(
        connection.raddr and connection.raddr.port == port
        for connection in server.worker.net_connections()
        if connection.status == "ESTABLISHED"
    )


@pytest.mark.parametrize("server", ASGI_SERVERS, indirect=True)
def test_a_client_that_is_slow_is_not(server, name):
    with slowly_read(server, f"/impatient/{name}/") as sock:
        ends = time.monotonic() + 3 * SEND_TIMEOUT
        while time.monotonic() < ends:
            for _ in range(32):
                assert sock.recv(A_BIT)
            time.sleep(SEND_TIMEOUT / 20)
        assert endings(server, name) == []
    eventually(lambda: endings(server, name) == ["ended: disconnect"], "its end is told")


# A user who is logged out.


def logged_in(server, user):
    response = server.get(f"/login/?user={user}")
    return {"Cookie": f"sessionid={response.cookies['sessionid']}"}


@pytest.mark.parametrize("view", ["watched", "watched-in-thread"])
def test_a_user_who_is_logged_out_loses_the_stream_and_nobody_else(server, view, name):
    eve, ada = logged_in(server, "grace"), logged_in(server, "ada")
    others = f"{name}-of-another"
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(timeout=PATIENCE))
        eves = stack.enter_context(
            client.stream("GET", server.url(f"/{view}/{name}/"), headers=eve)
        )
        adas = stack.enter_context(
            client.stream("GET", server.url(f"/{view}/{others}/"), headers=ada)
        )
        chunks = eves.iter_raw(), adas.iter_raw()
        assert all(next(each) for each in chunks)
        assert client.get(server.url("/logout/"), headers=eve).text == "logged out"
        try:
            for _ in chunks[0]:
                pass
            is_clean = True
        except httpx.RemoteProtocolError:
            is_clean = False
        assert is_clean == (view == "watched")
        eventually(lambda: endings(server, name) == ["ended: revoked"], "its end is told")
        # The other one was asked as often, and goes on.
        assert all(next(chunks[1]) for _ in range(20))
        assert endings(server, others) == []


# Deadlines and limits.


def test_a_deadline_ends_an_event_stream_cleanly(server, name):
    with server.open(f"/brief/{name}/") as stream:
        assert stream.read_all().endswith(b"data: x\n\n")
    eventually(lambda: endings(server, name) == ["ended: deadline"], "its end is told")


def test_one_stream_too_many_is_429_until_there_is_room(server, name):
    with server.open(f"/one/{name}/") as stream:
        assert stream.read_some()
        refused = server.get(f"/one/{name}-2/")
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "10"
        assert server.request("HEAD", f"/one/{name}-3/").status_code == 200
    eventually(lambda: endings(server, name) == ["ended: disconnect"], "its end is told")
    with server.open(f"/one/{name}-4/") as stream:
        assert stream.response.status_code == http.client.OK
        assert stream.read_some()
    eventually(lambda: endings(server, f"{name}-4"), "its end is told")
