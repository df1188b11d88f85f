"""Real servers for tests: started once a session, on the loopback only, and always stopped.

    @pytest.fixture(params=ASGI_SERVERS)
    def server(request):
        with running(request, request.param) as server:
            yield server

They serve `tests.serverproject`. What a server has logged during a test is shown if the test fails.
Every wait has a deadline, and none is a sleep in the hope that something will have happened.
"""

import http.client
import importlib.util
import json
import os
import resource
import select
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from socket import MSG_DONTWAIT

import httpx
import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"

START_SECONDS = 90
"""A server's start takes about one: this is for a machine that does much else."""

STOP_SECONDS = 5
"""Then a server is killed."""

PATIENCE = 60
"""Seconds that a test waits for what has no bound of its own. Only a failure takes as long."""

OPEN_FILES = 4096
"""What a server, and a test that opens many connections to it, may need: many systems allow 1024
unless they are asked for more."""

BLOCK_BYTES = 2**18
STANDSTILL_SECONDS = 0.7
"""Of a client that cannot send anything: then the server lets it wait."""

ASGI = "tests.serverproject.asgi:application"
WSGI = "tests.serverproject.wsgi:application"
GUNICORN = "python:tests.serverproject.gunicorn_conf"

APPLICATIONS = {"ours": "", "ours-under-sync-middleware": "/sync", "django's": "/django"}
"""The handlers that each ASGI process serves, by their prefix (see `serverproject.asgi`)."""

COMMANDS = {
    "uvicorn": f"uvicorn {ASGI} --host {HOST} --port PORT --lifespan on --no-access-log",
    "granian": f"granian {ASGI} --interface asgi --host {HOST} --port PORT",
    "hypercorn": f"hypercorn {ASGI} --bind {HOST}:PORT",
    "daphne": f"daphne {ASGI} --bind {HOST} --port PORT --verbosity 0",
    "gunicorn": f"gunicorn {WSGI} --bind {HOST}:PORT --config {GUNICORN}",
    "gunicorn-sync": f"gunicorn {WSGI} --bind {HOST}:PORT --config {GUNICORN}"
    " --worker-class sync --threads 1 --workers 2",
    "wsgiref": "tests.serverproject.serve_wsgiref PORT",
}
"""How each server is started, as `python -m ...`."""

ASGI_SERVERS = ("uvicorn", "granian", "hypercorn", "daphne")
WSGI_SERVERS = ("gunicorn", "wsgiref")


