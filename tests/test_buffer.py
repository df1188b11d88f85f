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


# Poured into a sink.


class Sink:
    """Keeps what is written, and how: by the reader's task, or from a callback."""

    writes_now = True

    def __init__(self):
        self.is_ready = True
        self.written = []
        self.may_write = asyncio.Event()
        self.may_write.set()

    async def write(self, chunk):
        await self.may_write.wait()
        self.written.append(("task", chunk))

    def write_now(self, chunk):
        assert self.is_ready
        self.written.append(("callback", chunk))


@pytest.fixture
async def sink():
    return Sink()


async def pouring(buffer, sink) -> asyncio.Task:
    task = asyncio.create_task(buffer.pour(sink))
    await turns()
    return task


async def test_the_first_chunk_that_is_poured_is_empty_only_if_nothing_is_ready(sink):
    buffer = Buffer()
    task = await pouring(buffer, sink)
    assert sink.written == [("task", b"")]
    buffer.finish()
    await task


async def test_a_sink_that_is_ready_gets_what_is_there_as_one_without_waking_the_task(sink):
    buffer = await begun()
    task = await pouring(buffer, sink)
    for chunks in ((b"a",), (b"b", b"c")):
        for chunk in chunks:
            buffer.append(chunk)
        await turns(2)
    assert sink.written == [("callback", b"a"), ("callback", b"bc")]
    assert (buffer.size, buffer.taken) == (0, 3)
    buffer.append(b"d")
    buffer.finish()
    await task
    assert sink.written[2:] == [("task", b"d")]


async def test_what_is_added_is_there_for_a_producer_to_flush(sink):
    buffer = await begun()
    task = await pouring(buffer, sink)
    buffer.add(b"a")
    assert buffer.add(b"b") == 2
    await turns()
    assert sink.written == []
    buffer.flush()
    assert sink.written == [("callback", b"ab")]
    buffer.flush()
    assert len(sink.written) == 1
    buffer.finish()
    await task


async def test_flushing_wakes_whoever_reads_without_a_sink():
    buffer = await begun()
    buffer.flush()
    reading = asyncio.ensure_future(anext(buffer))
    await turns()
    buffer.flush()
    await turns()
    assert not reading.done()
    buffer.add(b"a")
    buffer.flush()
    buffer.flush()
    assert await reading == b"a"


async def test_a_sink_that_is_not_ready_is_waited_for(sink):
    buffer = await begun(capacity=2)
    task = await pouring(buffer, sink)
    sink.is_ready = False
    sink.may_write.clear()
    buffer.append(b"a")
    await turns()
    for chunk in (b"b", b"c"):
        buffer.append(chunk)
    waiting = asyncio.ensure_future(buffer.drained())
    await turns()
    assert sink.written == []
    assert not waiting.done()
    sink.is_ready = True
    sink.may_write.set()
    await turns()
    assert sink.written == [("task", b"a"), ("task", b"bc")]
    await waiting
    buffer.append(b"d")
    await turns()
    assert sink.written[2:] == [("callback", b"d")]
    buffer.finish()
    await task


async def test_a_sink_that_is_ready_for_one_chunk_gets_the_others_from_the_task(sink):
    class Full(Sink):
        def write_now(self, chunk):
            super().write_now(chunk)
            self.is_ready = False

    sink = Full()
    buffer = Buffer(joins=False)
    task = await pouring(buffer, sink)
    buffer.append(b"a")
    buffer.append(b"b")
    buffer.append(b"c")
    buffer.finish()
    await task
    assert [chunk for _, chunk in sink.written] == [b"a", b"b", b"c"]


async def test_a_sink_that_is_never_ready_has_the_task_woken_at_once(sink):
    sink.writes_now = sink.is_ready = False
    buffer = await begun()
    task = await pouring(buffer, sink)
    buffer.append(b"a")
    await turns(1)
    assert sink.written == [("task", b"a")]
    buffer.finish()
    await task


async def test_what_is_not_to_be_joined_is_poured_one_by_one(sink):
    buffer = Buffer(joins=False)
    task = await pouring(buffer, sink)
    for chunk in (b"a", b"b"):
        buffer.append(chunk)
    await turns()
    assert sink.written == [("callback", b"a"), ("callback", b"b")]
    buffer.finish()
    await task


@pytest.mark.parametrize("error", [None, BrokenOff("x")])
async def test_pouring_ends_as_the_stream_does_when_all_is_written(sink, error):
    buffer = await begun()
    task = await pouring(buffer, sink)
    buffer.append(b"a")
    buffer.finish(error)
    await asyncio.wait([task])
    assert task.exception() is error
    assert sink.written == [("task", b"a")]


async def test_whoever_pours_a_buffer_that_is_closed_early_hears_of_it(sink):
    buffer = await begun()
    task = await pouring(buffer, sink)
    buffer.append(b"a")
    buffer.close()
    with pytest.raises(BrokenOff):
        await task
    await turns()
    assert sink.written == []


async def test_what_a_callback_raises_is_raised_to_whoever_pours(sink):
    class Broken(Sink):
        def write_now(self, chunk):
            raise BrokenOff("gone")

    buffer = await begun()
    task = await pouring(buffer, Broken())
    buffer.append(b"a")
    with pytest.raises(BrokenOff, match="gone"):
        await task


async def test_nothing_is_written_after_pouring_was_cancelled(sink):
    buffer = await begun()
    task = await pouring(buffer, sink)
    buffer.append(b"a")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await turns()
    buffer.append(b"b")
    await turns()
    assert sink.written == []
    assert await anext(buffer) == b"ab"


async def test_beats_are_poured_too_and_do_not_pile_up(sink):
    buffer = await begun()
    clock = buffer._loop = Clock(buffer._loop)
    buffer.begin(b"", beat=b":", idle_seconds=10)
    task = await pouring(buffer, sink)
    clock.pass_to(110)
    clock.pass_to(120)
    await turns()
    assert sink.written == [("callback", b":")]
    buffer.finish()
    await task


async def test_a_closed_buffer_that_is_finished_refuses_as_before():
    buffer = await begun()
    buffer.close()
    buffer.finish()
    for add in (buffer.add, buffer.append):
        with pytest.raises(ClientDisconnected):
            add(b"a")
    assert buffer.size == 0


# The heartbeat.


class Clock:
    """Stands in for the loop of a buffer: time passes when the test says so."""

    def __init__(self, loop):
        self.now = 100.0
        self.timers = []
        self.create_future = loop.create_future
        self.call_soon = loop.call_soon

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
