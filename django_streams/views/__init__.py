"""The views: what a project subclasses and routes."""

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
from .stream import EventStreamView, StreamView, refusal

__all__ = [
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
    "refusal",
]