class Server:
    """One server process and all that it has started."""

    def __init__(self, name, directory, environment, *options):
        self.name = name
        self.command = COMMANDS.get(name)
        """How it is started, as `python -m ...`, with further options."""
        self._options = options
        self.log = directory / f"{name}.log"
        self.database = Path(environment["SERVERPROJECT_DATABASE"])
        self.media = directory / "media"
        """The folder of what it has saved."""
        self.files = Path(environment["SERVERPROJECT_FILES"])
        """The folder of what it sends. All servers share it."""
        self.worker = None
        """The process that runs the application, once it does."""
        self._environment = environment
        self._process = None
        # A connection for each request: a kept one may be closed by the server just when it is
        # used again.
        self._client = httpx.Client(
            timeout=PATIENCE,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    def start(self):
        for _ in range(3):  # The port was free when it was asked for: somebody else may be faster.
            self.port = free_port()
            command = [sys.executable, "-m", *self.command.split(), *self._options]
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [part.replace("PORT", str(self.port)) for part in command],
                    cwd=ROOT,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            if self._answers():
                self.worker = psutil.Process(int(self.get("/pid/").text))
                return
            self._end_processes()
        raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text()}")

    def stop(self):
        self._client.close()
        if self._process is not None:
            self._end_processes()

    def terminate(self):
        """Sends SIGTERM, as an operator does."""
        self._process.terminate()

    def ended(self):
        """Returns the exit status of the process; waits for it."""
        return self._process.wait(PATIENCE)

    def _answers(self):
        """Waits until the server answers; returns whether it does."""
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends and self._process.poll() is None:
            try:
                return self.get("/pid/").status_code == 200
            except httpx.TransportError:
                time.sleep(0.05)
        return False

    def _end_processes(self):
        """Ends the process and its children: politely first, and for sure."""
        try:
            root = psutil.Process(self._process.pid)
            processes = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            processes = []
        if self.worker is not None and self.worker not in processes:
            processes.append(self.worker)  # Its parent is gone, and did not take it along.
        self._process.terminate()
        _, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=STOP_SECONDS)
        self._process.wait(STOP_SECONDS)

    # What a test asks of it.

    def url(self, path):
        return f"http://{HOST}:{self.port}{path}"

    def get(self, path):
        return self.request("GET", path)

    def request(self, method, path):
        """Returns the whole response, to a client that nobody knows yet."""
        self._client.cookies.clear()
        return self._client.request(method, self.url(path))

    @contextmanager
    def open(self, path):
        """Opens a stream, as a `Reader`; leaving the block disconnects."""
        with self._client.stream("GET", self.url(path)) as response:
            yield Reader(response)

    def signal(self, name):
        """Lets the source of the stream `name` go on."""
        assert self.get(f"/signal/{name}/").text == "given"

    def produced(self, name):
        """Returns how much the source of the stream `name` has made."""
        return int(self.get(f"/produced/{name}/").text)

    def journal(self, name):
        """Returns what happened to the stream `name`: pairs of what and when."""
        return [tuple(entry) for entry in self.get(f"/journal/{name}/").json()["entries"]]

    def time_of(self, what, name):
        """Returns when it happened to the stream `name`; waits for it."""
        return eventually(lambda: dict(self.journal(name)).get(what), f"{name} is {what}")

    def logged(self, text):
        """Returns how often the server has logged a line that ends so."""
        return sum(line.endswith(text) for line in self.log.read_text().splitlines())


class Reader:
    """Reads the body of a response as it comes."""

    def __init__(self, response):
        self.response = response
        self.body = bytearray()
        self._chunks = response.iter_raw()

    def read_until(self, expected):
        """Reads until the body ends so; waits as long as the client's timeout allows."""
        while not self.body.endswith(expected):
            chunk = next(self._chunks, None)
            assert chunk is not None, f"the body ended with {self.body[-200:]!r}"
            self.body += chunk

    def read_some(self):
        """Returns the next bytes, and keeps none."""
        return next(self._chunks)

    def read_all(self):
        """Reads to the end of the body, and returns all of it."""
        for chunk in self._chunks:
            self.body += chunk
        return bytes(self.body)


