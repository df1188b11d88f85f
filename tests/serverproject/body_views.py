"""The views that take the bodies which the tests send, and what looks into the process for them.

As of a stream, the journal tells of every body by the name in its path.
"""

import asyncio
import re
import threading
import zlib
from contextlib import contextmanager
from pathlib import Path

import django
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import RequestAborted
from django.http import HttpResponse, JsonResponse
from django.middleware.csrf import CsrfViewMiddleware, get_token
from django.views import View

import django_streams
from django_streams import BodyStreamMixin, BytesMixin, StreamView, UploadView, body_stream
from django_streams.body import patience, receiving

from . import journal
from .journal import note, recorded
from .views import PACE, Named
from .wire import Hound

APPLICATION = tuple(str(Path(package.__file__).parent) for package in (django, django_streams))
"""The folders of the code that an upload must leave nothing of."""

MAX_SIZE = 1_000_000
IDLE_SECONDS = 0.3
MIN_RATE = 1_000_000
GRACE_SECONDS = 0.3

receiving.GIVE_UP_SECONDS = 0.5
"""A minute is more than a test waits for."""


async def running(request):
    """Tells what runs in this process: which tasks in code of ours or Django's, and which threads.

    Without the threads of the event loop's own pool, which stay once they were needed.
    """
    tasks = [task.get_coro().__qualname__ for task in asyncio.all_tasks() if _is_application(task)]
    names = [re.sub(r"\d+", "N", thread.name) for thread in threading.enumerate()]
    threads = [name for name in names if name not in ("asyncio_N", "uvloop_N")]
    return JsonResponse({"tasks": sorted(tasks), "threads": sorted(threads)})


def _is_application(task):
    coroutine = task.get_coro()
    while hasattr(coroutine, "cr_await"):
        if coroutine.cr_code.co_filename.startswith(APPLICATION):
            return True
        coroutine = coroutine.cr_await
    return False


class SomeCsrfMiddleware(CsrfViewMiddleware):
    """Django's check, of the paths that have "csrf" in them: the other tests know no token."""

    def process_view(self, request, *args):
        if "/csrf/" not in request.path:
            return None
        return super().process_view(request, *args)


@contextmanager
def watched(name):
    """Stands around all that a view does, and tells how it ended if the client has left."""
    with recorded(name):
        try:
            yield
        except RequestAborted:
            note(name, "aborted")
            raise
        except asyncio.CancelledError:
            note(name, "cancelled")
            raise


class Sum:
    """Says of bytes how many they are, and what they are."""

    def __init__(self, name):
        self._name = name
        self._crc = 0
        self._size = 0

    def add(self, chunk):
        self._crc = zlib.crc32(chunk, self._crc)
        self._size += len(chunk)
        journal.produced[self._name] = self._size

    def answer(self):
        return JsonResponse({"size": self._size, "crc": self._crc})


class Reads(Named, BodyStreamMixin, View):
    """Reads chunk by chunk."""

    async def post(self, request, name):
        with watched(name):
            received = Sum(name)
            async for chunk in request.body_stream:
                received.add(chunk)
            return received.answer()


@body_stream(max_size=MAX_SIZE)
async def reads_function(request, name):
    with watched(name):
        received = Sum(name)
        async for chunk in request.body_stream:
            received.add(chunk)
        return received.answer()


class ReadsNothing(Named, BodyStreamMixin, View):
    """Answers without a look at the body."""

    async def post(self, request, name):
        with watched(name):
            return HttpResponse("unread")


class ReadsLate(Named, BodyStreamMixin, View):
    """Reads when the client has given its signal."""

    async def post(self, request, name):
        with watched(name):
            received = Sum(name)
            await self.signal.arrives()
            async for chunk in request.body_stream:
                received.add(chunk)
            return received.answer()


class ReadsAndPauses(Named, BodyStreamMixin, View):
    """Reads one chunk, and the others when the client has given its signal."""

    async def post(self, request, name):
        with watched(name):
            received = Sum(name)
            received.add(await anext(request.body_stream))
            await self.signal.arrives()
            async for chunk in request.body_stream:
                received.add(chunk)
            return received.answer()


class PrivateReadsAndPauses(LoginRequiredMixin, ReadsAndPauses):
    pass


class ReadsParts(Named, BodyStreamMixin, View):
    """Tells of every part."""

    async def post(self, request, name):
        with watched(name):
            parts = []
            async for part in request.body_stream.parts():
                received = Sum(name)
                async for chunk in part:
                    received.add(chunk)
                parts.append([part.name, part.filename, journal.produced[name]])
            return JsonResponse({"parts": parts})


class ReadsItems(Named, BodyStreamMixin, View):
    """Notes every item when it has come."""

    async def post(self, request, name):
        with watched(name):
            count = 0
            async for hound in request.body_stream.items(Hound):
                note(name, hound.name)
                count += 1
            return JsonResponse({"items": count})


class Dribbled(Reads):
    """Has a minimum of bytes per second that holds soon."""

    min_rate = MIN_RATE

    async def post(self, request, name):
        usual, patience.RATE_GRACE_SECONDS = patience.RATE_GRACE_SECONDS, GRACE_SECONDS
        try:
            return await super().post(request, name)
        finally:
            patience.RATE_GRACE_SECONDS = usual


class PrivateReads(LoginRequiredMixin, Reads):
    pass


class OwnMixinReads(Reads):
    """Has code around it that nobody knows, and so keeps its thread."""

    def dispatch(self, request, **kwargs):
        if not request.user.is_authenticated:
            return HttpResponse(status=403)
        return super().dispatch(request, **kwargs)


class Upload(Named, UploadView):
    """Saves in a folder of the test's own."""

    def get_name(self, file):
        self._storage = self.get_storage()
        return f"{self.name}/{super().get_name(file)}"

    async def post(self, request, name):
        with watched(name):
            request.body_stream.on_progress(self.count, seconds=0)
            return await super().post(request, name)

    async def count(self, body):
        journal.produced[self.name] = body.received


class PrivateUpload(LoginRequiredMixin, Upload):
    """Is run in a thread."""


def form(request):
    """Gives a client its token, in a cookie and to put into a form."""
    return HttpResponse(get_token(request))


class Echo(Named, BytesMixin, BodyStreamMixin, StreamView):
    """Sends back what comes, while it comes."""

    http_method_names = ["post"]

    async def stream(self):
        with watched(self.name):
            async for chunk in self.request.body_stream:
                yield chunk


class Deaf(Echo):
    """Reads one chunk and then no more, and waits."""

    async def stream(self):
        with watched(self.name):
            yield await anext(self.request.body_stream)
            await self.signal.arrives()


class DeafGoingOn(Echo):
    """Reads one chunk and then no more, but goes on sending."""

    async def stream(self):
        with watched(self.name):
            yield await anext(self.request.body_stream)
            signal = asyncio.ensure_future(self.signal.arrives())
            try:
                while not signal.done():
                    yield b"."
                    await asyncio.sleep(PACE)
            finally:
                signal.cancel()
