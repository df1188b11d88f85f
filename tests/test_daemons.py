"""`DaemonPool`: as many threads as there are calls at once, and none that the end waits for."""

import asyncio
import gc
import subprocess
import sys
import threading
import weakref

import pytest

from django_streams.responses.daemons import DaemonPool

PATIENCE = 30

# What is left of a process whose client waits for a storage that hangs, when its server stops.
STOPPED = """
import asyncio, io, sys, threading
from types import SimpleNamespace

from django_streams.files import open_file
from django_streams.responses.file_body import FileBody


class Hangs(io.RawIOBase):
    reached = threading.Event()

    def readable(self):
        return True

    def read(self, count=-1):
        self.reached.set()
        threading.Event().wait()


async def main():
    body = FileBody(SimpleNamespace(), open_file(Hangs()), [(0, None)])
    waiting = asyncio.create_task(anext(body.async_chunks()))
    await asyncio.to_thread(Hangs.reached.wait)
    waiting.cancel()


asyncio.run(main())
print("the server has stopped")
"""


def test_a_read_that_hangs_does_not_keep_the_process():
    process = subprocess.run(
        [sys.executable, "-c", STOPPED], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout == "the server has stopped\n"


async def in_pool(pool, call):
    return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(pool, call), PATIENCE)


async def test_threads_are_as_many_as_calls_at_once_up_to_a_limit():
    pool = DaemonPool(3, name="test")
    go_on, count = threading.Event(), threading.Semaphore(0)

    def wait():
        count.release()
        assert go_on.wait(PATIENCE)
        return threading.current_thread()

    calls = [asyncio.create_task(in_pool(pool, wait)) for _ in range(7)]
    for _ in range(3):
        assert await asyncio.to_thread(count.acquire, timeout=PATIENCE)
    assert not count.acquire(blocking=False)  # The others queue.
    go_on.set()
    threads = set(await asyncio.gather(*calls))
    assert len(threads) == pool._threads == 3
    assert all(thread.daemon for thread in threads)


async def test_what_a_call_raises_is_raised():
    pool = DaemonPool(1, name="test")
    with pytest.raises(ZeroDivisionError):
        await in_pool(pool, lambda: 1 / 0)
    assert await in_pool(pool, lambda: "goes on") == "goes on"


async def test_a_call_that_is_cancelled_before_its_turn_is_not_made():
    pool = DaemonPool(1, name="test")
    go_on, made = threading.Event(), []
    first = pool.submit(go_on.wait, PATIENCE)
    second = pool.submit(made.append, "second")
    assert second.cancel()
    go_on.set()
    assert await asyncio.wrap_future(first)
    await in_pool(pool, lambda: made.append("third"))
    assert made == ["third"]


async def test_an_idle_thread_keeps_nothing_of_its_last_call():
    class Slice(bytearray):
        pass

    pool = DaemonPool(1, name="test")
    kept = weakref.ref(await in_pool(pool, Slice))
    await in_pool(pool, lambda: None)  # By then the first has returned.
    gc.collect()
    assert kept() is None
