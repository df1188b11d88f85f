"""Open streams and uploads of logged-in users hold no thread and no connection: real databases."""

import asyncio
import resource
from contextlib import asynccontextmanager, contextmanager

import pytest

from .postgresql import clients, new_database
from .serverproject.views import USERS
from .servers import HOST, OPEN_FILES, eventually, running, started
from .test_load import Connection, beats, closed, connections, cookie_of, handles

STREAMS = 1000
FEWER_STREAMS = 200
"""Where more would show nothing new."""
UPLOADS = 200
THREADS = 5
"""How many more there may be than before."""
POOL = {"OPTIONS": {"pool": True}}
POOL_SIZE = 4
"""Connections that psycopg keeps in a pool, unless it is told otherwise."""


class SQLite:
    """The server's file. A connection has a handle on it, or more."""

    def __init__(self, server):
        self._server = server

    def is_let_go(self):
        return handles(self._server) == 0


class PostgreSQL:
    """A database with a connection for each thread that asks it."""

    def __init__(self, database):
        self._database = database

    def is_let_go(self):
        return clients(self._database) == set()


class PooledPostgreSQL:
    """The same, but that connections are kept: always these, for whoever wants one next."""

    def __init__(self, database):
        self._database = database
        self._kept = eventually(self._full_pool, "the pool is full")

    def _full_pool(self):
        found = clients(self._database)
        return found if len(found) == POOL_SIZE else None

    def is_let_go(self):
        return clients(self._database) == self._kept


@contextmanager
def on_sqlite(request):
    with running(request, "uvicorn") as server:
        yield server, lambda: SQLite(server)


@contextmanager
def on_postgresql(request, name, seen_as, **entry):
    database = _databases(request, name, entry)
    with running(request, "uvicorn", database) as server:
        yield server, lambda: seen_as(database)


_DATABASES = pytest.StashKey()


def _databases(request, name, entry):
    databases = request.config.stash.setdefault(_DATABASES, {})
    if name not in databases:
        databases[name] = new_database(request, name, **entry)
    return databases[name]


DATABASES = {
    "sqlite": on_sqlite,
    "postgresql": lambda request: on_postgresql(request, "each", PostgreSQL),
    "postgresql-pool": lambda request: on_postgresql(request, "pool", PooledPostgreSQL, **POOL),
}


@pytest.fixture(
    params=[
        pytest.param(opened, id=name, marks=[] if name == "sqlite" else pytest.mark.service)
        for name, opened in DATABASES.items()
    ]
)
def opened(request):
    with request.param(request) as opened:
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < OPEN_FILES:
            pytest.skip(f"too few open files are allowed; allow more by: ulimit -Hn {OPEN_FILES}")
        yield opened


@pytest.fixture
def server(opened):
    return opened[0]


@pytest.fixture
def cookies(server):
    """Those of all users, who have logged in."""
    return [cookie_of(server, user) for user in USERS]


@pytest.fixture
def database(opened, cookies):
    """The server's database, which has been asked by now."""
    return opened[1]()


pytestmark = pytest.mark.server


@asynccontextmanager
async def private_streams(server, cookies, path, count):
    """Opens so many streams, of each user in turn, and reads what they say first."""
    opened = []
    try:
        for n in range(count):
            opened.append(await Connection.opened(server, path, cookies[n % len(cookies)]))
            await opened[-1].read_until(b"data: ")
            await opened[-1].read_until(b"\n\n")
        yield opened
    finally:
        await asyncio.gather(*(stream.close() for stream in opened))


@pytest.mark.parametrize(("path", "count"), [("private", STREAMS), ("released", FEWER_STREAMS)])
async def test_open_streams_hold_no_thread_and_no_connection(
    server, cookies, database, path, count, name
):
    threads = server.worker.num_threads()
    async with private_streams(server, cookies, f"/{path}/{name}/", count) as streams:
        eventually(lambda: server.worker.num_threads() <= threads + THREADS, "threads have ended")
        eventually(database.is_let_go, "the connections are let go")
        assert closed(server, name) == 0
        assert server.get("/dogs/").text == "5002"
        if path == "released":
            await beats(streams, 1)
            server.signal(name)
            await asyncio.gather(*(stream.read_until(b"data: again\n\n") for stream in streams))
    eventually(lambda: closed(server, name) == count, "all streams are closed")
    eventually(database.is_let_go, "the connections are let go")


