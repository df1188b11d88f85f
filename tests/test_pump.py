"""`pump`: one task drives the source, gives way, stops at the bound, and runs every `finally`."""

import asyncio
import contextlib
import contextvars
import logging
import threading
import time
from functools import partial

import pytest

from django_streams import BrokenOff, ClientDisconnected, NoContent, Spawn
from django_streams.exceptions import BodyAborted
from django_streams.pump import Pump, PumpOptions, drive
from django_streams.sources import open_source


class Witness:
    """Sees what becomes of a source, and hands out sources that show it."""

    def __init__(self):
        self.is_closed = False
        self.made = 0
        self.reported = []
        self.go_on = asyncio.Event()

    async def endless(self):
        try:
            while True:
                self.made += 1
                yield b"x" * 100
        finally:
            self.is_closed = True

    async def waiting(self, *items):
        try:
            for item in items:
                yield item
            await self.go_on.wait()
            yield b"last"
        finally:
            self.is_closed = True

    async def report(self, error):
        self.reported.append(error)

    async def record(self, error):
        return b"!"


@pytest.fixture
async def witness():
    return Witness()


def pumped(source, **options) -> Pump:
    options.setdefault("encode", bytes)
    return Pump(partial(open_source, source=source), PumpOptions(**options))


@pytest.fixture
def long_turns(monkeypatch):
    """A source gives way where it waits, and not because somebody else has had the processor."""
    monkeypatch.setattr("django_streams.pump.pump.TURN_SECONDS", 60)


async def primed(source, for_item=True, seconds=5, **options) -> Pump:
    pump = pumped(source, **options)
    pump.start()
    await pump.primed(seconds, for_item=for_item)
    return pump


async def failing(error, *items):
    for item in items:
        yield item
    raise error


class Sink:
    """Takes everything at once, and writes down in which task."""

    writes_now = is_ready = True

    def __init__(self):
        self.written = []

    async def write(self, chunk):
        self.written.append((asyncio.current_task(), chunk))

    def write_now(self, chunk):
        self.written.append((asyncio.current_task(), chunk))


@pytest.mark.usefixtures("long_turns")
async def test_what_is_ready_is_written_in_the_turn_in_which_its_source_begins_to_wait():
    loop = asyncio.get_running_loop()
    sink, asked, seen = Sink(), asyncio.Event(), []

    async def source():
        await asked.wait()
        yield b"a"
        yield b"b"
        loop.call_soon(lambda: seen.append(len(sink.written)))
        await asyncio.sleep(0)
        yield b"c"

    pump = await primed(source(), for_item=False)
    pouring = asyncio.create_task(aiter(pump).pour(sink))
    await asyncio.sleep(0)
    asked.set()
    await pouring
    source_task, reader_task = (task for task, _ in (sink.written[1], sink.written[0]))
    assert [chunk for _, chunk in sink.written] == [b"", b"ab", b"c"]
    assert seen == [2]
    assert reader_task is pouring
    assert source_task is not pouring


async def test_what_came_before_a_failure_does_not_wait_for_the_sources_end_nor_for_its_record():
    sink, asked, written = Sink(), asyncio.Event(), {}

    async def source():
        try:
            await asked.wait()
            yield b"a"
            yield "no bytes"
        finally:
            await asyncio.sleep(0)
            written["in the source's end"] = sink.written[-1][1]

    async def other():
        await asked.wait()
        yield b"b"
        raise LookupError

    async def record(error):
        await asyncio.sleep(0)
        written[f"for the record of {type(error).__name__}"] = sink.written[-1][1]
        return b"!"

    def encode(item):
        if not isinstance(item, bytes):
            raise ValueError(item)
        return item

    for each in (source(), other()):
        pump = await primed(each, for_item=False, encode=encode, record=record, breaks_off=False)
        pouring = asyncio.create_task(aiter(pump).pour(sink))
        await asyncio.sleep(0)
        asked.set()
        await pouring
        asked.clear()
    assert written == {
        "in the source's end": b"a",
        "for the record of ValueError": b"a",
        "for the record of LookupError": b"b",
    }


