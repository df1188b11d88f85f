"""`release`: the thread and the connections of a request are let go."""

import asyncio
import threading
from collections.abc import MutableMapping

import pytest
from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.db import connection, connections, transaction
from django.test import TestCase

from django_streams.release import abandon_thread, release
from tests.kennel.models import Dog

pytestmark = pytest.mark.django_db(transaction=True)


def test_asgiref_keeps_the_executors_where_they_are_taken_from():
    """The guard: where this fails, `release` closes connections but no longer ends threads."""
    assert isinstance(SyncToAsync.context_to_thread_executor, MutableMapping)
    assert SyncToAsync.thread_sensitive_context.get(None) is None


async def test_the_thread_ends_and_its_connection_is_closed():
    async with ThreadSensitiveContext():
        thread = await sync_to_async(threading.current_thread)()
        opened = await sync_to_async(open_connection)()
        assert opened.connection is not None
        await release()
        await asyncio.to_thread(thread.join, 5)
        assert not thread.is_alive()
        assert opened.connection is None


def open_connection():
    list(Dog.objects.all())
    return connections["default"]


async def test_synchronous_code_after_it_gets_a_new_thread():
    async with ThreadSensitiveContext():
        before = await sync_to_async(threading.current_thread)()
        await release()
        after = await sync_to_async(threading.current_thread)()
        assert after is not before
        assert await sync_to_async(Dog.objects.count)() == 0
        await release()


async def test_a_request_without_a_thread_has_nothing_to_release():
    async with ThreadSensitiveContext():
        await release()
        abandon_thread()
    await release()
    abandon_thread()


async def test_without_the_executors_the_connections_are_closed_still(monkeypatch):
    async with ThreadSensitiveContext():
        opened = await sync_to_async(open_connection)()
        executors = SyncToAsync.context_to_thread_executor
        with monkeypatch.context() as patch:
            patch.delattr(SyncToAsync, "context_to_thread_executor")
            # asgiref itself needs the attribute to find the thread: stand in for a version that
            # keeps it elsewhere.
            patch.setattr("django_streams.release.sync_to_async", stand_in(executors))
            await release()
        assert opened.connection is None


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


class AtomicTests(TestCase):
    async def test_a_connection_in_an_atomic_block_is_left_alone(self):
        await Dog.objects.acreate(name="Rex")
        async with ThreadSensitiveContext():
            await release()
        assert await Dog.objects.acount() == 1

    def test_close_connections_leaves_it_alone_too(self):
        from django_streams.release import close_connections

        with transaction.atomic():
            close_connections()
            assert connection.connection is not None
