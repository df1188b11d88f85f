"""`EventStreamResponse`: a `StreamResponse` of Server-Sent Events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django_streams.events import Event
from django_streams.formats import EVENT_STREAM, EventStreamFormat

from .responses import StreamResponse

__all__ = ["EventStreamResponse"]


class EventStreamResponse(StreamResponse):
    """A stream of Server-Sent Events, whose headers leave at once.

    Takes what `StreamResponse` takes, and `retry`: how long a client waits before it reconnects, in
    seconds or as a `timedelta`; None leaves it to the browser.
    """

    format = EVENT_STREAM

    def __init__(
        self, source: Any, *, retry: float | timedelta | None = None, **kwargs: Any
    ) -> None:
        kwargs.setdefault("first_item_seconds", None)
        format = kwargs.get("format") or self.format
        if retry is not None and isinstance(format, EventStreamFormat):
            kwargs["head"] = Event(retry=retry).encode()
        super().__init__(source, **kwargs)
