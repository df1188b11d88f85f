"""Holding an application back under daphne, which takes whatever it is sent into memory.

daphne answers through a request of Twisted, whose transport tells a push producer when its buffer
is full and when it is empty again. daphne registers none, so we do:
https://docs.twisted.org/en/stable/core/howto/producers.html
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

__all__ = ["holding_back"]

Send = Callable[[Mapping[str, Any]], Awaitable[None]]


def holding_back(send: Send) -> Send:
    """Returns a `send` that waits for a slow client, if the server is daphne; any other as it is.

    It is a partial over the Twisted request, as daphne's own is.
    """
    request = send.args[0] if isinstance(send, functools.partial) and send.args else None
    if not hasattr(request, "registerProducer"):
        return send
    return functools.partial(_send_held_back, request, _Gate(), send)


class _Gate(asyncio.Event):
    """Is set while the client takes what is sent: a push producer (Twisted's IPushProducer)."""

    def __init__(self) -> None:
        super().__init__()
        self.set()
        self.pauseProducing = self.clear
        self.resumeProducing = self.stopProducing = self.set  # Stopped: the connection is lost.


async def _send_held_back(
    request: Any, gate: _Gate, send: Send, message: Mapping[str, Any]
) -> None:
    goes_on = message["type"] == "http.response.start" or message.get("more_body", False)
    if not goes_on and request.producer is gate and request.channel is not None:
        request.unregisterProducer()  # Before daphne finishes the request.
    await send(message)
    if goes_on and request.producer is None and request.channel is not None:
        request.registerProducer(gate, True)
    await gate.wait()
