"""`asgi.sending`: a client that stalls, and one that is only slow."""

import asyncio
import socket
import ssl
from asyncio.sslproto import SSLProtocol

import pytest
import uvloop

from django_streams.asgi.sending import Sending, abort, abort_later
from django_streams.exceptions import BrokenOff
from django_streams.lifetime.shutdown import Shutdown

from .servers import HOST, PATIENCE

SECONDS = 0.05


class Server:
    """Sends when it is told to. As uvicorn, it shows what it holds for the client."""

    def __init__(self):
        self.sent = []
        self.may_send = asyncio.Event()

    async def send(self, message):
        await self.may_send.wait()
        self.sent.append(message)


class Uvicorn(Server):
    def __init__(self):
        super().__init__()
        self.transport = self
        self.held = 0
        self.is_aborted = False
        self.has_lost_connection = self.is_secure = False

    def is_closing(self):
        return self.has_lost_connection

    def get_extra_info(self, name):
        return self if name == "sslcontext" and self.is_secure else None

    def get_write_buffer_size(self):
        return self.held

    def abort(self):
        self.is_aborted = True


def body(size):
    return {"type": "http.response.body", "body": b"x" * size}


@pytest.mark.parametrize("kind", [Server, Uvicorn])
async def test_a_client_that_takes_nothing_is_given_up(kind):
    server = kind()
    server.held = 10
    with pytest.raises(BrokenOff, match="does not take"):
        async with Sending(server.send, SECONDS) as sending:
            await sending(body(10))
    assert sending.is_stalled


async def test_what_is_sent_at_once_is_no_stall():
    server = Server()
    server.may_send.set()
    async with Sending(server.send, SECONDS) as sending:
        await sending.write(b"1")
        await asyncio.sleep(3 * SECONDS)  # The source has nothing to say.
        await sending.write(b"2")
    assert [message["body"] for message in server.sent] == [b"1", b"2"]
    assert not sending.is_stalled


async def test_a_large_piece_has_its_time_where_the_server_does_not_say_what_is_left():
    server = Server()
    async with asyncio.timeout(5), Sending(server.send, SECONDS) as sending:
        asyncio.get_running_loop().call_later(4 * SECONDS, server.may_send.set)
        await sending.write(b"x" * 2**20)
    assert not sending.is_stalled


async def test_a_client_that_takes_some_of_it_is_no_stall():
    server = Uvicorn()
    server.held = 1000
    async with asyncio.timeout(10), Sending(server.send, 20 * SECONDS) as sending:
        taking = asyncio.ensure_future(take(server))
        await sending.write(b"x" * 1000)
        await taking
    assert not sending.is_stalled


async def take(server):
    for _ in range(25):
        await asyncio.sleep(SECONDS)
        server.held -= 10
    server.may_send.set()


async def test_without_a_limit_it_waits():
    server = Server()
    async with Sending(server.send, None) as sending:
        asyncio.get_running_loop().call_later(3 * SECONDS, server.may_send.set)
        await sending.write(b"x")
    assert server.sent


async def test_it_can_be_cut():
    server = Server()
    with pytest.raises(BrokenOff):
        async with Sending(server.send, None) as sending:
            asyncio.get_running_loop().call_soon(sending.cut)
            await sending.write(b"x")
    assert sending.is_stalled
    with pytest.raises(BrokenOff):
        async with Sending(server.send, None) as sending:
            asyncio.get_running_loop().call_soon(sending.cut)
            await asyncio.Event().wait()  # The source is slow, and not the client.
    assert not sending.is_stalled


async def test_what_is_sent_while_the_server_stops_leaves_no_timer():
    timers = []
    loop = asyncio.get_running_loop()
    server = Server()
    server.may_send.set()
    listener = Shutdown()
    listener.begin()
    sending = Sending(server.send, None)
    listener.add(sending)
    async with sending:
        timers += sending._timers.values()
        await sending(body(1))
    listener.remove(sending)
    loop.call_soon(timers.extend, sending._timers.values())
    await asyncio.sleep(0)
    assert timers
    assert all(timer.cancelled() for timer in timers)


async def test_a_connection_that_is_lost_without_a_word_is_noticed():
    server = Uvicorn()
    server.may_send.set()
    with pytest.raises(BrokenOff):
        async with asyncio.timeout(PATIENCE), Sending(server.send, SECONDS) as sending:
            await sending(body(1))
            server.has_lost_connection = True
            await asyncio.Event().wait()
    assert not sending.is_stalled


async def test_other_errors_and_timeouts_are_left_alone():
    server = Server()
    with pytest.raises(LookupError):
        async with Sending(server.send, SECONDS):
            raise LookupError
    with pytest.raises(TimeoutError):
        async with Sending(server.send, SECONDS), asyncio.timeout(0):
            await asyncio.Event().wait()


# Without waiting, outside any task.


async def test_only_a_server_that_shows_what_it_holds_is_ready_and_only_if_that_is_nothing():
    server = Uvicorn()
    async with Sending(Server().send, None) as elsewhere, Sending(server.send, None) as sending:
        assert not elsewhere.writes_now
        assert not elsewhere.is_ready
        assert sending.writes_now
        assert sending.is_ready
        server.held = 1
        assert not sending.is_ready