async def test_nothing_runs_before_the_start(witness):
    pump = pumped(witness.endless())
    await asyncio.sleep(0)
    assert witness.made == 0
    assert await pump.aclose()
    assert pump.is_closed


async def test_all_items_come_in_order_between_head_and_tail():
    async def source():
        for n in range(1000):
            yield str(n).encode() + b" "
            if n % 3 == 0:
                await asyncio.sleep(0)

    pump = await primed(source(), head=b"<", tail=b">")
    expected = b"<" + b"".join(str(n).encode() + b" " for n in range(1000)) + b">"
    assert b"".join([chunk async for chunk in pump]) == expected
    assert await pump.aclose()


async def test_iterating_starts_a_pump_that_nobody_has_started():
    pump = pumped([b"a", b"b"])
    assert b"".join([chunk async for chunk in pump]) == b"ab"


async def test_a_source_that_fails_at_once_fails_in_the_stream_if_nobody_primes(witness):
    pump = pumped(failing(LookupError()), head=b"<", record=witness.record, report=witness.report)
    chunks = []
    with pytest.raises(BrokenOff):
        async for chunk in pump:
            chunks.append(chunk)
    assert b"".join(chunks) == b"<!"
    assert len(witness.reported) == 1


@pytest.mark.usefixtures("long_turns")
async def test_items_that_are_ready_together_leave_together():
    async def source():
        for _ in range(100):
            yield b"x"

    chunks = [chunk async for chunk in await primed(source())]
    assert [chunk for chunk in chunks if chunk] == [b"x" * 100]


async def test_the_source_stops_at_the_capacity_until_the_client_has_taken_it(witness):
    pump = await primed(witness.endless(), capacity=1000)
    for _ in range(20):
        await asyncio.sleep(0)
    assert witness.made == 10
    assert len(await anext(aiter(pump))) == 1000
    for _ in range(20):
        await asyncio.sleep(0)
    assert witness.made == 20
    await pump.aclose()
    assert witness.is_closed


async def test_a_source_that_never_awaits_lets_others_run_every_few_milliseconds():
    async def busy():
        while True:
            time.sleep(0.001)  # Work that takes the processor and gives nothing to wait for.
            yield b"x"

    pump = await primed(busy())
    gaps, last = [], time.monotonic()
    for _ in range(20):
        await asyncio.sleep(0)
        gaps.append(time.monotonic() - last)
        last = time.monotonic()
    assert sorted(gaps)[10] < 0.05
    await pump.aclose()


async def test_a_source_that_never_awaits_is_stopped_though_nobody_reads(witness):
    pump = await primed(witness.endless())
    readers = asyncio.ensure_future(drain(pump))
    for _ in range(50):
        await asyncio.sleep(0)
    assert await pump.aclose()
    assert witness.is_closed
    with pytest.raises(BrokenOff):
        await readers


async def drain(pump):
    async for _ in pump:
        pass


async def test_priming_waits_for_the_first_item(witness):
    pump = pumped(witness.waiting())
    pump.start()
    priming = asyncio.ensure_future(pump.primed(5, for_item=True))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not priming.done()
    witness.go_on.set()
    await priming
    assert b"".join([chunk async for chunk in pump]) == b"last"


async def test_priming_not_for_an_item_waits_for_nothing_but_the_opening(witness):
    opening = asyncio.Event()

    async def opened_late():
        await opening.wait()
        return witness.waiting()

    pump = pumped(opened_late)
    pump.start()
    priming = asyncio.ensure_future(pump.primed(5, for_item=False))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not priming.done()
    opening.set()
    await priming
    await pump.aclose()


async def test_priming_gives_up_after_its_time(witness):
    pump = await primed(witness.waiting(), seconds=0.001)
    assert pump.is_committed
    await pump.aclose()
    assert witness.is_closed


@pytest.mark.parametrize("for_item", [True, False])
async def test_what_is_raised_before_the_first_item_is_raised_to_whoever_primes(witness, for_item):
    with pytest.raises(LookupError):
        await primed(failing(LookupError()), for_item=for_item, report=witness.report)
    assert witness.reported == []


