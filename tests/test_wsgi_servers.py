"""What the package promises under WSGI, asked of real servers over a socket."""

from uuid import uuid4

import httpx
import pytest

from .serverproject.wire import ERROR, FIRST, SECOND
from .servers import WSGI_SERVERS, running

pytestmark = pytest.mark.server


@pytest.fixture(params=WSGI_SERVERS)
def server(request):
    with running(request, request.param) as server:
        yield server


@pytest.fixture
def name():
    """A name for the test's stream."""
    return uuid4().hex


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
