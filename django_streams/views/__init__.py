"""The views: what a project subclasses and routes."""

from .body import BodyStreamMixin, body_stream, wants_body_stream
from .mixins import (
    BytesMixin,
    CBORMixin,
    CSVMixin,
    DioxusMixin,
    JSONArrayMixin,
    JSONLinesMixin,
    JSONSequenceMixin,
    MessagePackMixin,
    PostcardMixin,
    TextMixin,
)
from .refusal import refusal
from .stream import EventStreamView, StreamView

__all__ = [
    "BodyStreamMixin",
    "BytesMixin",
    "CBORMixin",
    "CSVMixin",
    "DioxusMixin",
    "EventStreamView",
    "JSONArrayMixin",
    "JSONLinesMixin",
    "JSONSequenceMixin",
    "MessagePackMixin",
    "PostcardMixin",
    "StreamView",
    "TextMixin",
    "body_stream",
    "refusal",
    "wants_body_stream",
]
