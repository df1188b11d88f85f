"""`asgi.sending`: what becomes of the rest of a body that its client does not take."""

import asyncio
import socket

import pytest
import uvloop

from django_streams.asgi.sending import abort, abort_later

from .servers import HOST, PATIENCE

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
