"""`Exchange`: what the handler keeps of one request and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.http import HttpRequest

from django_streams.body import Receiver
from django_streams.conf import conf
from django_streams.lifetime import shutdown
from django_streams.release import let_go
from django_streams.responses import EXCHANGE, StreamResponse

__all__ = ["EXCHANGE", "Exchange"]


class Exchange:
    """One request and its answer, from the first byte to the last `finally`."""

    receiver: Receiver | None = None
    """What the body is read from, if it was left unread."""
    body_file: Any = None
    """The file with the body, or what receives it if it was left unread."""
    response: StreamResponse | None = None
    """The stream, if that is the answer."""
    is_over = False
    """Whether nobody waits for the answer any more."""
    is_stalled = False
    """Whether the client has stopped to take what is sent to it."""
    _is_cut = False

    @contextmanager
    def hearing_of_shutdown(self) -> Iterator[None]:
        """Lets a request whose body is still coming end when the server stops."""
        if self.receiver is None:
            yield
            return
        shutdown.listen()
        shutdown.add(self)
        try:
            yield
        finally:
            shutdown.remove(self)

    @property
    def is_cut_off(self) -> bool:
        """Whether the server's end has kept the request from being answered."""
        return self._is_cut and self.receiver is not None and not self.receiver.is_answered

    def shut_down(self) -> None:
        """Lets the body come for the grace of a shutdown, and no longer."""
        asyncio.get_running_loop().call_later(conf.shutdown_grace, self._cut)

    def _cut(self) -> None:
        self._is_cut = True
        if self.receiver is not None:
            self.receiver.cut()

    def prepare(self, request: HttpRequest) -> None:
        """Is shown the request before anything else sees it."""

    async def aclose(self) -> None:
        """Waits until nothing of the stream runs any more, and lets nothing start."""
        self.is_over = True
        try:
            if self.response is not None:
                await self.response.aclose()
                await let_go()  # Of what the source itself has opened.
        finally:  # Also if whoever cancels has lost patience with the source.
            if self.response is not None:
                await self.response.tell_end()
            if self.body_file is not None:
                self.body_file.close()  # Django before 6.1 does not when something is raised.
