"""The streams that the tests open, and the views through which they look into the process.

Every stream has a name, by which the journal tells what happened to it and a signal reaches it.
"""

import asyncio
import os
import time

from django.contrib.auth import authenticate, login
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from django_streams import FORMATS, DioxusMixin, EventStreamView, StreamView, release
from django_streams.metrics import StreamsCollector
from tests.kennel.models import Dog

from . import journal
from .journal import recorded, signals
from .wire import FRAME_SIZES, HOUNDS, Hound

PACE = 0.02
"""Seconds between two items of a source that goes on and on: long enough to leave the processor to
others, short against any promise that a test measures."""

LINE = "x" * 999 + "\n"
FLOOD_BYTES = 500_000_000

USERS = ("ada", "grace", "hedy")
PASSWORD = "correct horse"


# About the process and its streams.


async def pid(request):
    return HttpResponse(str(os.getpid()))


async def journal_of(request, name):
    return JsonResponse({"entries": journal.entries[name]})


async def produced(request, name):
    return HttpResponse(str(journal.produced[name]))


async def signal(request, name):
    signals[name].give()
    return HttpResponse("given")


def count_dogs(request):
    """An ordinary view that asks the database."""
    return HttpResponse(str(Dog.objects.count()))


def log_in(request):
    user = authenticate(request, username=request.GET["user"], password=PASSWORD)
    login(request, user)
    return HttpResponse(user.username)


registry = CollectorRegistry()
registry.register(StreamsCollector())


def metrics(request):
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


# Streams.


class Named:
    @property
    def name(self):
        return self.kwargs["name"]

    @property
    def signal(self):
        return signals[self.name]


class Steps(Named, StreamView):
    """Two items, of which the second waits for the client to have read the first."""

    async def stream(self):
        with recorded(self.name):
            yield "first"
            await self.signal.arrives()
            yield "second"


class PlainSteps(Named, StreamView):
    def stream(self):
        with recorded(self.name):
            yield "first"
            self.signal.wait()
            yield "second"


class RecordedDogs(QuerySet):
    """A query set that tells the journal when it is iterated and when that is over."""

    name = ""

    def iterator(self, chunk_size=None):
        with recorded(self.name):
            yield from super().iterator(chunk_size)


class QuerySetSteps(Named, StreamView):
    def stream(self):
        dogs = RecordedDogs(Dog).filter(name__in=["first", "second"])
        dogs.name = self.name
        return dogs

    def to_item(self, dog):
        if dog.name == "second":
            self.signal.wait()
        return dog.name


class Late(Named, StreamView):
    """Has nothing to say before the client gives its signal."""

    async def stream(self):
        with recorded(self.name):
            await self.signal.arrives()
            yield "first"


class Paced(Named, StreamView):
    """Says one thing, and waits."""

    async def stream(self):
        with recorded(self.name):
            yield "first"
            await self.signal.arrives()


class GoingOn(Named, StreamView):
    async def stream(self):
        with recorded(self.name):
            while True:
                yield "first"
                await asyncio.sleep(PACE)


class PlainPaced(Named, StreamView):
    """Goes on and on: nobody can interrupt a thread, so it comes back now and then."""

    def stream(self):
        with recorded(self.name):
            while True:
                yield "first"
                time.sleep(PACE)


class QuerySetPaced(Named, StreamView):
    def stream(self):
        dogs = RecordedDogs(Dog)
        dogs.name = self.name
        return dogs

    def to_item(self, dog):
        time.sleep(PACE)
        return dog.name


class Endless(Named, StreamView):
    """Never awaits."""

    async def stream(self):
        with recorded(self.name):
            while True:
                journal.produced[self.name] += 1
                yield "first"


class PlainEndless(Named, StreamView):
    def stream(self):
        with recorded(self.name):
            while True:
                journal.produced[self.name] += 1
                yield "first"


