"""A number that goes up and down, and tells those who watch it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager


class Gauge:
    """How many blocks run under `counting()`. Belongs to one event loop, and so to one process."""

    def __init__(self) -> None:
        self.value = 0
        self._watchers: set[asyncio.Event] = set()

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
        self._watchers.add(changed)
        try:
            while True:
                changed.clear()
                yield self.value
                await changed.wait()
        finally:
            self._watchers.discard(changed)

    def _add(self, step: int) -> None:
        self.value += step
        for changed in self._watchers:
            changed.set()
