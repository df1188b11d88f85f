"""`Receiver`: one `receive()`, shared by the view that reads and by who hears of a departure."""

import asyncio

import pytest
from django.core.exceptions import RequestAborted

from django_streams.body import receiving
from django_streams.body.receiving import MAX_HELD, Aborted, Receiver

PATIENCE = 5
"""Seconds a test waits for what should happen at once."""


class Server:
    """What an ASGI server is to a receiver: messages in order, and how often one was asked for."""

    def __init__(self):
        self._messages = asyncio.Queue()
        self.asked = 0
        self.waiting = asyncio.Event()

    def send(self, body, *, more=True):
        self._messages.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def leave(self):
        self._messages.put_nowait({"type": "http.disconnect"})

    async def receive(self):
        self.asked += 1
        self.waiting.set()
        return await self._messages.get()

    @property
    def pending(self):
        return self._messages.qsize()


@pytest.fixture
async def server():
    return Server()


@pytest.fixture
async def receiver(server):
    return Receiver(server.receive)


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """The turns of the listener take no time."""
    monkeypatch.setattr(receiving, "TURN_SECONDS", 0)


@pytest.fixture
async def listener(receiver):
    task = asyncio.ensure_future(receiver.departure())
    yield task
    task.cancel()


async def soon(awaitable):
    async with asyncio.timeout(PATIENCE):
        return await awaitable


