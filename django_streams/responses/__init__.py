"""What a view returns: a source, a format and options, and nothing started."""

from .file import FileStreamResponse
from .instead import keep_what_was_said
from .no_content import no_content
from .options import DEFAULT, Default, default_error_item
from .responses import EventStreamResponse, StreamResponse
from .revalidation import EXCHANGE, Revalidation

__all__ = [
    "DEFAULT",
    "EXCHANGE",
    "Default",
    "EventStreamResponse",
    "FileStreamResponse",
    "Revalidation",
    "StreamResponse",
    "default_error_item",
    "keep_what_was_said",
    "no_content",
]
