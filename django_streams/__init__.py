"""Streaming for Django: responses whose items leave as they are made.

The public names; what they do stands in the modules that define them.
"""

from .events import Event, EventParser, MessageEvent
from .exceptions import (
    BrokenOff,
    ClientDisconnected,
    DecodeError,
    EncodeError,
    ItemTooLarge,
    NoContent,
    NotAcceptable,
    StreamError,
    TruncatedStream,
)
from .formats import BYTES, EVENT_STREAM, JSONL, MSGPACK, TEXT, Format, decode
from .responses import EventStreamResponse, StreamResponse
from .sources import Spawn
from .views import (
    BytesMixin,
    EventStreamView,
    JSONLinesMixin,
    MessagePackMixin,
    StreamView,
    TextMixin,
)

__all__ = [
    "BYTES",
    "EVENT_STREAM",
    "JSONL",
    "MSGPACK",
    "TEXT",
    "BrokenOff",
    "BytesMixin",
    "ClientDisconnected",
    "DecodeError",
    "EncodeError",
    "Event",
    "EventParser",
    "EventStreamResponse",
    "EventStreamView",
    "Format",
    "ItemTooLarge",
    "JSONLinesMixin",
    "MessageEvent",
    "MessagePackMixin",
    "NoContent",
    "NotAcceptable",
    "Spawn",
    "StreamError",
    "StreamResponse",
    "StreamView",
    "TextMixin",
    "TruncatedStream",
    "decode",
]
