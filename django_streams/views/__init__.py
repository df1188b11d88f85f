"""The views: what a project subclasses and routes."""

from .body import BodyStreamMixin, body_stream, wants_body_stream
from .file import FileStreamView
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
from .upload import UploadView
from .zip import ZipStreamView

__all__ = [
    "BodyStreamMixin",
    "BytesMixin",
    "CBORMixin",
    "CSVMixin",
    "DioxusMixin",
    "EventStreamView",
    "FileStreamView",
    "JSONArrayMixin",
    "JSONLinesMixin",
    "JSONSequenceMixin",
    "MessagePackMixin",
    "PostcardMixin",
    "StreamView",
    "TextMixin",
    "UploadView",
    "ZipStreamView",
    "body_stream",
    "refusal",
    "wants_body_stream",
]