class Sender:
    """Sends one request at a time over a socket, as it likes, and reads the answer when it likes.

    `size` is that of the body, which is sent in chunks (RFC 9112 7.1) if it is None.
    """

    def __init__(self, server, path="/", size=None, headers="", method="POST"):
        self.sock = socket.create_connection((HOST, server.port), timeout=PATIENCE)
        if path != "/":
            self.ask(path, size, headers, method)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.sock.close()

    def ask(self, path, size=None, headers="", method="POST"):
        """Sends the head of a request."""
        self._is_chunked = size is None
        self.sent = 0
        """Bytes of the body, and of how it is framed, that the socket has taken."""
        length = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
        head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{length}\r\n{headers}\r\n"
        self.sock.sendall(head.encode())

    def send(self, data):
        """Sends some of the body: all of it, but never longer than a test is patient."""
        self.sock.sendall(self._framed(data))
        self.sent += len(data)

    def end(self):
        """Says that a body which is sent in chunks has ended."""
        self.sock.sendall(b"0\r\n\r\n")

    def pour(self, size, *, stops_at_answer=True, patience=PATIENCE):
        """Sends so many bytes more, unless something stops it, and returns what: "answer",
        "hang-up", or "standstill" if nothing can be sent for so many seconds; or else None.
        """
        block = memoryview(self._framed(bytes(BLOCK_BYTES)))
        ends, offset = self.sent + size, 0
        awaited = [self.sock] if stops_at_answer else []
        while self.sent < ends:
            answered, writable, _ = select.select(awaited, [self.sock], [], patience)
            if answered:
                return "answer"
            if not writable:
                return "standstill"
            try:
                taken = self.sock.send(block[offset : offset + ends - self.sent], MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except ConnectionError:
                return "hang-up"
            self.sent += taken
            offset = (offset + taken) % len(block)
        return None

    def answer(self):
        """Returns the answer, whole, as `http.client` has it, and its `content`."""
        response = self.begun_answer()
        response.content = response.read()
        return response

    def begun_answer(self):
        """Returns the answer when its headers have come."""
        response = http.client.HTTPResponse(self.sock)
        response.begin()
        return response

    def is_answered(self):
        """Whether the server has sent something that has not been read."""
        return bool(select.select([self.sock], [], [], 0)[0])

    def read(self, size=2**16):
        """Returns the next bytes that the server has sent, b"" if it has hung up."""
        try:
            return self.sock.recv(size)
        except ConnectionError:
            return b""

    def read_until(self, expected):
        """Returns all up to the bytes that are expected."""
        data = b""
        while not data.endswith(expected):
            byte = self.sock.recv(1)
            assert byte, data
            data += byte
        return data

    def read_all(self):
        """Returns all that the server sends until it hangs up."""
        return b"".join(iter(self.read, b""))

    def _framed(self, data):
        return b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data


class Peak:
    """The most memory that the server has had from here on, beyond what it had."""

    def __init__(self, server):
        self._server = server
        self._before = server.worker.memory_info().rss
        self.added = 0

    def look(self):
        self.added = max(self.added, self._server.worker.memory_info().rss - self._before)


def end(process):
    """Ends a process: politely first, and for sure."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)


def eventually(ask, what, seconds=PATIENCE):
    """Asks until the answer is true, and returns it."""
    ends = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < ends, f"not within {seconds} s: {what}"
        time.sleep(0.01)
    return answer


def free_port():
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return sock.getsockname()[1]


# Once a session.

_SERVERS = pytest.StashKey()


@contextmanager
def running(request, name, database=None):
    """Gives a test the server of that name, which is started for the first test that asks.

    `database`: an entry of DATABASES for the server's own; by default an SQLite file. What the
    server logs meanwhile is printed at the end, which pytest shows of a test that failed.
    """
    server = _server(request, name, database)
    before = server.log.stat().st_size
    try:
        yield server
    finally:
        with server.log.open("rb") as log:
            log.seek(before)
            print(log.read().decode(errors="replace"))  # noqa: T201


@contextmanager
def started(request, name, *options):
    """Gives a test a server of its own, with further options, which it may stop."""
    _allow_many_files(request)
    directory = request.getfixturevalue("tmp_path_factory").mktemp(name)
    server = Server(name, directory, _environment(directory), *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        print(server.log.read_text(errors="replace"))  # noqa: T201


def _server(request, name, database):
    stash = request.config.stash
    servers = stash.setdefault(_SERVERS, {})
    key = name, json.dumps(database)
    if key not in servers:
        if importlib.util.find_spec(COMMANDS[name].split()[0]) is None:
            pytest.skip(f"{name} is not installed; get it by: pip install {name}")
        directory = request.getfixturevalue("tmp_path_factory").mktemp(name)
        server = Server(name, directory, _environment(directory, database))
        request.config.add_cleanup(server.stop)
        _allow_many_files(request)
        servers[key] = server
        server.start()
    if servers[key].worker is None:
        pytest.fail(f"{name} did not start: the first test that asked for it says why")
    return servers[key]


def _allow_many_files(request):
    """Raises the limit of this process, which servers inherit, for the rest of the session."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES:
        allowed = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        request.config.add_cleanup(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))


def environment_in(directory):
    """Returns what a server process sees of the world, with no database yet."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.serverproject.settings",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "SERVERPROJECT_DATABASE": str(directory / "db.sqlite3"),
        "SERVERPROJECT_FILES": str(directory.parent / "files"),
    }


def _environment(directory, database=None):
    """Returns the same with a database of its own."""
    environment = environment_in(directory)
    if database is not None:
        environment["SERVERPROJECT_DATABASES_DEFAULT"] = json.dumps(database)
    subprocess.run(
        [sys.executable, "-m", "tests.serverproject.prepare"],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=START_SECONDS,
    )
    return environment
