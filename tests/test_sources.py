"""`sources`: whatever a user gives is driven in the right thread, and closed there."""

import asyncio
import threading

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation

from django_streams import BrokenOff, NoContent, sources
from django_streams.pump import Pump, PumpOptions
from django_streams.release import let_go
from django_streams.sources import open_source, opened_here
from tests.kennel.models import Dog, Owner


async def everything(source, to_item=None, **options) -> bytes:
    """All that a source yields, pumped as in a request with a thread of its own."""
    async with ThreadSensitiveContext():
        pump = started(source, to_item, **options)
        try:
            return b"".join([chunk async for chunk in pump])
        finally:
            assert await pump.aclose()
            await let_go()


def started(source, to_item=None, **options) -> Pump:
    async def opened(encode):
        return await open_source(encode, source=source, to_item=to_item)

    pump = Pump(opened, PumpOptions(encode=lambda item: f"{item} ".encode(), **options))
    pump.start()
    return pump


async def agen():
    for n in range(3):
        yield n


def gen():
    yield from range(3)


async def coroutine_of_agen():
    return agen()


def function_of_list():
    return [0, 1, 2]


class AsyncIterable:
    def __aiter__(self):
        return agen()


@pytest.mark.parametrize(
    "source",
    [
        agen,
        gen,
        coroutine_of_agen,
        function_of_list,
        AsyncIterable(),
        range(3),
        [0, 1, 2],
        {0, 1, 2},
    ],
    ids=repr,
)
async def test_every_kind_of_source_is_driven(source):
    assert await everything(source) == b"0 1 2 "


async def test_opened_generators_and_coroutines_are_sources_too():
    assert await everything(agen()) == b"0 1 2 "
    assert await everything(gen()) == b"0 1 2 "
    assert await everything(coroutine_of_agen()) == b"0 1 2 "


@pytest.mark.parametrize("source", [5, None, "text", b"bytes", {"a": 1}, object()], ids=repr)
async def test_what_is_no_source_is_refused_by_its_value_and_where_it_came_from(source):
    def stream():
        return source

    with pytest.raises(TypeError, match=r"\(from .*stream") as caught:
        await open_source(bytes, source=stream)
    assert repr(source)[:50] in str(caught.value)
    assert "async generator" in str(caught.value)


@pytest.mark.parametrize("function", [agen, gen, coroutine_of_agen])
async def test_a_function_that_was_returned_and_not_called_is_no_source(function):
    async def coroutine():
        return function

    for stream in (coroutine, lambda: function):
        with pytest.raises(TypeError, match=r"^<function .* is no source of items"):
            await open_source(bytes, source=stream)
    with pytest.raises(TypeError, match=r"^<function .* is no source of items"):
        opened_here(lambda: function)


async def test_a_coroutine_that_returns_none_has_no_content():
    async def stream():
        return None

    with pytest.raises(NoContent):
        await open_source(bytes, source=stream)


async def test_a_plain_function_and_a_plain_generator_run_in_the_requests_thread():
    threads = []

    def generator():
        for n in range(3):
            threads.append(threading.get_ident())
            yield n

    def function():
        threads.append(threading.get_ident())
        return generator()

    await everything(function)
    assert len(threads) == 4
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


async def test_a_plain_generator_hands_over_what_it_has_while_it_goes_on():
    go_on = threading.Event()

    def generator():
        yield "first"
        assert go_on.wait(5)
        yield "second"

    async with ThreadSensitiveContext():
        pump = started(generator)
        await pump.primed(5, for_item=True)
        chunks = aiter(pump)
        assert await anext(chunks) == b"first "
        go_on.set()
        assert b"".join([chunk async for chunk in chunks]) == b"second "


async def test_a_plain_generator_stops_at_the_capacity():
    made = []

    def generator():
        while True:
            made.append(1)
            yield "x" * 999

    async with ThreadSensitiveContext():
        pump = started(generator)
        await pump.primed(5, for_item=True)
        before = 0
        while before != len(made) or not made:
            before = len(made)
            await asyncio.sleep(0.02)  # It stands still: there is no event for nothing happening.
        assert len(made) <= 2 * 66
        assert await pump.aclose()


@pytest.mark.parametrize("items", [1, 100_000])
async def test_a_plain_generator_is_closed_in_its_thread(items):
    threads = []

    def generator():
        threads.append(threading.get_ident())
        try:
            for n in range(items):
                yield n
        finally:
            threads.append(threading.get_ident())

    async with ThreadSensitiveContext():
        pump = started(generator)
        await pump.primed(5, for_item=True)
        assert await pump.aclose()
    assert len(threads) == 2
    assert len(set(threads)) == 1


async def test_a_plain_generator_is_closed_at_its_next_item_when_the_client_left_in_between():
    is_waiting, go_on = threading.Event(), threading.Event()
    closed = []

    def generator():
        try:
            yield 1
            is_waiting.set()
            go_on.wait(5)
            yield 2
            closed.append("never here")
        finally:
            closed.append("closed")

    async with ThreadSensitiveContext():
        pump = started(generator)
        await pump.primed(5, for_item=True)
        await asyncio.to_thread(is_waiting.wait, 5)
        closing = asyncio.ensure_future(pump.aclose())
        for _ in range(10):  # The source's task hears of it within a turn or two of the loop.
            await asyncio.sleep(0)
        go_on.set()
        assert await closing
    assert closed == ["closed"]


