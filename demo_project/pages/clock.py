"""Clock: events with ids, a connection that is dropped, and a browser that resumes without a gap.

A tick is one second, and its id the number of that second since 1970: the server needs no memory of
what it has sent to go on after any of them.
"""

import asyncio
import itertools
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.urls import path
from django.views.decorators.http import require_POST
from django.views.generic import TemplateView

from django_streams import Event, EventStreamView

MAX_MISSED = 60
"""How many ticks are caught up on, at most; whoever was away for longer sees it by the ids."""


class ClockPage(TemplateView):
    template_name = "demo/clock.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        # Each page gets a connection of its own, which only this page can drop.
        return super().get_context_data(connection=uuid.uuid4(), **kwargs)


class Ticks(EventStreamView):
    retry = 3

    async def stream(self):
        now = int(time.time())
        yield Event.json({"now": now, "last_event_id": self.last_event_id}, event="opened")
        async with droppable(self.kwargs.get("connection")):
            for tick in itertools.count(first_tick(self.last_event_id, now)):
                # Not at all, if this one was missed.
                await asyncio.sleep(tick - time.time())
                time_of_day = datetime.fromtimestamp(tick, UTC)
                yield Event.json({"time": time_of_day}, id=str(tick), event="tick")


def first_tick(last_event_id: str, now: int) -> int:
    """Returns the tick to begin with: the one after the last that was seen, or else that of now."""
    try:
        following = int(last_event_id) + 1
    except ValueError:
        return now
    return min(max(following, now - MAX_MISSED), now + 1)


_deadlines: dict[UUID, asyncio.Timeout] = {}
"""The open connections that have a name; never more than there are open streams."""


@asynccontextmanager
async def droppable(connection: UUID | None) -> AsyncIterator[None]:
    """Runs its block until `drop` is asked to end the connection of that name."""
    if connection is None:
        yield
        return
    try:
        async with asyncio.timeout(None) as deadline:
            _deadlines[connection] = deadline
            try:
                yield
            finally:
                # The browser may be back before the server knows that it had left.
                if _deadlines[connection] is deadline:
                    del _deadlines[connection]
    except TimeoutError:
        if not deadline.expired():
            raise


@require_POST
async def drop(request: HttpRequest, connection: UUID) -> HttpResponse:
    """Ends a connection, as far as its browser can tell, like a network that fails."""
    deadline = _deadlines.get(connection)
    if deadline is None:
        return HttpResponseNotFound("This connection is not open.\n", content_type="text/plain")
    deadline.reschedule(asyncio.get_running_loop().time())
    return HttpResponse(status=204)


urlpatterns = [
    path("", ClockPage.as_view(), name="page"),
    path("ticks/", Ticks.as_view(), name="ticks"),
    path("ticks/<uuid:connection>/", Ticks.as_view(), name="ticks"),
    path("ticks/<uuid:connection>/drop/", drop, name="drop"),
]
