"""Streams through a real nginx, with what it does by default."""

import select
import socket
import zlib
from contextlib import contextmanager

import httpx
import pytest

from .nginx import IDLE_SECONDS, nginx_before
from .serverproject.stacks import STEPS
from .servers import ASGI_SERVERS, HOST, PATIENCE, Reader, eventually, running
from .steps import assert_leaving_closes, browsing, entries, opened, read_step_by_step

pytestmark = [pytest.mark.server, pytest.mark.service]

FORMATS = ("event-stream", "jsonl")
FIRST = {"event-stream": b"data: first\n\n", "jsonl": b'"first"\n'}


@pytest.fixture(scope="module", params=ASGI_SERVERS)
def nginx(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("proxy")
    with (
        running(request, request.param) as server,
        nginx_before(server, directory, directory) as nginx,
    ):
        yield nginx


before_uvicorn = pytest.mark.parametrize("nginx", ["uvicorn"], indirect=True)


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("stack", ["none", "all"])
def test_every_item_is_read_while_its_source_waits_for_that(nginx, stack, source, name):
    with (
        browsing(nginx) as client,
        opened(client, f"/stacks/{stack}/{source}/{name}/") as stream,
    ):
        assert stream.response.headers["Server"].startswith("nginx")
        read_step_by_step(nginx.application, stream, name)


@pytest.mark.parametrize("source", FORMATS)
def test_leaving_closes_the_source(nginx, source, name):
    with browsing(nginx) as client:
        assert_leaving_closes(nginx.application, client, f"/stacks/all/{source}/{name}/", name)


# Without uvicorn, which sends chunks (RFC 9112 7.1) even to nginx's HTTP/1.0: they pass at once.
@pytest.mark.parametrize("nginx", ["granian", "hypercorn", "daphne"], indirect=True)
@pytest.mark.parametrize("source", FORMATS)
def test_it_is_our_header_that_keeps_nginx_from_holding_items_back(nginx, source, name):
    """Where nginx is told not to heed it, nothing comes: so the tests above do show something."""
    server = nginx.application
    with asked(nginx, f"/unheeding/stacks/none/{source}/{name}/") as sock:
        eventually(lambda: server.produced(name) == 1, "the first item is made")
        # What the server has sent by now, nginx, which is one process, has before these answers.
        for _ in range(20):
            answer = httpx.get(nginx.url("/pid/"), timeout=PATIENCE, trust_env=False)
            assert answer.status_code == 200
        assert not is_readable(sock)
        for step in range(STEPS):
            server.signal(f"{name}-{step}")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")


@contextmanager
def asked(nginx, path):
    with socket.create_connection((HOST, nginx.port), timeout=PATIENCE) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        yield sock


def is_readable(sock):
    return bool(select.select([sock], [], [], 0)[0])


@pytest.mark.parametrize("format", FIRST)
def test_an_item_that_nginx_compresses_can_be_decoded_at_once(nginx, format, name):
    path = f"/compressing/steps/{format}/{name}/"
    with browsing(nginx) as client, client.stream("GET", path) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        stream, decoder, text = Reader(response), zlib.decompressobj(wbits=31), b""
        while text != FIRST[format]:
            text += decoder.decompress(stream.read_some())
        assert entries(nginx.application, name) == ["begun"]
        nginx.application.signal(name)
        assert decoder.decompress(stream.read_all()).replace(b"second", b"first") == FIRST[format]
        assert decoder.eof


# An idle stream.


@before_uvicorn
def test_heartbeats_keep_an_idle_stream_open(nginx, name):
    with (
        browsing(nginx) as client,
        client.stream("GET", f"/impatient/beating/{name}/") as response,
    ):
        stream = Reader(response)
        stream.read_until(b":\n\n" * (IDLE_SECONDS + 2))  # One a second.
        nginx.application.signal(name)
        assert stream.read_all().endswith(b":\n\ndata: the end\n\n")


@before_uvicorn
def test_without_heartbeats_an_impatient_nginx_cuts_it_off(nginx, name):
    """Or the test above would show nothing."""
    with (
        browsing(nginx) as client,
        client.stream("GET", f"/impatient/silent/{name}/") as response,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        response.read()
    assert nginx.application.time_of("closed", name)


# As the documentation has it.


@pytest.mark.parametrize("source", FORMATS)
def test_every_item_is_read_below_what_is_documented(nginx, source, name):
    with (
        browsing(nginx) as client,
        opened(client, f"/documented/stacks/all/{source}/{name}/") as stream,
    ):
        read_step_by_step(nginx.application, stream, name)


def test_a_body_that_is_broken_off_does_not_look_whole(nginx, name):
    path = f"/documented/failing/jsonl/{name}/"
    with browsing(nginx) as client, client.stream("GET", path) as response:
        stream = Reader(response)
        stream.read_until(FIRST["jsonl"])
        nginx.application.signal(name)
        with pytest.raises(httpx.RemoteProtocolError):
            stream.read_all()