async def test_what_a_plain_generator_raises_comes_after_what_it_yielded():
    def generator():
        yield 1
        yield 2
        raise LookupError("x")

    reported = []

    async def report(error):
        reported.append(error)

    with pytest.raises(BrokenOff, match="LookupError"):
        await everything(generator, report=report)
    assert [str(error) for error in reported] == ["x"]


async def test_other_synchronous_code_gets_its_turn_between_the_batches():
    def endless():
        while True:
            yield "x" * 100

    async with ThreadSensitiveContext():
        pump = started(endless)

        async def read():
            async for _ in pump:
                pass

        reading = asyncio.ensure_future(read())
        async with asyncio.timeout(5):
            for _ in range(5):
                await sync_to_async(threading.get_ident)()
        await pump.aclose()
        await asyncio.wait([reading])
        assert reading.exception() is not None


# to_item


async def test_to_item_is_applied_sync_and_async_to_async_and_plain_sources():
    async def slowly(n):
        await asyncio.sleep(0)
        return n * 10

    for source in (agen, gen, function_of_list):
        assert await everything(source, to_item=lambda n: n * 10) == b"0 10 20 "
        assert await everything(source, to_item=slowly) == b"0 10 20 "

    async def produce(send):
        for n in range(3):
            await send(n)

    for to_item in (slowly, lambda n: n * 10):
        assert await everything(sources.Spawn(produce), to_item=to_item) == b"0 10 20 "


@pytest.mark.django_db(transaction=True)
async def test_a_query_set_is_iterated_in_the_thread_and_to_item_may_follow_relations():
    owner = await Owner.objects.acreate(name="Ada")
    for name in ("Rex", "Fido"):
        await Dog.objects.acreate(name=name, owner=owner)
    dogs = Dog.objects.all()
    assert await everything(dogs, to_item=lambda dog: f"{dog.name}/{dog.owner.name}") == (
        b"Rex/Ada Fido/Ada "
    )
    assert await everything(lambda: dogs.values_list("name", flat=True)) == b"Rex Fido "
    assert dogs._result_cache is None  # Nothing was fetched whole.


@pytest.mark.django_db(transaction=True)
async def test_a_relation_that_is_followed_on_the_event_loop_is_explained():
    owner = await Owner.objects.acreate(name="Ada")
    await Dog.objects.acreate(name="Rex", owner=owner)
    async with ThreadSensitiveContext():
        pump = started(Dog.objects.aiterator(), to_item=lambda dog: dog.owner.name)
        with pytest.raises(SynchronousOnlyOperation, match="select_related"):
            await pump.primed(5, for_item=True)
        await let_go()


async def test_a_timeout_of_the_source_reaches_it_through_an_async_to_item():
    async def source():
        try:
            async with asyncio.timeout(0.01):
                while True:
                    yield "x" * 1000
        except TimeoutError:
            yield "bye"

    async def to_item(value):
        await asyncio.sleep(0)
        return value

    async with ThreadSensitiveContext():
        pump = started(source, to_item, capacity=1000)
        await pump.primed(5, for_item=True)
        await asyncio.wait([pump._task])
        body = b"".join([chunk async for chunk in pump])
    assert body.endswith(b" bye ")


@pytest.mark.parametrize(
    ("source", "to_item"),
    [(lambda: next(iter(())), None), ([1], lambda value: next(iter(())))],
    ids=["stream", "to_item"],
)
async def test_a_stop_iteration_in_a_thread_is_an_error_and_no_end_or_hang(source, to_item):
    async with ThreadSensitiveContext():
        pump = started(source, to_item)
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            async with asyncio.timeout(5):
                await pump.primed(5, for_item=True)


async def test_an_async_to_item_that_a_thread_waits_for_is_cancelled():
    waiting, ended = asyncio.Event(), []

    async def to_item(value):
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async with ThreadSensitiveContext():
        pump = started([1], to_item)
        await waiting.wait()
        assert await pump.aclose()
    assert ended == [True]


async def test_a_failure_of_a_plain_generator_that_nobody_came_to_see_is_reported(monkeypatch):
    monkeypatch.setattr(sources, "TURN_SECONDS", 60)  # The source goes on after its first item.
    reported = []

    async def report(error):
        reported.append(error)

    failed = threading.Event()

    def source():
        yield 1
        failed.set()
        raise LookupError

    async with ThreadSensitiveContext():
        pump = started(source, report=report, capacity=1)
        await pump.primed(5, for_item=True)
        assert await asyncio.to_thread(failed.wait, 5)
        await asyncio.wait([pump._feed._batch])
        assert not reported  # The buffer is full: nobody has asked for more.
        assert await pump.aclose()
    assert [type(error) for error in reported] == [LookupError]


async def test_objects_with_an_async_call_are_async():
    class Source:
        async def __call__(self):
            return [1, 2]

    class Tenfold:
        async def __call__(self, value):
            return value * 10

    assert await everything(Source(), to_item=Tenfold()) == b"10 20 "


def test_discarding_closes_what_can_be_closed():
    closed = []

    class File:
        def close(self):
            closed.append(True)

    sources.discard(File())
    sources.discard([])
    coroutine = coroutine_of_agen()
    sources.discard(coroutine)
    assert closed == [True]
