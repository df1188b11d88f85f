"""`buffer`: what is ready leaves in one piece, bounds hold, and an idle reader gets a heartbeat."""

import asyncio

import pytest

from django_streams import BrokenOff, ClientDisconnected
from django_streams.buffer import Buffer


async def begun(**kwargs) -> Buffer:
    """A buffer whose first, empty chunk was read."""
    buffer = Buffer(**kwargs)
    assert await anext(buffer) == b""
    return buffer


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_chunks_that_are_ready_together_are_read_as_one():
    buffer = await begun()
    for chunk in (b"a", b"b", b"c"):
        buffer.append(chunk)
    assert await anext(buffer) == b"abc"


async def test_a_chunk_that_is_alone_wakes_the_reader_at_once():
    buffer = await begun()
    reading = asyncio.ensure_future(anext(buffer))
    await turns()
    assert not reading.done()
    buffer.append(b"a")
    await turns(2)
    assert reading.result() == b"a"


async def test_the_first_chunk_is_empty_only_if_nothing_is_ready():
    buffer = Buffer()
    buffer.append(b"a")
    assert await anext(buffer) == b"a"


async def test_iteration_ends_when_the_last_chunk_was_read():
    buffer = await begun()
    buffer.append(b"a")
    buffer.finish()
    assert [chunk async for chunk in buffer] == [b"a"]


async def test_iteration_raises_the_error_when_the_last_chunk_was_read():
    buffer = await begun()
    buffer.append(b"a")
    buffer.finish(BrokenOff("x"))
    assert await anext(buffer) == b"a"
    with pytest.raises(BrokenOff):
        await anext(buffer)


async def test_a_producer_waits_at_the_capacity_until_all_was_taken():
    buffer = await begun(capacity=3)
    buffer.append(b"ab")
    assert not buffer.is_full
    await buffer.drained()
    buffer.append(b"c")
    assert buffer.is_full
    waiting = [asyncio.ensure_future(buffer.drained()) for _ in range(3)]
    await turns()
    assert not any(waiter.done() for waiter in waiting)
    assert buffer.take() == b"abc"
    await asyncio.gather(*waiting)
    assert buffer.size == 0


async def test_a_producer_that_is_cancelled_while_it_waits_leaves_the_others_waiting():
    buffer = await begun(capacity=1)
    buffer.append(b"a")
    cancelled, waiting = (asyncio.ensure_future(buffer.drained()) for _ in range(2))
    await turns()
    cancelled.cancel()
    await turns()
    assert not waiting.done()
    buffer.take()
    await waiting


async def test_closing_tells_producers_and_drops_what_is_there():
    buffer = await begun(capacity=1)
    buffer.append(b"a")
    waiting = asyncio.ensure_future(buffer.drained())
    await turns()
    buffer.close()
    with pytest.raises(ClientDisconnected):
        await waiting
    with pytest.raises(ClientDisconnected):
        buffer.append(b"b")
    with pytest.raises(ClientDisconnected):
        await buffer.drained()
    assert buffer.size == 0


async def test_whoever_reads_a_buffer_that_was_closed_early_does_not_take_it_for_whole():
    buffer = await begun()
    reading = asyncio.ensure_future(anext(buffer))
    await turns()
    buffer.close()
    with pytest.raises(BrokenOff):
        await reading
    with pytest.raises(BrokenOff):
        await anext(buffer)


async def test_closing_after_the_end_changes_nothing():
    buffer = await begun()
    buffer.finish()
    buffer.close()
    assert [chunk async for chunk in buffer] == []


async def test_a_reader_that_is_cancelled_loses_nothing():
    buffer = await begun()
    reading = asyncio.ensure_future(anext(buffer))
    await turns()
    reading.cancel()
    await turns()
    buffer.append(b"a")
    assert await anext(buffer) == b"a"


async def test_the_head_comes_first():
    buffer = Buffer()
    buffer.append(b"item")
    buffer.begin(b"head ")
    assert await anext(buffer) == b"head item"


