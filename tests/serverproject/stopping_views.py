"""The streams that are open when a server stops.

The process that could be asked for its journal is gone by then, so it is written to a file as well.
"""

import asyncio
import time

from django.http import HttpResponse

from django_streams import JSON_ARRAY, EventStreamView, StreamView
from django_streams.lifetime import shutdown

from . import journal
from .journal import note, recorded
from .views import LINE, PACE, Named

MUCH_BYTES = 20_000_000
"""More than fits between a server and a client that does not read."""


async def stopping():
    """Returns when the server has been told to stop."""
    while not shutdown.has_begun:
        await asyncio.sleep(PACE)


async def ordinary(request, name):
    """Is answered when the server stops."""
    note(name, "asked")
    await stopping()
    return HttpResponse("answered")


class Events(Named, EventStreamView):
    """Says one thing, and waits for ever."""

    async def stream(self):
        with recorded(self.name):
            yield "first"
            await asyncio.Event().wait()


class PlainEvents(Named, EventStreamView):
    """Keeps a thread, which nobody can interrupt: so it comes back now and then."""

    def stream(self):
        with recorded(self.name):
            while True:
                yield "first"
                time.sleep(PACE)


class MuchOfIt(Named):
    """Has more to say than fits between it and a client that does not read, and then waits."""

    async def stream(self):
        with recorded(self.name):
            for _ in range(MUCH_BYTES // len(LINE)):
                journal.produced[self.name] += len(LINE)
                yield LINE
            await asyncio.Event().wait()


class MuchExported(MuchOfIt, StreamView):
    format = JSON_ARRAY


class ManyEvents(MuchOfIt, EventStreamView):
    pass


class Late(Events):
    """Is decided upon when the server stops."""

    async def get(self, request, name):
        await ordinary(request, name)
        return super().get(request, name=name)


class Export(Named, StreamView):
    """Would go on for ever."""

    format = JSON_ARRAY

    async def stream(self):
        with recorded(self.name):
            while True:
                yield "first"
                await asyncio.sleep(PACE)


class Finishing(Named, StreamView):
    """Is nearly done when the server stops."""

    format = JSON_ARRAY

    async def stream(self):
        with recorded(self.name):
            yield "first"
            await self.shutting_down.wait()
            yield "last"
