"""`Shutdown`: in front of whose handlers it listens, and whom it tells."""

import asyncio
import functools
import logging
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
import uvloop

from django_streams.lifetime.shutdown import Shutdown

from .servers import PATIENCE, ROOT

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Member:
    """Counts how often it is told, and in which loop."""

    def __init__(self):
        self.told = []
        self.is_told = threading.Event()

    def shut_down(self):
        self.told.append(asyncio.get_running_loop())
        self.is_told.set()


class Server:
    """Has a handler, as servers do."""

    def __init__(self, *, module=__name__):
        self.heard = []
        self.handler = functools.partial(self.handle)
        self.handler.__module__ = module

    def handle(self, number, frame):
        self.heard.append(number)


@pytest.fixture
def shutdown():
    """A listener of its own; the handlers are put back after the test."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield Shutdown()
    for number, handler in before.items():
        signal.signal(number, handler)


@contextmanager
def member(shutdown):
    """Lets a member hear in a loop of another thread."""
    ready, over = threading.Event(), threading.Event()
    heard = Member()

    async def live():
        shutdown.add(heard)
        ready.set()
        await asyncio.to_thread(over.wait, PATIENCE)
        shutdown.remove(heard)

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield heard
    finally:
        over.set()
        thread.join(PATIENCE)


@pytest.mark.parametrize("number", SIGNALS)
def test_it_listens_in_front_of_the_server(shutdown, number):
    server = Server()
    signal.signal(number, server.handler)
    with member(shutdown) as first, member(shutdown) as second:
        shutdown.listen()
        signal.raise_signal(number)
        assert first.is_told.wait(PATIENCE)
        assert second.is_told.wait(PATIENCE)
    assert server.heard == [number]
    assert shutdown.has_begun
    assert first.told != second.told, "each is told in its own loop"


def test_what_is_put_in_front_once_is_not_put_there_again(shutdown):
    signal.signal(signal.SIGTERM, Server().handler)
    shutdown.listen()
    ours = signal.getsignal(signal.SIGTERM)
    shutdown.listen()
    assert signal.getsignal(signal.SIGTERM) is ours


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler])
def test_what_no_server_has_installed_is_left_alone(shutdown, handler):
    for number in SIGNALS:
        signal.signal(number, handler)
    shutdown.listen()
    assert [signal.getsignal(number) for number in SIGNALS] == [handler, handler]


def test_a_handler_that_python_does_not_know_is_left_alone(shutdown, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(signal, "getsignal", lambda number: None)
        patch.setattr(signal, "signal", None)
        shutdown.listen()


def test_the_ctrl_c_of_asyncio_run_is_left_alone(shutdown):
    async def listen():
        before = signal.getsignal(signal.SIGINT)
        assert before is not signal.default_int_handler
        shutdown.listen()
        return signal.getsignal(signal.SIGINT) is before

    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert asyncio.run(listen())


def test_of_two_servers_each_hears_what_it_would_have_heard(shutdown):
    """The inner one ends, and restores what it has found: our handler, in front of the outer's."""
    outer, inner = Server(), Server()
    signal.signal(signal.SIGTERM, outer.handler)
    shutdown.listen()
    found = signal.signal(signal.SIGTERM, inner.handler)
    shutdown.listen()
    signal.raise_signal(signal.SIGTERM)
    assert (len(inner.heard), len(outer.heard)) == (1, 0)
    signal.signal(signal.SIGTERM, found)
    signal.raise_signal(signal.SIGTERM)
    assert (len(inner.heard), len(outer.heard)) == (1, 1)