async def test_a_coroutine_that_returns_none_has_no_content():
    async def nothing():
        return None

    with pytest.raises(NoContent):
        await primed(nothing, for_item=False)


async def test_cancelling_the_primer_leaves_the_pump_to_be_closed(witness):
    pump = pumped(witness.waiting())
    pump.start()
    priming = asyncio.ensure_future(pump.primed(5, for_item=True))
    await asyncio.sleep(0)
    priming.cancel()
    await asyncio.wait([priming])
    assert await pump.aclose()
    assert witness.is_closed


@pytest.mark.parametrize("breaks_off", [True, False])
async def test_a_failure_midway_is_recorded_reported_once_and_breaks_off(witness, breaks_off):
    error = LookupError("x")
    pump = await primed(
        failing(error, b"a"),
        breaks_off=breaks_off,
        record=witness.record,
        report=witness.report,
        tail=b"tail",
    )
    chunks = []
    try:
        async for chunk in pump:
            chunks.append(chunk)
    except BrokenOff as broken_off:
        assert breaks_off
        assert broken_off.__cause__ is error
    else:
        assert not breaks_off
    assert b"".join(chunks) == b"a!"
    assert witness.reported == [error]


async def test_an_item_that_cannot_be_encoded_is_a_failure_of_the_source(witness):
    def encode(item):
        raise ValueError(item)

    with pytest.raises(ValueError, match="1"):
        await primed(witness.waiting(1), encode=encode)
    assert witness.is_closed


async def test_a_source_that_raises_cancelled_error_by_itself_is_a_failure(witness):
    pump = await primed(failing(asyncio.CancelledError(), b"a"), report=witness.report)
    with pytest.raises(BrokenOff):
        await drain(pump)
    [reported] = witness.reported
    assert "raised CancelledError" in str(reported)


async def test_a_pump_whose_task_is_cancelled_from_outside_breaks_off(witness):
    pump = await primed(witness.waiting(b"a"), report=witness.report)
    pump._task.cancel()
    with pytest.raises(BrokenOff):
        await drain(pump)
    assert witness.is_closed
    assert witness.reported == []


async def test_one_task_and_context_drive_the_source_from_start_to_finally():
    variable = contextvars.ContextVar("variable")
    tasks = []

    async def source():
        variable.set("mine")
        try:
            async with asyncio.timeout(60):
                for _ in range(3):
                    tasks.append(asyncio.current_task())
                    yield variable.get().encode()
                    await asyncio.sleep(0)
        finally:
            tasks.append(asyncio.current_task())

    pump = await primed(source())
    assert b"".join([chunk async for chunk in pump]) == b"mine" * 3
    assert len(set(tasks)) == 1


async def test_an_ended_timeout_across_a_yield_is_the_sources_own(witness):
    async def source():
        try:
            async with asyncio.timeout(0.001):
                yield b"a"
                await asyncio.Event().wait()
        except TimeoutError:
            yield b"b"

    assert b"".join([chunk async for chunk in await primed(source())]) == b"ab"


async def test_a_timeout_of_the_source_is_raised_in_it_while_the_client_is_slow():
    seen = []

    async def source():
        try:
            async with asyncio.timeout(0.01):
                while True:
                    yield b"x" * 1000
        except TimeoutError:
            seen.append("timeout")
            yield b"bye"
            yield b"!"
        finally:
            seen.append("closed")

    pump = await primed(source(), capacity=1000)
    while not seen:
        await asyncio.sleep(0.001)
    body = b"".join([chunk async for chunk in pump])
    assert body.strip(b"x") == b"bye!"
    assert seen == ["timeout", "closed"]


async def test_after_its_own_timeout_a_source_gives_way_still():
    turns = 0

    async def source():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                while True:
                    yield b"x" * 1000
        enough, ends = turns + 30, time.monotonic() + 5
        while turns < enough:
            assert time.monotonic() < ends
            yield b"."

    pump = await primed(source(), capacity=10**6)
    reading = asyncio.ensure_future(drain(pump))
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    reading.result()


