"""`release`: the thread and the connections of a request are let go."""

import asyncio
import threading
from collections.abc import MutableMapping
from importlib import import_module

import pytest
from asgiref.sync import (
    AsyncToSync,
    SyncToAsync,
    ThreadSensitiveContext,
    async_to_sync,
    sync_to_async,
)
from django.db import connection, connections, transaction
from django.test import TestCase

from django_streams import BodyStreamMixin, StreamView
from django_streams.release import abandon_thread, let_go, release
from tests.kennel.models import Dog

pytestmark = pytest.mark.django_db(transaction=True)


def test_asgiref_keeps_the_executors_where_they_are_taken_from():
    """The guard: where this fails, connections are closed but threads no longer end."""
    assert isinstance(SyncToAsync.context_to_thread_executor, MutableMapping)
    assert SyncToAsync.thread_sensitive_context.get(None) is None


async def test_asgiref_says_which_thread_waits_where_it_is_looked_for():
    """The guard: where this fails, a thread that waits may be ended as soon as it is done."""

    async def waits():
        return getattr(AsyncToSync.executors, "current", None) is not None

    async with ThreadSensitiveContext():
        assert not await waits()
        assert await sync_to_async(async_to_sync(waits))()
        assert not await waits()


@pytest.fixture(params=[let_go, release], ids=["let_go", "release"])
def letting_go(request):
    return request.param


@pytest.mark.parametrize("cls", [StreamView, BodyStreamMixin])
async def test_views_have_it_too(cls):
    async with ThreadSensitiveContext():
        opened = await sync_to_async(open_connection)()
        await cls().release()
        assert opened.connection is None


async def test_the_thread_ends_and_its_connection_is_closed(letting_go):
    async with ThreadSensitiveContext():
        thread = await sync_to_async(threading.current_thread)()
        opened = await sync_to_async(open_connection)()
        assert opened.connection is not None
        await letting_go()
        await asyncio.to_thread(thread.join, 5)
        assert not thread.is_alive()
        assert opened.connection is None


def open_connection():
    list(Dog.objects.all())
    return connections["default"]


async def test_synchronous_code_after_it_gets_a_new_thread(letting_go):
    async with ThreadSensitiveContext():
        before = await sync_to_async(threading.current_thread)()
        await letting_go()
        after = await sync_to_async(threading.current_thread)()
        assert after is not before
        assert await sync_to_async(Dog.objects.count)() == 0
        await release()


async def test_a_request_without_a_thread_has_nothing_to_release(letting_go):
    async with ThreadSensitiveContext():
        await letting_go()
        abandon_thread()
        assert SyncToAsync.thread_sensitive_context.get() not in (
            SyncToAsync.context_to_thread_executor
        )
    await letting_go()
    abandon_thread()


async def test_a_thread_that_waits_keeps_itself_but_not_its_connection(letting_go):
    """As that of a synchronous middleware."""

    async def inner():
        opened = await sync_to_async(open_connection)()
        await letting_go()
        abandon_thread()
        assert opened.connection is None
        assert await sync_to_async(threading.current_thread)() is thread
        assert await Dog.objects.acount() == 0

    async with ThreadSensitiveContext():
        thread = await sync_to_async(threading.current_thread)()
        await sync_to_async(async_to_sync(inner))()
        assert await sync_to_async(threading.current_thread)() is thread
        await let_go()


async def test_a_thread_that_somebody_has_lent_is_left_to_its_owner(letting_go, monkeypatch):
    async with ThreadSensitiveContext() as context:
        thread = await sync_to_async(threading.current_thread)()
        opened = await sync_to_async(open_connection)()
        executor = SyncToAsync.context_to_thread_executor[context]
        with monkeypatch.context() as patch:
            # As asgiref 3.13 remembers one that it is given.
            patch.setattr(context, "_executor", executor, raising=False)
            await letting_go()
            abandon_thread()
        assert opened.connection is None
        assert await sync_to_async(threading.current_thread)() is thread
        await let_go()


