"""Reads streams of `serverproject.stacks`, whose source waits until each item has been read.

    with browsing(server) as client, opened(client, f"/stacks/all/jsonl/{name}/") as stream:
        read_step_by_step(server, stream, name)

`client` may as well ask a proxy in front of the server.
"""

import json
import time
from contextlib import contextmanager

import httpx

from .serverproject.stacks import STEPS
from .servers import PATIENCE, Reader

PROMISED_SECONDS = 1
"""Within which a source is closed when its client has left."""

END = {"event-stream": b"\n\n", "jsonl": b"\n"}
"""What each item ends with."""


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
        yield Told(response, path.split("/")[-3])


class Told:
    """Reads a stream item by item."""

    def __init__(self, response, source):
        self.response = response
        self._reader = Reader(response)
        self._end = END[source.removeprefix("plain-")]

    def item(self):
        body = self._reader.body
        if not body:
            self._reader.read_until(self._end)  # What was ready together has come as one.
        item, _, rest = bytes(body).partition(self._end)
        body[:] = rest
        return json.loads(item.removeprefix(b"data: "))

    def rest(self):
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
