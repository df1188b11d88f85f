"""`asgi.holding`: daphne holds an application back while its client does not take what is sent."""

import asyncio
from functools import partial

import pytest

from django_streams.asgi.holding import holding_back

START = {"type": "http.response.start", "status": 200, "headers": []}
MORE = {"type": "http.response.body", "body": b"a", "more_body": True}
LAST = {"type": "http.response.body", "body": b"z"}


class Request:
    """As much of Twisted's as daphne has; it forgets its channel when the connection is lost."""

    def __init__(self):
        self.producer = None
        self.channel = object()
        self.sent = []

    def registerProducer(self, producer, streaming):  # noqa: N802 - Twisted's name.
        assert self.producer is None
        assert streaming
        self.producer = producer

    def unregisterProducer(self):  # noqa: N802 - Twisted's name.
        assert self.channel is not None  # Or Twisted fails.
        self.producer = None


async def daphnes_send(request, message):
    if request.channel is not None:
        assert message is not LAST or request.producer is None  # Or Twisted complains.
        request.sent.append(message)


@pytest.fixture
def request_():
    return Request()


@pytest.fixture
def send(request_):
    return holding_back(partial(daphnes_send, request_))


async def test_what_is_sent_waits_for_a_client_that_is_behind(send, request_):
    await send(START)
    await send(MORE)
    request_.producer.pauseProducing()
    sending = asyncio.create_task(send(MORE))
    await asyncio.sleep(0)
    assert request_.sent == [START, MORE, MORE]
    assert not sending.done()
    request_.producer.resumeProducing()
    await asyncio.wait_for(sending, 5)
    await send(LAST)
    assert request_.sent == [START, MORE, MORE, LAST]


async def test_a_connection_that_is_lost_lets_go(send, request_):
    await send(START)
    request_.producer.pauseProducing()
    sending = asyncio.create_task(send(MORE))
    await asyncio.sleep(0)
    assert not sending.done()
    request_.producer.stopProducing()
    await asyncio.wait_for(sending, 5)


async def test_nothing_is_registered_where_the_connection_is_lost_already(send, request_):
    request_.channel = None
    for message in (START, MORE, LAST):
        await send(message)
    assert request_.producer is None


async def test_a_client_that_leaves_before_the_last_message_leaves_nothing_to_unregister(
    send, request_
):
    for message in (START, MORE):
        await send(message)
    request_.producer.stopProducing()
    request_.channel = None
    await send(LAST)
    assert request_.sent == [START, MORE]


def test_the_send_of_another_server_is_left_as_it_is():
    async def send(message):
        pass

    for other in (send, partial(send), partial(daphnes_send, object())):
        assert holding_back(other) is other
