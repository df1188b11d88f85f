"""`pump.flushing`: a coroutine is awaited as it is, and flushed each time that it waits."""

import asyncio

import pytest
import uvloop

from django_streams.pump.flushing import flushing

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture(params=LOOPS)
def run(request):
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


class Flushes:
    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1


async def test_nothing_that_does_not_wait_is_flushed():
    flush = Flushes()

    async def coroutine():
        pass

    assert await flushing(coroutine(), flush) is None
    assert flush.count == 0


def test_each_wait_is_flushed_first(run):
    flush, seen = Flushes(), []

    async def coroutine():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(lambda: (seen.append(flush.count), future.set_result("result")))
        assert await future == "result"
        loop.call_soon(lambda: seen.append(flush.count))
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)

    async def main():
        await flushing(coroutine(), flush)

    run(main())
    assert seen == [1, 2]
    assert flush.count == 3


@pytest.mark.parametrize("waits", [True, False])
def test_what_it_raises_is_raised(run, waits):
    async def coroutine():
        if waits:
            await asyncio.sleep(0)
        raise LookupError

    async def main():
        await flushing(coroutine(), Flushes())

    with pytest.raises(LookupError):
        run(main())


def test_what_it_waits_for_may_fail(run):
    async def coroutine():
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, LookupError())
        with pytest.raises(LookupError):
            await future

    async def main():
        await flushing(coroutine(), Flushes())

    run(main())


def test_a_timeout_in_it_is_its_own(run):
    async def coroutine():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        await asyncio.sleep(0)

    async def main():
        await flushing(coroutine(), Flushes())
        assert asyncio.current_task().cancelling() == 0

    run(main())


def test_it_hears_of_its_tasks_cancellation_and_may_wait_on(run):
    heard = []

    async def coroutine():
        try:
            await asyncio.Event().wait()
        finally:
            heard.append("begins to end")
            await asyncio.sleep(0)
            heard.append("ended")

    async def main():
        task = asyncio.ensure_future(outer())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def outer():
        await flushing(coroutine(), Flushes())

    run(main())
    assert heard == ["begins to end", "ended"]


def test_what_it_waits_for_is_cancelled_with_it(run):
    inner = None

    async def coroutine():
        nonlocal inner
        inner = asyncio.ensure_future(asyncio.Event().wait())
        await inner

    async def outer():
        await flushing(coroutine(), Flushes())

    async def main():
        task = asyncio.ensure_future(outer())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert inner.cancelled()

    run(main())


def test_closing_closes_it():
    closed = []

    async def coroutine():
        try:
            await asyncio.sleep(0)
        finally:
            closed.append(True)

    async def outer():
        await flushing(coroutine(), Flushes())

    outside = outer()
    outside.send(None)
    outside.close()
    assert closed == [True]
