"""What is soaked: a stream of each kind, and a view that tells what the process holds.

`SOAK_LEAKS`, in the environment, names what some streams are to leave behind: so the soak can show
that it would notice.
"""

import asyncio
import ctypes
import gc
import logging
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from django.conf import settings
from django.core.files.storage import default_storage
from django.http import JsonResponse
from django.urls import path

from django_streams import (
    JSONL,
    EventStreamView,
    FileStreamView,
    StreamView,
    UploadView,
    body_stream,
    open_streams,
)
from django_streams.asgi import get_asgi_application

from . import FILE_BYTES, LINES

FOLDER = Path(tempfile.gettempdir())
FILE = FOLDER / "file"
PACE = 0.02
POOL_SIZE = 4

settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["django_streams"],
    MEDIA_ROOT=FOLDER / "media",
    MIDDLEWARE=[
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="soak",
    STREAMS={"HEARTBEAT": 0.1},
)


class Events(EventStreamView):
    async def stream(self):
        leak()
        while True:
            yield {"at": time.time()}
            await asyncio.sleep(PACE)


class Silence(EventStreamView):
    """Says nothing: only heartbeats, and the client's leaving, happen to it."""

    async def stream(self):
        await asyncio.Event().wait()
        yield


class Flood(StreamView):
    """As fast as it goes: a client that stalls fills every buffer."""

    async def stream(self):
        while True:
            yield "x" * 1000


class Lines(StreamView):
    """Items that end, or fail midway if the client wishes it."""

    format = JSONL

    async def stream(self):
        leak()
        for number in range(LINES):
            if number % 50 == 0:
                await asyncio.sleep(0)
            yield {"number": number, "name": "x" * 50}
        if "fail" in self.request.GET:
            raise LookupError("as the client wished")


class LinesOfThread(StreamView):
    format = JSONL

    def stream(self):
        for number in range(LINES):
            if number % 50 == 0:
                time.sleep(PACE)
            yield {"number": number, "name": "x" * 50}
        if "fail" in self.request.GET:
            raise LookupError("as the client wished")


class File(FileStreamView):
    def get_file(self):
        return FILE


class Save(UploadView):
    def file_saved(self, file, name):
        default_storage.delete(name)


@body_stream(max_size=None)
async def count(request):
    size = 0
    async for chunk in request.body_stream:
        size += len(chunk)
    return JsonResponse({"size": size})


# What the process holds.


async def held(request):
    """Tells it; the request itself is part of it.

    What is garbage has been collected by then, and what the allocator had kept of it given back.
    """
    gc.collect()
    if trim:
        trim(0)
    process = psutil.Process()
    return JsonResponse(
        {
            "streams": sum(open_streams().values()),
            "tasks": len(asyncio.all_tasks()),
            "threads": process.num_threads(),
            "files": process.num_fds(),
            "objects": len(gc.get_objects()),
            "memory": process.memory_info().rss,
        }
    )


trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""Of glibc; elsewhere the soak allows for more noise by itself."""

LEAKS = os.environ.get("SOAK_LEAKS", "").split()
leaked = []


def leak():
    if "tasks" in LEAKS:
        leaked.append(asyncio.get_running_loop().create_task(asyncio.Event().wait()))
    if "threads" in LEAKS:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    if "files" in LEAKS:
        leaked.append(FILE.open("rb"))
    if "objects" in LEAKS:
        leaked.append([[] for _ in range(1000)])
    if "memory" in LEAKS:
        leaked.append(b"x" * 2**20)


urlpatterns = [
    path("events/", Events.as_view()),
    path("silence/", Silence.as_view()),
    path("flood/", Flood.as_view()),
    path("lines/", Lines.as_view()),
    path("lines-of-thread/", LinesOfThread.as_view()),
    path("file/", File.as_view()),
    path("save/", Save.as_view()),
    path("count/", count),
    path("held/", held),
]
# What uvicorn says of a body that is broken off, as those are that fail on purpose.
logging.getLogger("uvicorn.error").addFilter(
    lambda record: "returned without completing" not in record.getMessage()
)
FILE.write_bytes(os.urandom(1000) * (FILE_BYTES // 1000))


streaming = get_asgi_application()


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await fill_pool()
    await streaming(scope, receive, send)


async def fill_pool():
    """Gives the loop a pool whose threads have all begun.

    Its own has more, the more cores there are, and begins one whenever none is idle: perhaps after
    the warm-up.
    """
    pool = ThreadPoolExecutor(POOL_SIZE)
    all_begun = threading.Barrier(POOL_SIZE)
    asyncio.get_running_loop().set_default_executor(pool)
    await asyncio.gather(*(asyncio.to_thread(all_begun.wait) for _ in range(POOL_SIZE)))
