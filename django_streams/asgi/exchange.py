"""`Exchange`: what the handler keeps of one request and its answer."""

from __future__ import annotations

from django.http import HttpRequest

from django_streams.body import Receiver
from django_streams.release import let_go
from django_streams.responses import StreamResponse

__all__ = ["EXCHANGE", "Exchange"]

EXCHANGE = "django_streams.exchange"
"""The key of a request's scope under which the handler keeps its `Exchange`."""


class Exchange:
    """One request and its answer, from the first byte to the last `finally`."""

    receiver: Receiver | None = None
    """What the body is read from, if it was left unread."""
    response: StreamResponse | None = None
    """The stream, if that is the answer."""
    is_over = False
    """Whether nobody waits for the answer any more."""

    def prepare(self, request: HttpRequest) -> None:
        """Is shown the request before anything else sees it."""

    async def aclose(self) -> None:
        """Waits until nothing of the stream runs any more, and lets nothing start."""
        self.is_over = True
        if self.response is not None:
            await self.response.aclose()
            await let_go()  # Of what the source itself has opened.
