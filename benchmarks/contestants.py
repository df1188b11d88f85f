"""The same items, streamed in each way there is; every contestant is an ASGI application.

    ours          an EventStreamView that yields dicts
    django        a plain StreamingHttpResponse that encodes with msgspec, one event a chunk; with
                  DjangoJSONEncoder, one line a chunk; with csv.writer, as its documentation shows
    sse_starlette the EventSourceResponse of sse-starlette, encoding with msgspec
    raw           an ASGI application that joins 64 KiB a send: what the machine can do
    raw_single    an ASGI application that sends each event by itself

Each answers /ready/ (events that are there at once), /awaited/ (one real await per event), /first/
(a single event, then nothing) and /alone/ (now and then an event that tells when it was made);
ours and django /jsonl/ and /msgpack/ (dicts) and /csv/ (rows) too. To /count/ of ours, django and
raw a body can be sent, and to /save/ of the first two a form with a file; `receivers` has their
views. At /files/ the three send the files that somebody has put into a folder; `senders` has the
views. `ours_sliced` is ours with STREAMS["PATHSEND"] off. ours, django and raw answer /idle/, an
event stream without events, and the first two /ordinary/, a plain view; ours beats.
"""

import asyncio
import csv
import gc
import json
import os
import tempfile
import time
from pathlib import Path

import msgspec
from django.conf import settings
from django.http import HttpResponse

SAVED = "saved"  # A folder in the server's TMPDIR, as is that of the files to be sent.
FILES = Path(tempfile.gettempdir(), "files")
SLICE_BYTES = 2**20
EVENTS, DICTS, ROWS, ALONE = 200_000, 100_000, 1_000_000, 100
HEARTBEAT = 15
encode = msgspec.json.Encoder().encode

STREAMS = {}  # As the settings of the process have it.

settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["django_streams"],
    MEDIA_ROOT=Path(tempfile.gettempdir(), SAVED),
    ROOT_URLCONF=__name__,
    SECRET_KEY="benchmark",
    STREAMS=STREAMS,
)


def price(n):
    """A small event, as a ticker sends them."""
    return {"n": n, "symbol": "EURUSD", "bid": 1.0842, "ask": 1.0844, "at": 1763690000 + n}


async def ready():
    for n in range(EVENTS):
        yield price(n)


async def awaited():
    for n in range(EVENTS):
        await asyncio.sleep(0)
        yield price(n)


async def first():
    yield price(0)
    await asyncio.sleep(3600)


async def alone():
    for _ in range(ALONE):
        await asyncio.sleep(0.002)
        yield {"made_at": time.monotonic_ns()}


async def idle():
    await asyncio.sleep(3600)
    yield


async def dicts():
    for n in range(DICTS):
        yield price(n)


def rows():
    return ((n, "EURUSD", "1.0842", "1.0844", 1763690000 + n) for n in range(ROWS))


SOURCES = {"/ready/": ready, "/awaited/": awaited, "/first/": first, "/alone/": alone}


# Django, with this package and without it.


def ordinary(request):
    return HttpResponse("ordinary")


def freeze(request):
    """Has the garbage collector leave alone what is there: it looks at 10,000 streams for long."""
    gc.collect()
    gc.freeze()
    return HttpResponse("frozen")


def _ours():
    from django.urls import path

    from django_streams import CSV, JSONL, MSGPACK, EventStreamView, StreamView
    from django_streams.asgi import get_asgi_application

    from .receivers import ours_count, ours_save
    from .senders import ours_file

    def view(source, base=EventStreamView, **options):
        # The source itself is the method, as a user writes it.
        stream = staticmethod(source)
        return type("Prices", (base,), {"stream": stream, **options}).as_view()

    global urlpatterns
    urlpatterns = [
        *(path(url[1:], view(source)) for url, source in SOURCES.items()),
        path("jsonl/", view(dicts, StreamView, format=JSONL)),
        path("msgpack/", view(dicts, StreamView, format=MSGPACK)),
        path("csv/", view(rows, StreamView, format=CSV)),
        path("count/", ours_count),
        path("save/", ours_save),
        path("files/<name>", ours_file),
        path("idle/", view(idle, heartbeat=HEARTBEAT)),
        path("ordinary/", ordinary),
        path("freeze/", freeze),
    ]
    return get_asgi_application()


