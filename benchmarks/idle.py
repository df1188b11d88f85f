"""Streams on which nothing happens, 10,000 of them on one process: what they hold, whether all of
them beat, and how long an ordinary request takes beside them.
"""

import json
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.request import urlopen

import psutil

from .contestants import HEARTBEAT
from .races import met
from .serving import allow_many_files, served

STREAMS = 10_000
WARM_UP = 100
"""Streams that are opened and closed before memory is looked at: what a process needs for the first
of them is not the price of the others."""

TURN_SECONDS = 2 * HEARTBEAT
PAUSE = 0.02
TARGET = 0.05
CONTESTANTS = ("ours", "django", "raw")


def run(rounds):
    allow_many_files(STREAMS)
    print(f"\n/idle/  {STREAMS} open streams, on uvicorn, {rounds} rounds of {TURN_SECONDS} s")
    for name in CONTESTANTS:
        with served(name) as server:
            with crowd(server, WARM_UP):
                pass
            process = psutil.Process(server.pid)
            alone = _ordinary_requests(server.port) if name == "ours" else []
            before = process.memory_info().rss
            with crowd(server, STREAMS) as clients:
                each = (process.memory_info().rss - before) / STREAMS
                print(
                    f"  {name:8} {each / 1024:6.1f} KiB each, opened in {clients.opened:.1f} s, "
                    f"{process.num_threads()} threads"
                )
                if name == "ours":
                    print(f"    {'a request, without':22} {_shown(alone)}")
                    _report_turns(server, process, clients, rounds)
                    _freeze(server.port)
                    print("  the same after gc.freeze()")
                    _report_turns(server, process, clients, rounds)


class Clients:
    """A crowd, in a process of its own."""

    def __init__(self, process):
        self._process = process
        self.opened = self._heard()["opened"]

    def end_turn(self):
        """Returns the fewest and the most beats of a stream since the turn before."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        beats = self._heard()
        return beats["fewest"], beats["most"]

    def _heard(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the crowd has gone, and says above why")
        return json.loads(line)


@contextmanager
def crowd(server, count):
    """Opens so many streams; leaving the block closes them."""
    command = [sys.executable, "-m", "benchmarks.crowd", str(server.port), "/idle/", str(count)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:  # Which closes its input, its sign to go.
        yield Clients(process)


def _report_turns(server, process, clients, rounds):
    """Prints what happened in some turns of the crowd."""
    clients.end_turn()
    process.cpu_percent()
    seconds, beats = [], []
    for _ in range(rounds):
        seconds += _ordinary_requests(server.port)
        beats.append(clients.end_turn())
    expected = TURN_SECONDS // HEARTBEAT
    fewest, most = min(low for low, _ in beats), max(high for _, high in beats)
    print(f"    {'beats of a stream':22} {fewest} to {most} a round, of {expected}")
    print(f"    {'processor':22} {process.cpu_percent():.0f} %")
    print(f"    {'a request, beside them':22} {_shown(seconds)}")
    print(f"    {'max below 50 ms':22} {met(max(seconds) < TARGET)}")
    print(f"    {'all have beaten':22} {met(fewest >= expected - 1)}")


def _freeze(port):
    with urlopen(f"http://127.0.0.1:{port}/freeze/") as answer:
        answer.read()


def _shown(seconds):
    milliseconds = [each * 1e3 for each in seconds]
    median, rare = statistics.median(milliseconds), statistics.quantiles(milliseconds, n=100)[98]
    worst = max(milliseconds)
    return f"median {median:.2f}, 99 % {rare:.2f}, max {worst:.2f} ms, of {len(seconds)}"


def _ordinary_requests(port):
    """Asks now and then for as long as a turn lasts; returns the seconds that each answer took."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    ends, seconds = time.monotonic() + TURN_SECONDS, []
    while time.monotonic() < ends:
        started = time.perf_counter()
        connection.request("GET", "/ordinary/")
        connection.getresponse().read()
        seconds.append(time.perf_counter() - started)
        time.sleep(PAUSE)
    connection.close()
    return seconds