async def test_an_idle_reader_gets_a_beat_and_another():
    buffer = await begun()
    buffer.begin(b"", beat=b":\n\n", idle_seconds=0.001)
    assert await anext(buffer) == b":\n\n"
    assert await anext(buffer) == b":\n\n"


class Clock:
    """Stands in for the loop of a buffer: time passes when the test says so."""

    def __init__(self, loop):
        self.now = 100.0
        self.timers = []
        self.create_future = loop.create_future

    def time(self):
        return self.now

    def call_later(self, delay, callback):
        return self.call_at(self.now + delay, callback)

    def call_at(self, when, callback):
        self.timers.append([when, callback])
        return Handle(self.timers, self.timers[-1])

    def pass_to(self, now):
        self.now = now
        due = [timer for timer in self.timers if timer[0] <= now]
        for timer in due:
            self.timers.remove(timer)
            timer[1]()


class Handle:
    def __init__(self, timers, timer):
        self.cancel = lambda: timer in timers and timers.remove(timer)


async def test_there_is_one_timer_which_no_chunk_sets_anew():
    buffer = Buffer()
    clock = buffer._loop = Clock(buffer._loop)
    buffer.begin(b"", beat=b":", idle_seconds=10)
    for second in range(101, 110):
        clock.now = second
        buffer.append(b"x")
        assert await anext(buffer) == b"x"
        assert [when for when, _ in clock.timers] == [110]
    reading = asyncio.ensure_future(anext(buffer))
    await turns()
    clock.pass_to(110)  # The last chunk was taken at 109: not idle for long enough.
    await turns()
    assert not reading.done()
    assert [when for when, _ in clock.timers] == [119]
    clock.pass_to(119)
    assert await reading == b":"
    assert len(clock.timers) == 1
    buffer.finish()
    assert clock.timers == []


async def test_a_client_that_does_not_read_gets_no_beats_to_pile_up():
    buffer = Buffer()
    clock = buffer._loop = Clock(buffer._loop)
    buffer.begin(b"", beat=b":", idle_seconds=10)
    for now in range(110, 200, 10):
        clock.pass_to(now)
    assert buffer.size == 0


@pytest.mark.parametrize("options", [{}, {"beat": b":"}, {"idle_seconds": 1}])
async def test_without_a_beat_or_its_seconds_there_is_no_timer(options):
    buffer = Buffer()
    clock = buffer._loop = Clock(buffer._loop)
    buffer.begin(b"", **options)
    assert clock.timers == []


async def test_closing_stops_the_timer():
    buffer = Buffer()
    clock = buffer._loop = Clock(buffer._loop)
    buffer.begin(b"", beat=b":", idle_seconds=10)
    buffer.close()
    assert clock.timers == []


async def test_what_is_closed_before_all_of_it_was_taken_is_broken_off():
    buffer = Buffer()
    buffer.append(b"half")
    buffer.finish()
    buffer.close()
    assert await anext(buffer) == b""
    with pytest.raises(BrokenOff):
        await anext(buffer)


async def test_what_is_closed_when_all_of_it_was_taken_is_whole():
    buffer = Buffer()
    buffer.append(b"all")
    buffer.finish()
    assert await anext(buffer) == b"all"
    buffer.close()
    with pytest.raises(StopAsyncIteration):
        await anext(buffer)


async def test_streams_that_were_held_up_together_do_not_beat_together_from_then_on():
    clock, times, readers = Clock(asyncio.get_running_loop()), ([], []), []
    for noted in times:
        buffer = Buffer()
        buffer._loop = clock
        buffer.begin(b"", beat=b":", idle_seconds=10)
        readers.append(asyncio.ensure_future(note_beats(buffer, clock, noted)))
        await turns()
        clock.now += 3
    for now in (118, 120, 123):  # At first the loop stands still, until both are due.
        clock.pass_to(now)
        await turns()
    assert times == ([118, 120], [118, 123])


async def note_beats(buffer, clock, times):
    assert await anext(buffer) == b""
    while await anext(buffer) == b":":
        times.append(clock.now)
