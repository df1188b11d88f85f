"""Streams that are told, and tell, by files: for servers of which each process answers one request
at a time, and for those that are killed.

Each stream has a log, `<name>.log`, and waits after its item n for the file `<name>.<n>`.
"""

import asyncio
import os
import time
from contextlib import contextmanager
from pathlib import Path

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.utils import timezone, translation

from django_streams import JSONL, EventStreamView, Spawn, StreamView
from tests.kennel.models import Dog

from .journal import PATIENCE
from .views import PACE

FOLDER = Path(os.environ["SERVERPROJECT_DATABASE"]).parent / "told"
ITEMS = 3
FOREVER = 10**9


def log(name, what):
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.log").open("a") as file:
        file.write(f"{what}\n")


@contextmanager
def logged(name):
    """Stands around the whole of a source."""
    log(name, "begun")
    try:
        yield
    finally:
        log(name, "closed")


def is_told(name, n):
    return (FOLDER / f"{name}.{n}").exists()


def wait(name, n):
    ends = time.monotonic() + PATIENCE
    while not is_told(name, n):
        assert time.monotonic() < ends
        time.sleep(PACE)


async def arrives(name, n):
    async with asyncio.timeout(PATIENCE):
        while not is_told(name, n):
            await asyncio.sleep(PACE)


async def count(name, how):
    """Yields one number after the other.

    `how`: "told"; "late", which waits before the first, too; "failing" after two; "on-and-on".
    """
    with logged(name):
        if how == "late":
            await arrives(name, 0)
        for n in range(1, FOREVER if how == "on-and-on" else ITEMS + 1):
            yield n
            await (asyncio.sleep(PACE) if how == "on-and-on" else arrives(name, n))
            if how == "failing" and n == 2:
                raise RuntimeError(f"{name} failed")


def count_plainly(name, how):
    with logged(name):
        if how == "late":
            wait(name, 0)
        for n in range(1, FOREVER if how == "on-and-on" else ITEMS + 1):
            yield n
            if how == "on-and-on":
                time.sleep(PACE)
            else:
                wait(name, n)
            if how == "failing" and n == 2:
                raise RuntimeError(f"{name} failed")


class CountedDogs(QuerySet):
    """A query set whose rows are dogs, and whose iteration is that of `count_plainly`."""

    name = how = ""

    def iterator(self, chunk_size=None):
        numbers = count_plainly(self.name, self.how)
        try:
            for n in numbers:
                dog = super().get(pk=1)
                dog.name = n
                yield dog
        finally:
            numbers.close()


class Told:
    """One view for every kind of source."""

    def stream(self):
        name, how = self.kwargs["name"], self.kwargs["how"]
        return getattr(self, f"get_{self.kwargs['kind'].replace('-', '_')}")(name, how)

    def get_async(self, name, how):
        return count(name, how)

    def get_plain(self, name, how):
        return count_plainly(name, how)

    def get_query_set(self, name, how):
        dogs = CountedDogs(Dog)
        dogs.name, dogs.how = name, how
        return dogs

    def get_spawn(self, name, how):
        async def produce(send):
            async for n in count(name, how):
                await send(n)

        return Spawn(produce)

    async def get_coroutine(self, name, how):
        await Dog.objects.acount()
        return count(name, how)

    def to_item(self, value):
        return value.name if isinstance(value, Dog) else value


class ToldLines(Told, StreamView):
    format = JSONL


class ToldEvents(Told, EventStreamView):
    heartbeat = None


class Idle(EventStreamView):
    """Says nothing at all; its heart beats."""

    heartbeat = 0.05

    async def stream(self):
        with logged(self.kwargs["name"]):
            await arrives(self.kwargs["name"], 1)
            yield "never"


class Where(StreamView):
    """Tells the language and the time zone in which it runs, here and where the ORM does."""

    format = JSONL

    def get(self, request, **kwargs):
        # As LocaleMiddleware does, which also leaves it to the next request.
        translation.activate(request.GET["language"])
        timezone.activate(request.GET["zone"])
        return super().get(request, **kwargs)

    def stream(self):
        kind = self.kwargs["kind"]
        return self.plainly() if kind == "plain" else self.asynchronously()

    async def asynchronously(self):
        name = self.kwargs["name"]
        with logged(name):
            yield [where(), await sync_to_async(where)(), (await Dog.objects.aget(pk=1)).name]
            await arrives(name, 1)
            async for dog in Dog.objects.filter(pk=1).aiterator():
                yield dog.name

    def plainly(self):
        name = self.kwargs["name"]
        with logged(name):
            yield [where(), where(), Dog.objects.get(pk=1).name]
            wait(name, 1)
            for dog in Dog.objects.filter(pk=1).iterator():
                yield dog.name


def where():
    return [translation.get_language(), timezone.get_current_timezone_name()]