@pytest.mark.parametrize("missing", ["context_to_thread_executor", "thread_sensitive_context"])
async def test_without_the_executors_the_connections_are_closed_still(
    missing, letting_go, monkeypatch
):
    async with ThreadSensitiveContext():
        opened = await sync_to_async(open_connection)()
        # asgiref itself needs the attribute to find the thread: stand in for a version that keeps
        # it elsewhere.
        standing_in = stand_in(SyncToAsync.context_to_thread_executor)
        with monkeypatch.context() as patch:
            patch.delattr(SyncToAsync, missing)
            patch.setattr(import_module("django_streams.release"), "sync_to_async", standing_in)
            await letting_go()
            abandon_thread()
        assert opened.connection is None
        await let_go()


def stand_in(executors):
    context = SyncToAsync.thread_sensitive_context.get()

    def wrap(function):
        async def run():
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(executors[context], function)

        return run

    return wrap


async def test_a_thread_that_does_not_come_back_is_left():
    stuck, go_on = threading.Event(), threading.Event()

    def block():
        stuck.set()
        go_on.wait(5)

    async with ThreadSensitiveContext():
        blocked = asyncio.ensure_future(sync_to_async(block)())
        await asyncio.to_thread(stuck.wait, 5)
        abandon_thread()
        assert await sync_to_async(lambda: "free")() == "free"
    go_on.set()
    await blocked


# Under an iterator.

CHUNK = 10
"""Rows that the iterators of these tests fetch at once."""


@pytest.fixture
def dogs():
    """More than are fetched at once."""
    Dog.objects.bulk_create(Dog(name=str(n)) for n in range(3 * CHUNK))
    return Dog.objects.all()


async def test_a_connection_is_not_taken_from_an_iterator_that_has_rows_to_fetch(dogs):
    async with ThreadSensitiveContext():
        names = []
        async for dog in dogs.aiterator(chunk_size=CHUNK):
            names.append(dog.name)
            if len(names) == CHUNK + 1:
                with pytest.raises(RuntimeError, match=r"'default' under an aiterator\(\)"):
                    await release()
        assert names == [str(n) for n in range(3 * CHUNK)]  # It went on, as if nothing had been.
        await release()


async def test_an_iterator_that_has_fetched_its_last_rows_needs_no_connection(dogs):
    async with ThreadSensitiveContext():
        names = []
        async for dog in dogs.aiterator(chunk_size=3 * CHUNK + 1):
            await release()
            names.append(dog.name)
        assert len(names) == 3 * CHUNK


async def test_an_iterator_that_was_left_midway_is_over(dogs):
    async with ThreadSensitiveContext():
        async for _ in dogs.aiterator(chunk_size=CHUNK):
            break
        opened = await sync_to_async(lambda: connections["default"])()
        await release()
        assert opened.connection is None
        assert await dogs.acount() == 3 * CHUNK
        await release()


async def test_a_connection_that_is_broken_is_closed():
    async with ThreadSensitiveContext():
        opened = await sync_to_async(open_connection)()
        opened.connection.close()
        await release()
        assert opened.connection is None


class AtomicTests(TestCase):
    async def test_a_connection_in_an_atomic_block_is_left_alone(self):
        await Dog.objects.acreate(name="Rex")
        async with ThreadSensitiveContext():
            await let_go()
            await release()
        await release()
        assert await Dog.objects.acount() == 1

    async def test_an_iterator_in_an_atomic_block_is_left_alone(self):
        await Dog.objects.acreate(name="Rex")
        await Dog.objects.acreate(name="Rover")
        names = []
        async for dog in Dog.objects.aiterator(chunk_size=1):
            await release()
            names.append(dog.name)
        assert names == ["Rex", "Rover"]

    def test_close_connections_leaves_it_alone_too(self):
        from django_streams.release import close_connections

        with transaction.atomic():
            close_connections()
            assert connection.connection is not None
