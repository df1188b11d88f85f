"""What a view returns: a source, a format and options, and nothing started."""

from .file import FileStreamResponse
from .options import DEFAULT, Default, default_error_item
from .responses import EXCHANGE, EventStreamResponse, StreamResponse

__all__ = [
    "DEFAULT",
    "EXCHANGE",
    "Default",
    "EventStreamResponse",
    "FileStreamResponse",
    "StreamResponse",
    "default_error_item",
]
