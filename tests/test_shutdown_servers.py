"""What happens to open streams when their server stops: real servers, real signals."""

import time
from functools import partial
from signal import SIGINT, SIGTERM

import httpx
import pytest

from .servers import ASGI, HOST, ROOT, STANDSTILL_SECONDS, eventually
from .stopping import STOPPING_COMMANDS, rest, started

pytestmark = pytest.mark.server

EVENTS = "/stopping/events/{}/"
PLAIN_EVENTS = "/stopping/plain-events/{}/"
EXPORT = "/stopping/export/{}/"
FINISHING = "/stopping/finishing/{}/"
FIRST_EVENT = b"data: first\n\n"
FIRST_ITEM = b'["first"'

ASGI_COMMANDS = (
    "uvicorn",
    "uvicorn, 2 workers",
    "gunicorn with uvicorn",
    "granian",
    "granian, 2 workers",
    "daphne",
    "hypercorn",
)
ONE_PROCESS = ("uvicorn", "granian, killing", "daphne", "hypercorn")


@pytest.mark.parametrize("name", ASGI_COMMANDS)
def test_nothing_that_is_open_holds_a_server_up(tmp_path, name):
    """And nothing of it is lost from sight."""
    with started(name, tmp_path) as server:
        events = server.opened(100, EVENTS, FIRST_EVENT)
        exports = server.opened(5, EXPORT, FIRST_ITEM)
        finishing = server.opened(5, FINISHING, FIRST_ITEM)
        server.interrupt(SIGTERM)
        assert [rest(answer) for answer in events] == [b""] * 100
        assert [rest(answer) for answer in exports] == [None] * 5
        assert [rest(answer) for answer in finishing] == [b',"last"]'] * 5
        server.assert_gone()
        assert sum(server.happened("begun").values()) == 110
        server.assert_closed()
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("path", ["/stopping/many-events/{}/", "/stopping/much-exported/{}/"])
@pytest.mark.parametrize("name", ONE_PROCESS)
def test_a_client_that_does_not_read_holds_no_server_up(tmp_path, name, path):
    with started(name, tmp_path) as server:
        client = server.ask(path, "stalled")
        standstill(lambda: server.produced("stalled"))
        server.interrupt(SIGTERM)
        server.assert_gone()
        server.assert_closed()
        assert not client.read_all().endswith(b"\r\n0\r\n\r\n")
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("name", ONE_PROCESS)
def test_a_download_holds_no_server_up(tmp_path, name):
    with started(name, tmp_path) as server:
        folder = server.files / "public"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "large").open("wb") as file:
            file.truncate(2**28)
        server.ask("/files/{}/large", "download").read(1000)
        server.interrupt(SIGTERM)
        server.assert_gone()
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("name", ["uvicorn", "granian", "hypercorn"])
def test_half_an_upload_is_answered_and_leaves_nothing(tmp_path, name):
    with started(name, tmp_path) as server:
        client = server.client()
        client.ask("/upload/half/", 2**20)
        client.send(bytes(2**19))
        eventually(lambda: server.produced("half") == 2**19, "half of it is received")
        server.interrupt(SIGTERM)
        answer = client.answer()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        server.assert_gone()
        assert not [path for path in server.media.rglob("*") if path.is_file()]
        assert "Traceback" not in server.log.read_text()


def standstill(count):
    """Waits until nothing is added any more."""
    counted, since = count(), time.monotonic()
    while time.monotonic() - since < STANDSTILL_SECONDS:
        before, counted = counted, count()
        if counted != before:
            since = time.monotonic()


@pytest.mark.parametrize(("name", "number"), [("uvicorn", SIGINT), ("daphne", SIGTERM)])
def test_who_signals_twice_does_not_wait(tmp_path, name, number):
    with started(name, tmp_path, SERVERPROJECT_GRACE="60") as server:
        [export] = server.opened(1, EXPORT, FIRST_ITEM)
        [events] = server.opened(1, EVENTS, FIRST_EVENT)
        server.interrupt(number)
        assert rest(events) == b""
        assert all(process.is_running() for process in server.processes)
        server.interrupt(number)
        server.assert_gone()
        server.assert_closed()
        assert rest(export) is None