async def test_a_source_that_has_let_go_may_use_the_orm_again(server, cookies, database, name):
    path = f"/released/{name}/?count"
    async with private_streams(server, cookies, path, count=3) as streams:
        eventually(database.is_let_go, "the connections are let go")
        server.signal(name)
        await asyncio.gather(*(stream.read_until(b"data: 5002\n\n") for stream in streams))
    eventually(database.is_let_go, "the connections are let go")


def test_a_connection_is_not_taken_from_an_iterator_that_has_rows_to_fetch(server, database, name):
    said = server.get(f"/released-midway/{name}/").text
    assert said.startswith("1500 release() would close the connection to the database 'default'")
    assert said.endswith(" 5002")
    eventually(database.is_let_go, "the connections are let go")


# Uploads.


@asynccontextmanager
async def slow_uploads(server, cookies, path, name, count):
    """Begins so many, of each user in turn, each of which then stalls in its body."""
    opened = []
    try:
        for n in range(count):
            _, writer = await asyncio.open_connection(HOST, server.port)
            opened.append(writer)
            writer.write(
                f"POST /{path}/{name}/ HTTP/1.1\r\nHost: {HOST}\r\n{cookies[n % len(cookies)]}"
                "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\na".encode()
            )
        yield opened
    finally:
        for writer in opened:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in opened), return_exceptions=True)


def begun(server, name):
    return sum(what == "begun" for what, _ in server.journal(name))


def threads_of_requests(server):
    """Returns how many threads asgiref has for requests: an upload also has one for its file."""
    threads = server.get("/running/").json()["threads"]
    return sum(thread.startswith("ThreadPoolExecutor") for thread in threads)


@pytest.mark.parametrize("path", ["reads-privately", "upload-privately"])
async def test_slow_uploads_hold_no_thread_and_no_connection(server, cookies, database, path, name):
    async with slow_uploads(server, cookies, path, name, UPLOADS):
        eventually(lambda: begun(server, name) == UPLOADS, "all views receive")
        eventually(lambda: threads_of_requests(server) <= THREADS, "the threads have ended")
        eventually(database.is_let_go, "the connections are let go")
        assert closed(server, name) == 0
    eventually(lambda: closed(server, name) == UPLOADS, "all views have ended")


@pytest.mark.parametrize("path", ["reads-behind-own-mixin", "sync/reads-privately"])
async def test_slow_uploads_in_code_that_waits_for_them_hold_no_connection(
    server, cookies, database, path, name
):
    count = 20
    async with slow_uploads(server, cookies, path, name, count):
        eventually(lambda: begun(server, name) == count, "all views receive")
        eventually(database.is_let_go, "the connections are let go")
        assert threads_of_requests(server) >= count
        assert closed(server, name) == 0
    eventually(lambda: closed(server, name) == count, "all views have ended")


# Memory.


async def memory_per_stream(server, path, headers, name):
    """Returns how many bytes the process grows by for each open stream."""
    async with connections(server, 50, f"/{path}/{name}-before/", headers):
        pass  # What is made once, and not for each stream.
    eventually(lambda: closed(server, f"{name}-before") == 50, "all are closed")
    before, threads = server.worker.memory_info().rss, server.worker.num_threads()
    async with connections(server, STREAMS, f"/{path}/{name}/", headers) as streams:
        await asyncio.gather(*(stream.read_until(b"data: ") for stream in streams))
        eventually(lambda: server.worker.num_threads() <= threads + THREADS, "threads have ended")
        grown = server.worker.memory_info().rss - before
    return grown / STREAMS


async def test_a_stream_takes_no_more_memory_than_a_plain_one_of_django(request, name):
    """Ours belongs to a user who has logged in. Django's belongs to nobody, no middleware has seen
    it, and it has no thread either.
    """
    with started(request, "uvicorn") as server:
        plain = await memory_per_stream(server, "bare/plain-events", "", name)
    with started(request, "uvicorn") as server:
        ours = await memory_per_stream(server, "private", cookie_of(server, "ada"), name)
    print(f"bytes per open stream: plain Django {plain:.0f}, ours {ours:.0f}")  # noqa: T201
    assert ours <= 1.1 * plain
