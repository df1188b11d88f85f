"""What can go wrong with a stream, and the HTTP status that each mishap means.

A client's mistake is a `StreamError`: its message is safe to send, and `status` is what to answer
while an answer is still possible. A developer's mistake is an `EncodeError` or Django's own
`ImproperlyConfigured`, and ends as any other exception of a view does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

__all__ = [
    "BodyAborted",
    "BodyTooLarge",
    "BrokenOff",
    "ClientDisconnected",
    "DecodeError",
    "EncodeError",
    "HeadersTooLarge",
    "ItemTooLarge",
    "MalformedBody",
    "NoContent",
    "NotAcceptable",
    "PartTooLarge",
    "RequestTimeout",
    "ShuttingDown",
    "StreamError",
    "TooManyParts",
    "TooManyStreams",
    "TruncatedStream",
    "UnsupportedBody",
]


class StreamError(Exception):
    """A client's mistake. Its message names no internals, so it may be sent to the client."""

    status: ClassVar[int] = 400
    is_clients: bool = True
    """Whether the client whose request is answered has made the mistake."""
    headers: Mapping[str, str] = MappingProxyType({})
    """What the answer says besides."""


class NotAcceptable(StreamError):
    """The Accept header admits none of the formats that the view offers (RFC 9110 15.5.7)."""

    status = 406


class DecodeError(StreamError):
    """An item that was received is not valid in its format.

    From whom it was received, a decoder does not know: it may be another server's mistake. The
    request's body does, and says so on the error.
    """

    is_clients = False


class ItemTooLarge(DecodeError):
    """An item that was received is larger than the decoder's `max_item` (RFC 9110 15.5.14)."""

    status = 413


class TruncatedStream(DecodeError):
    """What was received ends inside an item."""


class MalformedBody(StreamError):
    """The body is not what its Content-Type says (RFC 9110 15.5.1)."""


class BodyTooLarge(StreamError):
    """The body has more than `max_size` bytes, or than are to be read (RFC 9110 15.5.14)."""

    status = 413


class RequestTimeout(StreamError):
    """The client has paused for too long in its body, or sends it too slowly (RFC 9110 15.5.9)."""

    status = 408


class TooManyParts(StreamError):
    """A form has more than `max_parts` parts (RFC 9110 15.5.14)."""

    status = 413


class PartTooLarge(StreamError):
    """A part has more bytes than are allowed for it, or than are to be read (RFC 9110 15.5.14)."""

    status = 413


class HeadersTooLarge(StreamError):
    """The headers of a part are too many or too large.

    413, not 431: that is about the header section of the request, and advises to send the same body
    again with a smaller one (RFC 6585 5). Those of a part are content, which 413 is about (RFC 9110
    15.5.14).
    """

    status = 413


class UnsupportedBody(StreamError):
    """The body's Content-Type or coding, or a part's charset, is none that can be read.

    The answer names what is accepted instead (RFC 9110 15.5.16), as media types or as codings.
    """

    status = 415

    def __init__(self, message: str, *, accept: str = "", accept_encoding: str = "") -> None:
        super().__init__(message)
        accepted = {"Accept": accept, "Accept-Encoding": accept_encoding}
        self.headers = {name: value for name, value in accepted.items() if value}


class TooManyStreams(StreamError):
    """As many streams are open already as the view allows (RFC 6585 4)."""

    status = 429
    headers = MappingProxyType({"Retry-After": "10"})

    def __init__(self) -> None:
        super().__init__("too many streams are open already")


class ShuttingDown(StreamError):
    """The server is being stopped, and begins no stream any more (RFC 9110 15.6.4)."""

    status = 503
    headers = MappingProxyType({"Retry-After": "1"})

    def __init__(self) -> None:
        super().__init__("the server is about to stop")


class ClientDisconnected(StreamError):
    """The client left while the stream was being made; a producer's `send` raises it.

    No client is left to see the status: 499 is what access logs commonly write for it.
    """

    status = 499


class BodyAborted(ClientDisconnected):
    """The client left before the body of its request had come whole.

    What is raised is Django's `RequestAborted`, too.
    """

    def __init__(self) -> None:
        super().__init__("the client left before its body was whole")


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
