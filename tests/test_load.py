"""Many open streams at once: what they cost a process while nothing happens on them."""

import asyncio
import resource
import time
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from .serverproject.views import USERS
from .servers import APPLICATIONS, HOST, OPEN_FILES, PATIENCE, eventually, running

pytestmark = pytest.mark.server

IDLE_STREAMS = 1000
STREAMS_EACH = 100
"""Of each of the three users."""
BEAT = b":\n\n"


@pytest.fixture
def server(request):
    with running(request, "uvicorn") as server:
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < OPEN_FILES:
            pytest.skip(f"too few open files are allowed; allow more by: ulimit -Hn {OPEN_FILES}")
        yield server


class Connection:
    """One client, which opened a stream and does nothing but read it."""

    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer

    @classmethod
    async def opened(cls, server, path, headers):
        reader, writer = await asyncio.open_connection(HOST, server.port)
        connection = cls(reader, writer)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{headers}\r\n".encode())
        head = await connection.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        return connection

    async def read_until(self, expected):
        async with asyncio.timeout(PATIENCE):
            return await self._reader.readuntil(expected)

    async def close(self):
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def connections(server, count, path, headers=""):
    """Opens so many streams; leaving the block closes them all."""
    opened = []
    try:
        for _ in range(count):
            opened.append(await Connection.opened(server, path, headers))
        yield opened
    finally:
        await asyncio.gather(*(connection.close() for connection in opened))


async def beats(streams, count):
    """Waits until each stream has beaten so often."""
    for _ in range(count):
        await asyncio.gather(*(stream.read_until(BEAT) for stream in streams))


class Load:
    """How much of a processor the server takes from here to `share()`."""

    def __init__(self, server):
        self._server = server
        self._used_before = self._used()
        self._began_at = time.monotonic()

    def share(self):
        return self.used() / (time.monotonic() - self._began_at)

    def used(self):
        """Returns the seconds of a processor that it has taken."""
        return self._used() - self._used_before

    def _used(self):
        times = self._server.worker.cpu_times()
        return times.user + times.system


def request_seconds(server):
    """Returns what the smallest request takes of a processor: more on a slower machine."""
    load = Load(server)
    for _ in range(200):
        server.get("/pid/")
    return load.used() / 200


def closed(server, name):
    return sum(what == "closed" for what, _ in server.journal(name))


async def test_a_thousand_silent_streams_take_no_processor_time(server, name):
    request = request_seconds(server)
    async with (
        connections(server, IDLE_STREAMS, f"/silent/{name}/"),
        # Opened last: what it beats while others are opened would be read in no time at all.
        connections(server, 1, "/beating/clock/") as clock,
    ):
        await beats(clock, 1)
        load = Load(server)
        await beats(clock, 3)
        assert load.share() < 12 * request  # The server looks ten times a second at its clock.
    eventually(lambda: closed(server, name) == IDLE_STREAMS, "all streams are closed")


async def test_a_thousand_idle_streams_take_time_for_heartbeats_alone(server, name):
    request = request_seconds(server)
    async with connections(server, IDLE_STREAMS, f"/beating/{name}/") as streams:
        await beats(streams, 1)
        load = Load(server)
        await beats(streams, 3)
        assert load.share() < IDLE_STREAMS * request / 12  # A heartbeat is a wake-up and a write.
    eventually(lambda: closed(server, name) == IDLE_STREAMS, "all streams are closed")


def handles(server):
    """Returns how many handles the server has on its database: each connection has one or more."""
    files = server.worker.open_files()
    return sum(Path(file.path).resolve() == server.database.resolve() for file in files)


def cookie_of(server, user):
    response = server.get(f"/login/?user={user}")
    return f"Cookie: sessionid={response.cookies['sessionid']}\r\n"


def test_a_handle_on_the_database_is_seen_while_a_query_set_is_streamed(server, name):
    with server.open(f"/query-set-steps/event-stream/{name}/") as stream:
        assert stream.read_some()
        assert handles(server) > 0
        server.signal(name)
        stream.read_all()
    eventually(lambda: handles(server) == 0, "the connection is closed")


@pytest.mark.parametrize("prefix", APPLICATIONS.values(), ids=APPLICATIONS)
async def test_streams_of_logged_in_users_hold_no_thread_and_no_connection(server, prefix, name):
    cookies = {user: cookie_of(server, user) for user in USERS}
    threads = server.worker.num_threads()
    async with AsyncExitStack() as stack:
        for user, cookie in cookies.items():
            opening = connections(server, STREAMS_EACH, f"{prefix}/private/{name}/", cookie)
            for stream in await stack.enter_async_context(opening):
                await stream.read_until(f"data: {user}\n\n".encode())
        eventually(lambda: server.worker.num_threads() <= threads + 5, "the threads have ended")
        eventually(lambda: handles(server) == 0, "the connections are closed")
        assert server.get("/dogs/").text == "5002"
        assert closed(server, name) == 0
    eventually(lambda: closed(server, name) == STREAMS_EACH * len(USERS), "all are closed")


@pytest.mark.parametrize("prefix", APPLICATIONS.values(), ids=APPLICATIONS)
async def test_a_stream_that_was_called_in_a_thread_does_not_hold_it(server, prefix, name):
    threads = server.worker.num_threads()
    async with connections(server, STREAMS_EACH, f"{prefix}/delegating/{name}/"):
        eventually(lambda: server.worker.num_threads() <= threads + 5, "the threads have ended")
        assert closed(server, name) == 0
    eventually(lambda: closed(server, name) == STREAMS_EACH, "all are closed")