async def settled():
    """Lets everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_chunks_come_in_order_and_end(server, receiver):
    server.send(b"a")
    server.send(b"")
    server.send(b"b", more=False)
    assert [await soon(receiver.chunk()) for _ in range(3)] == [b"a", b"b", None]
    assert await soon(receiver.chunk()) is None
    assert receiver.is_whole
    assert server.asked == 3


async def test_a_message_without_a_body_and_without_more_is_the_end(receiver, server):
    server._messages.put_nowait({"type": "http.request"})
    assert await soon(receiver.chunk()) is None


async def test_a_reader_hears_of_a_departure_as_both_exceptions(server, receiver):
    server.send(b"a")
    server.leave()
    assert await soon(receiver.chunk()) == b"a"
    for _ in range(2):
        with pytest.raises(RequestAborted) as raised:
            await soon(receiver.chunk())
        assert isinstance(raised.value, Aborted)
    assert server.asked == 2


async def test_nobody_receives_from_a_client_that_waits_to_be_asked_before_the_answer(server):
    receiver = Receiver(server.receive, awaits_continue=True)
    listener = asyncio.ensure_future(receiver.departure())
    server.send(b"a")
    await settled()
    assert server.asked == 0
    receiver.begin()
    await soon(server.waiting.wait())
    listener.cancel()


async def test_a_client_that_waits_to_be_asked_is_asked_by_the_first_read(server):
    receiver = Receiver(server.receive, awaits_continue=True)
    server.send(b"a")
    assert await soon(receiver.chunk()) == b"a"


async def test_a_departure_is_heard_before_the_view_has_read_anything(server, listener):
    server.leave()
    await soon(listener)


async def test_the_listener_hears_of_a_departure_while_nobody_reads(server, receiver, listener):
    server.send(b"a")
    assert await soon(receiver.chunk()) == b"a"
    server.leave()
    await soon(listener)
    with pytest.raises(RequestAborted):
        await receiver.chunk()


async def test_the_listener_holds_what_comes_for_the_reader(server, receiver, listener):
    receiver.begin()
    for letter in b"abc":
        server.send(bytes([letter]))
    await settled()
    assert server.pending == 0
    assert [await soon(receiver.chunk()) for _ in range(3)] == [b"a", b"b", b"c"]


async def test_the_listener_holds_no_more_than_a_bound_and_goes_on_when_there_is_room(
    server, receiver, listener
):
    receiver.begin()
    for _ in range(10):
        server.send(bytes(MAX_HELD // 2))
    await settled()
    assert server.pending == 8
    assert len(await soon(receiver.chunk())) == MAX_HELD // 2
    await settled()
    assert server.pending == 7


async def test_a_body_that_a_stream_has_forgotten_is_given_up(
    server, receiver, listener, monkeypatch
):
    monkeypatch.setattr(receiving, "GIVE_UP_SECONDS", 0.01)
    receiver.begin()
    for _ in range(100):
        server.send(bytes(MAX_HELD))
    server.leave()
    await soon(listener)
    assert not receiver._held
    with pytest.raises(RuntimeError, match="given up"):
        await receiver.chunk()


async def test_a_body_is_not_given_up_before_the_answer(server, receiver, listener, monkeypatch):
    monkeypatch.setattr(receiving, "GIVE_UP_SECONDS", 0)
    for _ in range(3):
        server.send(bytes(MAX_HELD))
    await settled()
    assert server.pending == 2
    assert len(await soon(receiver.chunk())) == MAX_HELD


async def test_a_reader_waits_for_what_the_listener_receives(server, receiver, listener):
    receiver.begin()
    await soon(server.waiting.wait())
    reading = asyncio.ensure_future(receiver.chunk())
    await settled()
    assert server.asked == 1
    server.send(b"a")
    assert await soon(reading) == b"a"


async def test_a_reader_that_waits_for_the_listener_hears_of_a_departure_from_it(
    server, receiver, listener
):
    receiver.begin()
    await soon(server.waiting.wait())
    reading = asyncio.ensure_future(receiver.chunk())
    await settled()
    server.leave()
    with pytest.raises(RequestAborted):
        await soon(reading)
    await settled()
    assert not listener.done()  # The view may clean up before it is cancelled.


async def test_a_view_that_was_told_is_cancelled_if_it_goes_on(
    server, receiver, listener, monkeypatch
):
    monkeypatch.setattr(receiving, "FAREWELL_SECONDS", 0)
    reading = asyncio.ensure_future(receiver.chunk())
    await settled()
    server.leave()
    with pytest.raises(RequestAborted):
        await soon(reading)
    await soon(listener)


async def test_a_cancelled_reader_loses_nothing(server, receiver):
    reading = asyncio.ensure_future(receiver.chunk())
    await settled()
    reading.cancel()
    await asyncio.wait([reading])
    server.send(b"a", more=False)
    assert await soon(receiver.chunk()) == b"a"


async def test_two_readers_at_once_get_a_chunk_each(server, receiver):
    readers = [asyncio.ensure_future(receiver.chunk()) for _ in range(2)]
    await settled()
    assert server.asked == 1
    server.send(b"a")
    server.send(b"b")
    assert sorted(await soon(asyncio.gather(*readers))) == [b"a", b"b"]


async def test_listening_is_handed_on_when_the_body_is_whole(server, receiver):
    heard = []

    async def listen(receive):
        heard.append(await receive())

    listening = asyncio.ensure_future(receiver.listen(listen))
    server.send(b"a", more=False)
    assert await soon(receiver.chunk()) == b"a"
    server.leave()
    await soon(listening)
    assert heard == [{"type": "http.disconnect"}]


async def test_listening_raises_when_the_client_leaves_before(server, receiver):
    receiver.begin()
    server.leave()
    with pytest.raises(RequestAborted):
        await soon(receiver.listen(None))


async def test_it_is_an_asgi_receive_itself(server, receiver):
    server.send(b"a", more=True)
    server.send(b"b", more=False)
    messages = [await soon(receiver()) for _ in range(3)]
    assert [message["body"] for message in messages] == [b"a", b"b", b""]
    assert [message["more_body"] for message in messages] == [True, True, False]


async def test_as_an_asgi_receive_it_tells_of_a_departure(server, receiver):
    server.leave()
    assert await soon(receiver()) == {"type": "http.disconnect"}


async def test_lingering_ends_with_the_body(server, receiver):
    server.send(b"a")
    server.send(b"b", more=False)
    await soon(receiver.linger())
    assert receiver.is_whole


async def test_lingering_ends_when_the_client_leaves(server, receiver, monkeypatch):
    monkeypatch.setattr(receiving, "LINGER_SECONDS", 10 * PATIENCE)
    server.send(b"a")
    server.leave()
    await soon(receiver.linger())


async def test_lingering_ends_after_some_bytes(server, receiver, monkeypatch):
    monkeypatch.setattr(receiving, "LINGER_BYTES", 10)
    for _ in range(5):
        server.send(bytes(4))
    await soon(receiver.linger())
    assert server.pending == 2


async def test_lingering_ends_after_some_time(receiver, monkeypatch):
    monkeypatch.setattr(receiving, "LINGER_SECONDS", 0.01)
    await soon(receiver.linger())
    assert not receiver.is_whole