async def test_a_source_may_end_when_its_timeout_is_raised_in_it():
    async def source():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                while True:
                    yield b"x" * 1000

    pump = await primed(source(), capacity=1000)
    await asyncio.wait([pump._task])
    assert b"".join([chunk async for chunk in pump]).strip(b"x") == b""


async def test_a_heartbeat_does_not_disturb_the_source(witness):
    pump = await primed(witness.waiting(b"a"), beat=b".", idle_seconds=0.001)
    reader = aiter(pump)
    assert await anext(reader) == b"a"
    assert await anext(reader) == b"."
    witness.go_on.set()
    assert b"".join([chunk async for chunk in reader]).endswith(b"last")


async def test_closing_runs_the_finally_whatever_the_source_waits_for(witness):
    pump = await primed(witness.waiting(b"a"))
    assert await pump.aclose()
    assert witness.is_closed
    assert pump.is_closed


async def test_closing_twice_at_once_cancels_once():
    cancelled = []
    ending = asyncio.Event()

    async def source():
        try:
            yield b"a"
            await asyncio.Event().wait()
        finally:
            await ending.wait()
            cancelled.append("ended by itself")

    pump = await primed(source())
    closings = [asyncio.ensure_future(pump.aclose()) for _ in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    ending.set()
    assert await asyncio.gather(*closings) == [True, True, True]
    assert cancelled == ["ended by itself"]


async def test_a_source_that_swallows_the_cancellation_is_stopped_at_its_next_item():
    ended = []

    async def stubborn():
        try:
            while True:
                yield b"a"
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass
        finally:
            ended.append(True)

    pump = await primed(stubborn())
    assert await pump.aclose()
    assert ended == [True]


async def test_a_source_that_does_not_end_is_left_with_a_warning(monkeypatch, caplog):
    monkeypatch.setattr("django_streams.pump.pump.CLOSE_SECONDS", 0.01)
    release = asyncio.Event()

    async def stuck():
        try:
            yield b"a"
            await asyncio.Event().wait()
        finally:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    pass

    pump = await primed(stuck())
    with caplog.at_level(logging.WARNING, "django_streams"):
        assert not await pump.aclose()
        assert not await pump.aclose()
    assert caplog.text.count("still runs") == 1
    release.set()
    await asyncio.wait([pump._task])


async def test_closing_from_another_thread_stops_the_source_and_does_not_wait(witness):
    pump = await primed(witness.waiting(b"a"))
    thread = threading.Thread(target=pump.close)
    thread.start()
    thread.join()
    await asyncio.wait([pump._task])
    assert witness.is_closed


async def test_closing_after_the_loop_has_gone_is_nothing():
    pumps = []

    async def main():
        pumps.append(await primed([b"a"]))
        await drain(pumps[0])

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    thread.join()
    pumps[0].close()
    assert pumps[0].is_closed


async def test_a_failure_is_reported_though_the_client_leaves_while_it_is_recorded(witness):
    recording = asyncio.Event()

    async def record(error):
        recording.set()
        await asyncio.Event().wait()

    pump = await primed(failing(LookupError(), b"a"), record=record, report=witness.report)
    await recording.wait()
    assert await pump.aclose()
    assert [type(error) for error in witness.reported] == [LookupError]


async def test_a_failure_in_the_finally_of_a_closing_source_is_reported(witness):
    async def source():
        try:
            yield b"a"
            await asyncio.Event().wait()
        finally:
            raise LookupError

    pump = await primed(source(), report=witness.report)
    await pump.aclose()
    assert [type(error) for error in witness.reported] == [LookupError]


# Producers that are not iterated.


async def test_a_producer_sends_until_it_returns():
    async def produce(send):
        for item in (b"a", b"b"):
            await send(item)

    assert b"".join([chunk async for chunk in await primed(Spawn(produce))]) == b"ab"


async def test_send_waits_when_the_client_is_slow():
    sent = []

    async def produce(send):
        while True:
            await send(b"x" * 100)
            sent.append(1)

    pump = await primed(Spawn(produce), capacity=1000)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(sent) == 9
    await anext(aiter(pump))
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(sent) == 19
    await pump.aclose()


async def test_send_raises_when_the_client_has_left():
    raised = []

    async def produce(send):
        try:
            while True:
                await send(b"x" * 100)
        except ClientDisconnected as error:
            raised.append(error)
            raise

    pump = await primed(Spawn(produce), capacity=1000)
    for _ in range(20):
        await asyncio.sleep(0)
    assert await pump.aclose()
    assert len(raised) == 1


async def test_send_raises_also_if_the_reader_closes_its_side_first():
    """As Django does, whose handler closes what it iterates before it closes the response."""
    raised = []

    async def produce(send):
        try:
            while True:
                await send(b"x" * 100)
        except BaseException as error:
            raised.append(type(error))
            raise

    pump = await primed(Spawn(produce), capacity=1000)
    for _ in range(20):
        await asyncio.sleep(0)
    await aiter(pump).aclose()
    assert await pump.aclose()
    assert raised == [ClientDisconnected]


@pytest.mark.parametrize("items", [(), (b"a",)], ids=["at once", "midway"])
@pytest.mark.parametrize(
    "error",
    [BodyAborted(), BaseExceptionGroup("", [BodyAborted()])],
    ids=["alone", "in a group"],
)
async def test_a_source_that_hears_from_its_request_that_the_client_has_left_has_not_failed(
    error, items, witness
):
    pump = await primed(failing(error, *items), record=witness.record, report=witness.report)
    with pytest.raises(BrokenOff):
        async for _ in pump:
            pass
    assert witness.reported == []


async def test_another_streams_client_is_no_excuse(witness):
    source = failing(ClientDisconnected("of another stream"), b"a")
    pump = await primed(source, record=witness.record, report=witness.report)
    with pytest.raises(BrokenOff):
        async for _ in pump:
            pass
    assert len(witness.reported) == 1


@pytest.mark.parametrize("is_iterated", [True, False])
async def test_leaving_a_group_of_tasks_is_no_failure(is_iterated, witness):
    async def send_forever(send):
        while True:
            await send(b"x" * 100)

    async def produce(send):
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(send_forever(send))

    async def source():
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.Event().wait())
            while True:
                yield b"x" * 100

    given = source() if is_iterated else Spawn(produce)
    pump = await primed(given, capacity=1000, report=witness.report)
    for _ in range(20):
        await asyncio.sleep(0)
    assert await pump.aclose()
    assert witness.reported == []
    assert pump._task.cancelled() or pump._task.exception() is None


