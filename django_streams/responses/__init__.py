"""What a view returns: a source, a format and options, and nothing started."""

from .options import DEFAULT, Default, default_error_item
from .responses import EventStreamResponse, StreamResponse

__all__ = ["DEFAULT", "Default", "EventStreamResponse", "StreamResponse", "default_error_item"]