async def test_a_server_that_has_lost_the_connection_is_not_ready():
    server = Uvicorn()
    async with Sending(server.send, None) as sending:
        server.has_lost_connection = True
        assert not sending.is_ready


@pytest.fixture
async def lost_tls():
    """asyncio's transport of a TLS connection that is lost, which uvicorn closes once more."""
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    protocol = SSLProtocol(loop, asyncio.Protocol(), context, None, server_side=True)
    transport = protocol._get_app_transport()
    transport.close()
    transport.close()
    return transport


async def test_a_lost_tls_connection_holds_nothing_and_takes_nothing(lost_tls, monkeypatch):
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    monkeypatch.setattr("django_streams.asgi.sending.CUT_SECONDS", SECONDS)
    send = Cycle(lost_tls).send
    with pytest.raises(BrokenOff):
        async with asyncio.timeout(PATIENCE), Sending(send, SECONDS) as sending:
            abort_later(send)
            assert not sending.is_ready
            await asyncio.Event().wait()
    await asyncio.sleep(2 * SECONDS)
    assert failures == []


async def test_over_tls_every_piece_is_left_to_a_task():
    server = Uvicorn()
    server.is_secure = True
    async with Sending(server.send, None) as sending:
        assert not sending.writes_now


async def test_what_a_wrapper_of_the_servers_send_does_is_left_to_a_task():
    server = Uvicorn()

    async def send(message):
        async with asyncio.timeout(5):
            await server.send(message)

    async with Sending(send, None) as sending:
        assert not sending.writes_now


def written_now(sending, *chunks):
    """Has them written from a callback; returns when they were."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def write():
        assert asyncio.current_task() is None
        for chunk in chunks:
            sending.write_now(chunk)
        done.set_result(None)

    loop.call_soon(write)
    return done


def piece(chunk):
    return {"type": "http.response.body", "body": chunk, "more_body": True}


async def test_a_piece_is_sent_from_a_callback():
    server = Uvicorn()
    server.may_send.set()
    async with Sending(server.send, SECONDS) as sending:
        await written_now(sending, b"a", b"b")
        assert server.sent == [piece(b"a"), piece(b"b")]
        await asyncio.sleep(2 * SECONDS)  # It has left: the client has not stalled.


async def test_a_piece_that_has_to_wait_nevertheless_is_sent_before_the_next_message():
    server = Uvicorn()
    async with Sending(server.send, None) as sending:
        await written_now(sending, b"a")
        assert not sending.is_ready
        assert server.sent == []
        asyncio.get_running_loop().call_soon(server.may_send.set)
        await sending.write(b"b")
        assert sending.is_ready
    assert server.sent == [piece(b"a"), piece(b"b")]


async def test_a_client_that_does_not_take_what_was_sent_from_a_callback_is_given_up():
    server = Uvicorn()
    with pytest.raises(BrokenOff, match="does not take"):
        async with Sending(server.send, SECONDS) as sending:
            await written_now(sending, b"a")
            await asyncio.Event().wait()
    assert sending.is_stalled


# What is left of a body when the server stops.

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


class Cycle:
    """Has the transport, as what uvicorn's `send` is a method of."""

    def __init__(self, transport):
        self.transport = transport

    async def send(self, message): ...


async def written(writer):
    """Writes more than the client has room for; returns how many bytes that were."""
    sent = 0
    while not writer.transport.get_write_buffer_size():
        writer.write(bytes(2**16))
        sent += 2**16
        await asyncio.sleep(0)  # uvloop writes when all others have had their turn.
        await asyncio.sleep(0)
    return sent


async def answered(client_reads):
    """Ends a body whose rest is left in the transport; returns what of it has been received."""
    loop = asyncio.get_running_loop()
    sent = loop.create_future()

    async def answer(reader, writer):
        count = await written(writer)
        abort_later(Cycle(writer.transport).send)
        writer.close()
        if client_reads:
            sent.set_result(count)
        await writer.wait_closed()
        if not client_reads:
            sent.set_result(count)

    async with asyncio.timeout(PATIENCE), await asyncio.start_server(answer, HOST) as server:
        client = socket.create_connection(server.sockets[0].getsockname(), timeout=PATIENCE)
        with client:
            count = await sent
            received = await asyncio.to_thread(received_by, client)
    return count, received


def received_by(client):
    received = 0
    try:
        while data := client.recv(2**20):
            received += len(data)
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_connection_is_dropped_if_the_rest_is_not_taken(new_loop):
    with asyncio.Runner(loop_factory=new_loop) as runner:
        sent, received = runner.run(answered(client_reads=False))
    assert received < sent


@pytest.mark.parametrize("new_loop", LOOPS)
def test_whoever_takes_the_rest_gets_all_of_it(new_loop):
    with asyncio.Runner(loop_factory=new_loop) as runner:
        sent, received = runner.run(answered(client_reads=True))
    assert received == sent


async def test_where_no_transport_is_found_nothing_is_dropped():
    async def send(message): ...

    abort(send)
    abort_later(send)
