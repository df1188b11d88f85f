"""Server-Sent Events as a format: an `Event`, text as its data, any other value as JSON."""

from __future__ import annotations

from typing import Any

from django.utils.functional import Promise

from django_streams.encodings import JSON, MAX_DEPTH, Encode
from django_streams.events import Event, EventParser

from .base import MAX_ITEM, Format

__all__ = ["EventStreamFormat"]


class EventStreamFormat(Format):
    """Server-Sent Events: an `Event`, a str as its data, any other value as its data in JSON."""

    def encoder(self, item_type: Any = None) -> Encode:
        type = Any if item_type is None else item_type
        with self._configured():
            return JSON().encoder(type, prefix=b"data: ", suffix=b"\n\n", special=_event)

    def encode_error(self, item: Any) -> bytes:
        event = item if isinstance(item, Event) else Event.json(item, event="error")
        return event.encode()

    def decoder(
        self, type: Any = Any, *, max_item: int = MAX_ITEM, max_depth: int = MAX_DEPTH
    ) -> Any:
        """Returns an `EventParser`; its events' `json(type)` decodes their data."""
        return EventParser(max_event=max_item)


def _event(item: Any) -> bytes | None:
    """Returns an `Event` or text as it is sent; None for any other value, which is data in JSON."""
    if isinstance(item, Event):
        return item.encode()
    if isinstance(item, (str, Promise)):
        return Event(item if isinstance(item, str) else str(item)).encode()
    return None