async def test_a_producer_that_is_not_async_is_named():
    with pytest.raises(TypeError, match="is not async: it returned None"):
        await primed(Spawn(lambda send: None))


@pytest.mark.usefixtures("long_turns")
async def test_a_producer_that_waits_for_something_else_is_cancelled():
    cancelled = []

    async def produce(send):
        await send(b"a")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    pump = await primed(Spawn(produce))
    assert await pump.aclose()
    assert cancelled == [True]


async def test_a_producer_that_catches_everything_does_not_freeze_the_loop():
    async def produce(send):
        for _ in range(1000):
            try:
                await send(b"x" * 100)
            except ClientDisconnected:
                pass

    pump = await primed(Spawn(produce), capacity=1000)
    closing = asyncio.ensure_future(pump.aclose())
    async with asyncio.timeout(5):
        assert await closing


async def test_send_may_be_called_from_several_tasks():
    async def produce(send):
        async with asyncio.TaskGroup() as group:
            for n in range(50):
                group.create_task(send(b"%d " % n * 50))

    pump = await primed(Spawn(produce), capacity=100)
    words = b"".join([chunk async for chunk in pump]).split()
    assert sorted(set(map(int, words))) == list(range(50))
    assert len(words) == 2500


async def test_send_after_the_end_is_refused():
    sends = []

    async def produce(send):
        sends.append(send)
        await send(b"a")

    await drain(await primed(Spawn(produce)))
    with pytest.raises(RuntimeError, match="after the producer had returned"):
        await sends[0](b"b")


# Without an event loop.