class Failing(Named, StreamView):
    """Raises after its second item, which it makes when the client has read the first."""

    async def stream(self):
        with recorded(self.name):
            yield "first"
            await self.signal.arrives()
            yield "second"
            raise RuntimeError(f"{self.name} failed")


class PlainFailing(Named, StreamView):
    def stream(self):
        with recorded(self.name):
            yield "first"
            self.signal.wait()
            yield "second"
            raise RuntimeError(f"{self.name} failed")


class MuchFailing(Named, StreamView):
    """Raises after more than all buffers on the way to the client hold."""

    async def stream(self):
        with recorded(self.name):
            for _ in range(20_000):
                journal.produced[self.name] += len(LINE)
                yield LINE
            raise RuntimeError(f"{self.name} failed")


class Missing(Named, StreamView):
    async def stream(self):
        with recorded(self.name):
            raise Http404("no such thing")
            yield


class VisitedMissing(Missing):
    """Sets a cookie while it decides, by way of the session."""

    def get(self, request, **kwargs):
        request.session["visited"] = True
        return super().get(request, **kwargs)


class Broken(Named, StreamView):
    async def stream(self):
        with recorded(self.name):
            raise RuntimeError(f"{self.name} failed")
            yield


class Flood(Named, StreamView):
    """Text, as fast as it goes, and all that it made is counted."""

    async def stream(self):
        with recorded(self.name):
            for _ in range(FLOOD_BYTES // len(LINE)):
                journal.produced[self.name] += len(LINE)
                yield LINE


class Frames(Named, DioxusMixin, StreamView):
    """Frames of any size, most of them ready together."""

    async def stream(self):
        with recorded(self.name):
            for size in FRAME_SIZES:
                yield "x" * size


class PlainFrames(Named, DioxusMixin, StreamView):
    def stream(self):
        with recorded(self.name):
            for size in FRAME_SIZES:
                yield "x" * size


class AnyFormat(Named, StreamView):
    """The same dogs in the format that the query names."""

    formats = FORMATS
    format_query_param = "format"
    item_type = Hound
    filename = "hounds"

    async def stream(self):
        with recorded(self.name):
            for hound in HOUNDS:
                yield hound


class Silent(Named, EventStreamView):
    """Never has anything to say."""

    async def stream(self):
        with recorded(self.name):
            await self.signal.arrives()
            yield "the end"


class Delegating(Named, EventStreamView):
    """Has a `stream()` that is no generator itself, and so is called in a thread."""

    def stream(self):
        return self.silence()

    async def silence(self):
        with recorded(self.name):
            await self.signal.arrives()
            yield "the end"


class Private(Named, LoginRequiredMixin, EventStreamView):
    async def stream(self):
        with recorded(self.name):
            yield self.request.user.username
            await self.signal.arrives()


class Released(Named, LoginRequiredMixin, EventStreamView):
    """Uses the ORM, lets go and waits; when it has its signal, it uses the ORM again."""

    async def stream(self):
        with recorded(self.name):
            yield f"{self.request.user.username} {await Dog.objects.acount()}"
            await self.release()
            await self.signal.arrives()
            yield "again"
            if "count" in self.request.GET:
                yield str(await Dog.objects.acount())


class ReleasedMidway(Named, StreamView):
    """Lets go while it iterates over rows, which it must not."""

    async def stream(self):
        with recorded(self.name):
            count = 0
            try:
                async for _ in Dog.objects.aiterator(chunk_size=1000):
                    count += 1
                    if count == 1500:
                        await self.release()
            except RuntimeError as error:
                yield f"{count} {error}"
            yield f" {await Dog.objects.acount()}"


async def plain_events(request, name):
    """The stream of `Private` for everybody, by Django alone.

    But for the thread, which Django would keep: its signal of a request that starts has taken one.
    """
    await release()

    async def stream():
        with recorded(name):
            yield "data: nobody\n\n"
            await signals[name].arrives()

    return StreamingHttpResponse(stream(), content_type="text/event-stream")
