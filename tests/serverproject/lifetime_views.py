"""Streams that may not last for as long as they like."""

import asyncio

from django.contrib.auth import logout
from django.contrib.auth.mixins import LoginRequiredMixin
from django.dispatch import receiver
from django.http import HttpResponse

from django_streams import JSONL, EventStreamView, StreamView, stream_finished

from . import journal
from .journal import recorded
from .views import LINE, PACE, Named, PlainPaced

SEND_TIMEOUT = 1
"""Longer than a busy machine keeps a client that reads from reading."""

REVALIDATE = 0.5


@receiver(stream_finished)
def note_ending(sender, stream, **kwargs):
    if getattr(sender, "__module__", "") == __name__:
        journal.note(stream.request.resolver_match.kwargs["name"], f"ended: {stream.ending}")


def log_out(request):
    logout(request)
    return HttpResponse("logged out")


class Flood(Named, StreamView):
    """More than the buffers of a connection take."""

    send_timeout = SEND_TIMEOUT

    async def stream(self):
        with recorded(self.name):
            while True:
                yield LINE * 10


class Watched(Named, LoginRequiredMixin, EventStreamView):
    revalidate = REVALIDATE

    async def stream(self):
        with recorded(self.name):
            while True:
                yield self.request.user.username
                await asyncio.sleep(PACE)


class WatchedInThread(LoginRequiredMixin, PlainPaced):
    format = JSONL
    revalidate = REVALIDATE


class One(Named, EventStreamView):
    """Of which there may be one."""

    max_streams = 1

    async def stream(self):
        with recorded(self.name):
            while True:
                yield "x"
                await asyncio.sleep(PACE)