def test_a_source_is_driven_in_the_callers_thread_one_chunk_an_item():
    options = PumpOptions(encode=bytes, head=b"<", tail=b">")
    assert list(drive(lambda: iter([b"a", b"b"]), options, fail=None)) == [b"<", b"a", b"b", b">"]


@pytest.mark.parametrize("breaks_off", [True, False])
def test_a_failure_is_recorded_and_breaks_off_without_a_loop_too(breaks_off):
    def source():
        yield b"a"
        raise LookupError

    seen = []
    options = PumpOptions(encode=bytes, tail=b">", breaks_off=breaks_off)
    chunks = drive(source, options, fail=lambda error: seen.append(error) or b"!")
    assert [next(chunks), next(chunks)] == [b"a", b"!"]
    with pytest.raises(BrokenOff if breaks_off else StopIteration):
        next(chunks)
    assert [type(error) for error in seen] == [LookupError]


def test_closing_the_iteration_closes_the_source():
    closed = []

    def source():
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    chunks = drive(source, PumpOptions(encode=bytes), fail=None)
    next(chunks)
    chunks.close()
    assert closed == [True]


# Ended from outside.


@pytest.mark.usefixtures("long_turns")
@pytest.mark.parametrize("is_clean", [True, False])
async def test_a_stream_that_is_ended_delivers_what_is_there(witness, is_clean):
    pump = await primed(witness.waiting(b"1", b"2"), tail=b"]")
    pump.end(is_clean=is_clean)
    pump.end(is_clean=not is_clean)  # The first one counts.
    chunks = []
    with contextlib.nullcontext() if is_clean else pytest.raises(BrokenOff):
        async for chunk in pump:
            chunks.append(chunk)
    assert b"".join(chunks) == b"12"
    assert await pump.aclose()
    assert witness.is_closed
    assert not witness.reported


@pytest.mark.usefixtures("long_turns")
async def test_a_stream_that_waits_for_its_client_can_be_ended(witness):
    pump = await primed(witness.endless(), capacity=1000)
    pump.end(is_clean=True)
    assert b"".join([chunk async for chunk in pump]) == b"x" * 1000
    assert await pump.aclose()
    assert witness.is_closed


async def test_the_end_interrupts_a_source_once():
    steps = []

    async def source():
        try:
            yield b"1"
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            steps.append("closed")

    pump = await primed(source())
    assert await anext(aiter(pump)) == b"1"
    pump.end(is_clean=True)
    assert await pump.aclose()
    assert steps == ["closed"]


@pytest.mark.usefixtures("long_turns")
async def test_a_producer_that_pushes_hears_that_its_stream_was_ended(witness):
    heard = []

    async def produce(send):
        await send(b"1")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            with pytest.raises(ClientDisconnected):
                await send(b"2")
            heard.append("ended")
            raise

    pump = await primed(Spawn(produce), report=witness.report)
    pump.end(is_clean=False)
    with pytest.raises(BrokenOff):
        await drain(pump)
    assert await pump.aclose()
    assert heard == ["ended"]
    assert not witness.reported


async def test_ending_what_has_ended_does_nothing():
    pump = await primed(once(b"1"))
    assert b"".join([chunk async for chunk in pump]) == b"1"
    pump.end(is_clean=False)
    assert await pump.aclose()


# What is counted.


async def once(*items):
    for item in items:
        yield item


@pytest.mark.parametrize("count", [0, 1, 2, 17, 1000])
async def test_items_and_bytes_are_counted(count):
    sources = [
        once(*[b"123"] * count),
        [b"123"] * count,
        Spawn(lambda send: pushed(send, count)),
    ]
    for source in sources:
        pump = await primed(source, head=b"[", tail=b"]", capacity=500)
        await drain(pump)
        assert (pump.items, pump.bytes_taken) == (count, 3 * count + 2)
        assert pump.failure is None


async def pushed(send, count):
    for _ in range(count):
        await send(b"123")


async def test_items_before_a_failure_are_counted(witness):
    async def failing():
        for _ in range(10):
            yield b"1"
        raise LookupError

    pump = await primed(failing(), report=witness.report, breaks_off=False)
    await drain(pump)
    assert pump.items == 10
    assert isinstance(pump.failure, LookupError)
