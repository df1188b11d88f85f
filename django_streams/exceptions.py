"""What can go wrong with a stream, and the HTTP status that each mishap means.

A client's mistake is a `StreamError`: its message is safe to send, and `status` is what to answer
while an answer is still possible. A developer's mistake is an `EncodeError` or Django's own
`ImproperlyConfigured`, and ends as any other exception of a view does.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BrokenOff",
    "ClientDisconnected",
    "DecodeError",
    "EncodeError",
    "ItemTooLarge",
    "NoContent",
    "NotAcceptable",
    "StreamError",
    "TruncatedStream",
]


class StreamError(Exception):
    """A client's mistake. Its message names no internals, so it may be sent to the client."""

    status: ClassVar[int] = 400
    is_clients: ClassVar[bool] = True
    """Whether the client whose request is answered has made the mistake."""


class NotAcceptable(StreamError):
    """The Accept header admits none of the formats that the view offers (RFC 9110 15.5.7)."""

    status = 406


class DecodeError(StreamError):
    """An item that was received is not valid in its format.

    From whom it was received, a decoder does not know: it may be another server's mistake.
    """

    is_clients = False


class ItemTooLarge(DecodeError):
    """An item that was received is larger than the decoder's `max_item` (RFC 9110 15.5.14)."""

    status = 413


class TruncatedStream(DecodeError):
    """What was received ends inside an item."""


class ClientDisconnected(StreamError):
    """The client left while the stream was being made; a producer's `send` raises it.

    No client is left to see the status: 499 is what access logs commonly write for it.
    """

    status = 499


class NoContent(Exception):
    """Raised by a source that has nothing to stream: the answer is 204, and an `EventSource` stops.

    Only an answer that has not begun can become one (RFC 9110 15.3.5): raise it before the first
    item, and in an `EventStreamView`, whose headers leave at once, before the first `await` or in a
    `stream()` that is a coroutine.
    """

    status: ClassVar[int] = 204


class EncodeError(ValueError):
    """An item that the stream's format cannot carry: a developer's mistake."""


class BrokenOff(Exception):
    """Ends the iteration of a stream that failed midway, so that no client takes it for whole.

    The failure itself has been reported by then and is this exception's cause.
    """
