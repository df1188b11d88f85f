"""The demo as a user runs it: processes of its own, with a database of its own.

    @pytest.fixture
    def demo(request):
        with running_demo(request) as demo:
            yield demo

uvicorn serves it, once a session. What that logs during a test is shown if the test fails.
"""

import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from urllib.parse import quote

import httpx
import httpx_sse
import pytest

from .servers import HOST, PATIENCE, ROOT, START_SECONDS, end, free_port

READINGS = 300_000
"""How many the demo of the session exports: more than fits into the buffers of a connection."""

UVICORN = "-m uvicorn demo_project.asgi:application --port PORT --timeout-graceful-shutdown 1"
RUNSERVER = "manage.py runserver --noreload PORT"


class Demo:
    """The demo in a directory, migrated and seeded there; served as often as is asked for."""

    def __init__(self, directory):
        self.database = directory / "demo.sqlite3"
        self.media = directory / "media"
        self.log = directory / "server.log"
        self.log.touch()
        # The demo finds its settings itself, not those of the tests.
        self._environment = {
            **os.environ,
            "DEMO_DATABASE": str(self.database),
            "DEMO_MEDIA": str(self.media),
        }
        self._environment.pop("DJANGO_SETTINGS_MODULE", None)

    def prepare(self, readings=100):
        self.manage("migrate", "--verbosity", "0")
        self.manage("seed", "--readings", str(readings))

    def manage(self, *arguments):
        """Runs a command of manage.py to its end; returns what it has printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=START_SECONDS,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @contextmanager
    def served(self, command=UVICORN, **variables):
        """Serves it, and gives a `DemoClient`; the process has ended when the block is left."""
        with ExitStack() as stack:
            # The port was free when it was asked for: somebody else may be faster.
            for _ in range(3):
                client = stack.enter_context(self._started(command, variables))
                if client.answers():
                    break
            else:
                pytest.fail(f"the demo does not answer:\n{self.log.read_text()}")
            yield client

    @contextmanager
    def _started(self, command, variables):
        port = free_port()
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command.replace("PORT", str(port)).split()],
                cwd=ROOT,
                env=self._environment | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            with DemoClient(f"http://{HOST}:{port}", process, self) as client:
                yield client
        finally:
            end(process)


class DemoClient(httpx.Client):
    """Asks a demo that is served, as a browser would: with cookies and the CSRF token."""

    def __init__(self, base_url, process, demo):
        super().__init__(base_url=base_url, timeout=PATIENCE, trust_env=False)
        self.process = process
        self.database = demo.database
        self.media = demo.media

    def answers(self):
        """Waits until the demo answers; returns whether it does."""
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends and self.process.poll() is None:
            try:
                return self.get("/").status_code == 200
            except httpx.TransportError:
                time.sleep(0.05)
        return False

    @property
    def csrf(self):
        """The header that a page's script sends along."""
        if "csrftoken" not in self.cookies:
            self.get("/tokens/")
        return {"X-CSRFToken": self.cookies["csrftoken"]}

    def open(self, path, method="GET", **kwargs):
        """Opens a stream; leaving the block disconnects."""
        return self.stream(method, path, **kwargs)

    def upload(self, name, content):
        """Uploads a file, as a page's script does; returns the name that it has got."""
        disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        headers = {**self.csrf, "Content-Disposition": disposition}
        response = self.post("/upload/save/", content=content, headers=headers)
        assert response.status_code == 201
        [saved] = response.json()["files"]
        return saved["name"].removeprefix("uploads/")

    @contextmanager
    def events(self, path, **kwargs):
        """Opens an event stream, and gives an iterator of its events."""
        with httpx_sse.connect_sse(self, "GET", path, **kwargs) as source:
            assert source.response.status_code == 200
            # httpx-sse hands on what a browser does not dispatch, such as `retry` alone.
            yield (event for event in source.iter_sse() if event.data)


# Once a session.

_DEMO = pytest.StashKey()


@contextmanager
def running_demo(request):
    """Gives a test the `DemoClient` of the demo that the whole session shares."""
    demo, client = _shared(request)
    client.cookies.clear()
    with showing(demo.log):
        yield client


@contextmanager
def showing(log):
    """Prints at the end what was logged meanwhile, which pytest shows of a test that failed."""
    before = log.stat().st_size
    try:
        yield
    finally:
        with log.open("rb") as lines:
            lines.seek(before)
            print(lines.read().decode(errors="replace"))  # noqa: T201


def _shared(request):
    stash = request.config.stash
    if _DEMO not in stash:
        demo = Demo(request.getfixturevalue("tmp_path_factory").mktemp("demo"))
        demo.prepare(READINGS)
        serving = demo.served()
        client = serving.__enter__()
        request.config.add_cleanup(lambda: serving.__exit__(None, None, None))
        stash[_DEMO] = demo, client
    return stash[_DEMO]
