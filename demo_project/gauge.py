"""A number that goes up and down, and tells those who watch it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock


class Gauge:
    """How many blocks run under `counting()` in this process, in whichever threads."""

    def __init__(self) -> None:
        self.value = 0
        self._lock = Lock()
        self._watchers: set[Callable[[], object]] = set()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Counts for as long as its block runs."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    async def values(self) -> AsyncIterator[int]:
        """Yields the value: now, and each time it has changed. Who is slow sees only the last."""
        changed = asyncio.Event()
        tell = partial(asyncio.get_running_loop().call_soon_threadsafe, changed.set)
        with self._lock:
            self._watchers.add(tell)
        try:
            while True:
                changed.clear()
                yield self.value
                await changed.wait()
        finally:
            with self._lock:
                self._watchers.discard(tell)

    def _add(self, step: int) -> None:
        with self._lock:
            self.value += step
            for tell in self._watchers:
                tell()