def test_the_members_are_told_once_and_the_server_each_time(shutdown):
    server = Server()
    signal.signal(signal.SIGTERM, server.handler)
    with member(shutdown) as heard:
        shutdown.listen()
        signal.raise_signal(signal.SIGTERM)
        assert heard.is_told.wait(PATIENCE)
        signal.raise_signal(signal.SIGTERM)
    assert (len(heard.told), len(server.heard)) == (1, 2)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_handlers_of_a_loop_are_called_too(shutdown, new_loop):
    async def serve():
        heard, member = asyncio.Event(), Member()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, heard.set)
        shutdown.add(member)
        shutdown.listen()
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await heard.wait()
        await asyncio.sleep(0)  # Both were called for: the order is the loop's.
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        return member.told

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(serve()) == [runner.get_loop()]


def test_twisted_hears_when_the_streams_have_ended(shutdown):
    reactor = Server(module="twisted.internet.base")
    signal.signal(signal.SIGTERM, reactor.handler)
    with member(shutdown) as heard:
        shutdown.listen()
        signal.raise_signal(signal.SIGTERM)
        assert heard.is_told.wait(PATIENCE)
        assert not reactor.heard
    assert reactor.heard == [signal.SIGTERM]


def test_twisted_hears_at_once_if_no_loop_runs_any_more(shutdown):
    reactor = Server(module="twisted.internet.base")
    signal.signal(signal.SIGTERM, reactor.handler)
    shutdown.listen()

    async def live():
        shutdown.add(Member())  # And is never removed.

    asyncio.run(live())
    signal.raise_signal(signal.SIGTERM)
    assert reactor.heard == [signal.SIGTERM]


async def test_who_comes_during_the_shutdown_is_told_at_once(shutdown):
    shutdown.begin()
    late = Member()
    shutdown.add(late)
    assert late.told == [asyncio.get_running_loop()]


async def test_who_has_left_is_not_told(shutdown):
    heard, left = Member(), Member()
    shutdown.add(heard)
    shutdown.add(left)
    shutdown.remove(left)
    shutdown.begin()
    while not heard.told:
        await asyncio.sleep(0)
    assert not left.told


def test_outside_the_main_thread_it_does_nothing_and_says_so_once(shutdown, caplog):
    server = Server()
    signal.signal(signal.SIGTERM, server.handler)

    def listen():
        shutdown.listen()
        shutdown.listen()

    with caplog.at_level(logging.WARNING, "django_streams"):
        thread = threading.Thread(target=listen)
        thread.start()
        thread.join(PATIENCE)
    assert signal.getsignal(signal.SIGTERM) is server.handler
    [record] = caplog.records
    assert "outside the main thread" in record.getMessage()


def test_other_threads_say_nothing_if_the_main_thread_listens(shutdown, caplog):
    signal.signal(signal.SIGTERM, Server().handler)
    shutdown.listen()
    thread = threading.Thread(target=shutdown.listen)
    thread.start()
    thread.join(PATIENCE)
    assert not caplog.records


PATIENT = """
import asyncio

import pytest
from django.urls import path

from django_streams import EventStreamView
from django_streams.testing import StreamClient

pytestmark = pytest.mark.urls(__name__)


class Waiting(EventStreamView):
    async def stream(self):
        yield "1"
        await asyncio.Event().wait()


urlpatterns = [path("waiting/", Waiting.as_view())]


async def test_that_waits():
    async with StreamClient().stream("GET", "/waiting/") as stream:
        await stream.event()
        print("open", flush=True)
        await asyncio.Event().wait()
"""


def test_ctrl_c_stops_pytest_though_a_stream_is_open(tmp_path):
    file = tmp_path / "test_patient.py"
    file.write_text(PATIENT)
    command = f"-m pytest {file} -s -p no:cacheprovider --rootdir {ROOT} -c {ROOT}/pyproject.toml"
    process = subprocess.Popen(
        [sys.executable, *command.split(), "--ds=tests.settings"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            said = iter(process.stdout.readline, "")
            assert any(line.endswith("open\n") for line in said)
            process.send_signal(signal.SIGINT)
            assert "KeyboardInterrupt" in process.communicate(timeout=PATIENCE)[0]
            assert process.returncode == pytest.ExitCode.INTERRUPTED
        finally:
            process.kill()
