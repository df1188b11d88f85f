"""`Patience`: a client that pauses or dribbles is given up; a slow view is no fault of its."""

import asyncio

import pytest

from django_streams.body import patience
from django_streams.body.patience import Patience
from django_streams.exceptions import RequestTimeout

SHORT = 0.02
"""Seconds after which a test's client is given up."""
PATIENCE = 5


async def soon(awaitable):
    async with asyncio.timeout(PATIENCE):
        return await awaitable


class Clock:
    """A loop's clock, which stands still unless it is told to go on."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)

    def later(self, seconds, chunk):
        async def come():
            self.now += seconds
            return chunk

        return come


async def chunk_at_once():
    return b"chunk"


async def never():
    await asyncio.get_running_loop().create_future()


async def test_a_chunk_that_is_there_is_returned():
    assert await Patience(SHORT, None).wait(chunk_at_once) == b"chunk"


async def test_a_client_that_pauses_is_given_up():
    with pytest.raises(RequestTimeout, match=r"paused for more than 0.02 seconds"):
        await soon(Patience(SHORT, None).wait(never))


async def test_the_task_that_waited_is_not_cancelled_by_that():
    with pytest.raises(RequestTimeout):
        await soon(Patience(SHORT, None).wait(never))
    assert asyncio.current_task().cancelling() == 0


async def test_a_pause_is_given_up_after_chunks_as_well():
    waits = Patience(SHORT, None)
    for _ in range(3):
        await waits.wait(chunk_at_once)
    with pytest.raises(RequestTimeout):
        await soon(waits.wait(never))


async def test_the_timer_waits_for_the_present_chunk_and_not_for_the_first():
    waits = Patience(0.2, None)
    await waits.wait(chunk_at_once)
    await asyncio.sleep(0.15)  # A view that is slow itself; the timer was set 0.15 s ago.
    began = asyncio.get_running_loop().time()
    with pytest.raises(RequestTimeout):
        await soon(waits.wait(never))
    assert asyncio.get_running_loop().time() - began >= 0.19


async def test_a_view_that_is_slow_itself_is_no_fault_of_the_clients():
    waits = Patience(SHORT, None)
    await waits.wait(chunk_at_once)
    await asyncio.sleep(3 * SHORT)
    assert await waits.wait(chunk_at_once) == b"chunk"


async def test_somebody_elses_cancellation_stays_one():
    waiting = asyncio.ensure_future(Patience(SHORT, None).wait(never))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()


async def test_somebody_elses_cancellation_goes_before_a_timeout_of_the_same_moment():
    waits = Patience(SHORT, None)
    waiting = asyncio.ensure_future(waits.wait(never))
    await asyncio.sleep(0)
    waits._is_over = True
    waiting.cancel()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()


async def test_a_timeout_of_the_views_own_is_not_taken_for_ours():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SHORT):
            await Patience(PATIENCE, None).wait(never)


async def test_without_a_limit_nothing_is_given_up():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SHORT):
            await Patience(None, None).wait(never)


async def test_a_limit_that_is_taken_back_counts_no_more():
    waits = Patience(SHORT, None)
    await waits.wait(chunk_at_once)
    waits.limit(None, None)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3 * SHORT):
            await waits.wait(never)


async def test_after_the_end_no_timer_is_left():
    waits = Patience(PATIENCE, None)
    await waits.wait(chunk_at_once)
    assert waits._timer is not None
    waits.end()
    assert waits._timer is None


async def test_a_client_that_dribbles_is_given_up(monkeypatch):
    clock, waits = Clock(monkeypatch), Patience(60, 240)
    for _ in range(2):
        assert await waits.wait(clock.later(10, b"x"))
    with pytest.raises(RequestTimeout, match="less than 240 bytes per second"):
        await waits.wait(clock.later(10, b"x"))


async def test_a_connection_may_begin_slowly(monkeypatch):
    clock, waits = Clock(monkeypatch), Patience(60, 240)
    assert await waits.wait(clock.later(patience.RATE_GRACE_SECONDS, b"x"))
    assert await waits.wait(clock.later(0, bytes(10_000)))
    assert await waits.wait(clock.later(10, b"x"))


async def test_the_rate_counts_only_the_time_that_was_waited(monkeypatch):
    clock, waits = Clock(monkeypatch), Patience(60, 240)
    for _ in range(100):
        assert await waits.wait(clock.later(0.1, b"x"))
        clock.now += 3600


async def test_a_client_that_is_fast_enough_is_not_given_up(monkeypatch):
    clock, waits = Clock(monkeypatch), Patience(60, 240)
    for _ in range(100):
        assert await waits.wait(clock.later(1, bytes(240)))


async def test_a_shorter_limit_counts_at_once():
    waits = Patience(PATIENCE, None)
    await waits.wait(chunk_at_once)
    waits.limit(SHORT, None)
    with pytest.raises(RequestTimeout):
        await soon(waits.wait(never))


async def test_nobody_lives_on_what_came_fast_before(monkeypatch):
    clock, waits = Clock(monkeypatch), Patience(60, 240)
    await waits.wait(clock.later(1, bytes(10**9)))
    with pytest.raises(RequestTimeout):
        for _ in range(3):
            await waits.wait(clock.later(21, b"x"))
