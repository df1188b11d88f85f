"""What happened to each stream of this process, and the signals that its sources wait for.

A test cannot look into a server's process. It reads the journal through a view, and it lets a
source go on through another one, so nothing has to sleep and hope. Times are of the monotonic
clock, which all processes of a machine share.
"""

import asyncio
import os
import threading
from collections import defaultdict
from contextlib import contextmanager, suppress
from time import monotonic

PATIENCE = 120
"""Seconds after which a source stops waiting: longer than any test does."""

entries = defaultdict(list)
"""What happened to each stream, by its name: pairs of what and when."""

produced = defaultdict(int)
"""How many bytes the source of each stream has made."""


file = os.environ.get("SERVERPROJECT_JOURNAL")
"""Where a test that outlives the process reads on; several workers may write there."""


def note(name, what):
    entries[name].append((what, monotonic()))
    if file:
        with open(file, "a") as lines:
            lines.write(f"{name} {what}\n")


@contextmanager
def recorded(name):
    """Stands around the whole of a source."""
    note(name, "begun")
    try:
        yield
    finally:
        note(name, "closed")


class Signal:
    """What a client tells a source, whatever thread or event loop that runs in."""

    def __init__(self):
        self._is_given = threading.Event()
        self._lock = threading.Lock()
        self._waiting = []

    def give(self):
        with self._lock:
            self._is_given.set()
            waiting, self._waiting = self._waiting, []
        for future in waiting:
            with suppress(RuntimeError):  # Its loop is closed, and nobody waits there any more.
                future.get_loop().call_soon_threadsafe(_resolve, future)

    def wait(self):
        if not self._is_given.wait(PATIENCE):
            raise TimeoutError("no client gave the signal")

    async def arrives(self):
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._is_given.is_set():
                return
            self._waiting.append(future)
        async with asyncio.timeout(PATIENCE):
            await future


def _resolve(future):
    if not future.done():
        future.set_result(None)


signals = defaultdict(Signal)