def test_what_comes_too_late_is_sent_away_if_it_is_a_stream(tmp_path):
    with started("uvicorn", tmp_path) as server:
        late = server.ask("/stopping/late/{}/", "late")
        ordinary = server.ask("/stopping/ordinary/{}/", "ordinary")
        eventually(lambda: len(server.happened("asked")) == 2, "both are asked for")
        server.interrupt(SIGTERM)
        answer = late.answer()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        answer = ordinary.answer()
        assert (answer.status, answer.content) == (200, b"answered")
        server.assert_gone()


# By hand, and while the code is changed.


@pytest.fixture
def watched(tmp_path):
    """A folder of Python, of which `change()` changes a file."""
    folder = tmp_path / "watched"
    folder.mkdir()
    (folder / "watched_settings.py").write_text(
        "from tests.serverproject.settings import *\nINSTALLED_APPS = ['daphne', *INSTALLED_APPS]\n"
    )
    return folder


RUNSERVER = f"django runserver {HOST}:PORT"


def developed(name, tmp_path, watched, command=RUNSERVER):
    """Starts a server that watches a folder."""
    if name == "uvicorn":
        command = f"{STOPPING_COMMANDS['uvicorn']} --reload --reload-dir {watched}"
    return started(
        name,
        tmp_path,
        command,
        PYTHONPATH=f"{ROOT}:{watched}",
        DJANGO_SETTINGS_MODULE="watched_settings",
    )


@pytest.mark.parametrize("name", ["uvicorn", "runserver"])
def test_open_streams_do_not_keep_a_server_from_reloading(tmp_path, watched, name):
    with developed(name, tmp_path, watched) as server:
        streams = [
            *server.opened(10, EVENTS, FIRST_EVENT),
            *server.opened(1, PLAIN_EVENTS, FIRST_EVENT),
            *server.opened(1, EXPORT, FIRST_ITEM),
        ]
        eventually(partial(is_gone, server, changing(watched)), "the old process is gone")
        ends = [rest(answer) for answer in streams]
        if name == "uvicorn":  # runserver ends the process without asking.
            assert None not in ends[:-1]
            server.assert_closed()
        assert ends[-1] is None
        eventually(lambda: pid(server) not in (None, server.worker.pid), "a new one answers")
        server.opened(1, EVENTS, FIRST_EVENT)


def changing(watched):
    """Changes a file, and again every few seconds: Django's reloader does not see what is changed
    before it has looked for the first time.
    """
    while True:
        with (watched / "watched_settings.py").open("a") as file:
            file.write("# changed\n")
        sees_it_until = time.monotonic() + 4
        while time.monotonic() < sees_it_until:
            yield


def is_gone(server, changes):
    next(changes)
    return not server.worker.is_running()


def pid(server):
    """Returns that of the process which answers, if one does."""
    try:
        return int(server.get("/pid/").text)
    except httpx.TransportError:
        return None


@pytest.mark.parametrize("command", [RUNSERVER, f"{RUNSERVER} --noreload"])
def test_ctrl_c_ends_runserver(tmp_path, watched, command):
    with developed("runserver", tmp_path, watched, command) as server:
        events = server.opened(10, EVENTS, FIRST_EVENT)
        export = server.opened(1, EXPORT, FIRST_ITEM)
        server.press_ctrl_c()
        server.assert_gone()
        if "--noreload" in command:
            assert [rest(answer) for answer in events] == [b""] * 10
            server.assert_closed()
        assert rest(*export) is None


def test_ctrl_c_ends_uvicorn(tmp_path):
    with started("uvicorn", tmp_path) as server:
        events = server.opened(10, EVENTS, FIRST_EVENT)
        server.press_ctrl_c()
        assert [rest(answer) for answer in events] == [b""] * 10
        server.assert_gone()
        server.assert_closed()


def test_a_router_of_channels_changes_nothing(tmp_path, watched):
    (watched / "routed.py").write_text(
        "from django_streams.asgi import get_asgi_application\n"
        "from channels.routing import ProtocolTypeRouter\n"
        "application = ProtocolTypeRouter({'http': get_asgi_application()})\n"
    )
    command = STOPPING_COMMANDS["uvicorn"].replace(ASGI, "routed:application")
    command = command.replace("--lifespan on", "--lifespan auto")
    with started("uvicorn", tmp_path, command, PYTHONPATH=f"{ROOT}:{watched}") as server:
        events = server.opened(10, EVENTS, FIRST_EVENT)
        server.interrupt(SIGTERM)
        assert [rest(answer) for answer in events] == [b""] * 10
        server.assert_gone()
        server.assert_closed()