def _ours_sliced():
    STREAMS["PATHSEND"] = False
    return _ours()


def _django():
    from django.core.asgi import get_asgi_application
    from django.core.serializers.json import DjangoJSONEncoder
    from django.http import StreamingHttpResponse
    from django.urls import path

    from .receivers import django_count, django_save
    from .senders import django_file

    async def events(source):
        async for event in source():
            yield b"data: " + encode(event) + b"\n\n"

    def view(source):
        async def prices(request):
            return StreamingHttpResponse(events(source), content_type="text/event-stream")

        return prices

    async def lines():
        async for item in dicts():
            yield json.dumps(item, cls=DjangoJSONEncoder) + "\n"

    async def jsonl(request):
        return StreamingHttpResponse(lines(), content_type="application/jsonl")

    class Echo:
        def write(self, value):
            return value

    def export(request):
        writer = csv.writer(Echo())
        return StreamingHttpResponse(
            (writer.writerow(row) for row in rows()), content_type="text/csv"
        )

    global urlpatterns
    urlpatterns = [
        *(path(url[1:], view(source)) for url, source in SOURCES.items()),
        path("jsonl/", jsonl),
        path("msgpack/", jsonl),  # What MessagePack is compared with, too.
        path("csv/", export),
        path("count/", django_count),
        path("save/", django_save),
        path("files/<name>", django_file),
        path("idle/", view(idle)),
        path("ordinary/", ordinary),
    ]
    return get_asgi_application()


# Without Django.


def _sse_starlette():
    from sse_starlette import EventSourceResponse
    from starlette.applications import Starlette
    from starlette.routing import Route

    async def events(source):
        async for event in source():
            yield {"data": encode(event).decode()}

    def view(source):
        async def prices(request):
            return EventSourceResponse(events(source))

        return prices

    return Starlette(routes=[Route(url, view(source)) for url, source in SOURCES.items()])


HEADERS = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream")],
}


async def raw(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/count/":
        await raw_count(receive, send)
        return
    if scope["path"].startswith("/files/"):
        await raw_file(FILES / scope["path"].removeprefix("/files/"), send)
        return
    if scope["path"] == "/idle/":
        await send({**HEADERS})
        await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
        await receive()  # Its end, as the first has told that there is no body.
        await receive()
        return
    await send(HEADERS)
    chunks, size = [], 0
    async for event in SOURCES[scope["path"]]():
        chunk = b"data: " + encode(event) + b"\n\n"
        chunks.append(chunk)
        size += len(chunk)
        if size >= 64 * 1024:
            await send({"type": "http.response.body", "body": b"".join(chunks), "more_body": True})
            chunks.clear()
            size = 0
    await send({"type": "http.response.body", "body": b"".join(chunks)})


async def raw_count(receive, send):
    size, more_body = 0, True
    while more_body:
        message = await receive()
        size += len(message.get("body", b""))
        more_body = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b'{"size": %d}' % size})


async def raw_file(path, send):
    loop = asyncio.get_running_loop()
    with path.open("rb", buffering=0) as file:
        length = str(os.fstat(file.fileno()).st_size).encode()
        headers = [(b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while chunk := await loop.run_in_executor(None, file.read, SLICE_BYTES):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})


async def raw_single(scope, receive, send):
    if scope["type"] != "http":
        return
    await send(HEADERS)
    async for event in SOURCES[scope["path"]]():
        chunk = b"data: " + encode(event) + b"\n\n"
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})


def __getattr__(name):
    """Builds a contestant when its server asks for it: each process serves one."""
    builders = {
        "ours": _ours,
        "ours_sliced": _ours_sliced,
        "django": _django,
        "sse_starlette": _sse_starlette,
    }
    if name not in builders:
        raise AttributeError(name)
    return builders[name]()
