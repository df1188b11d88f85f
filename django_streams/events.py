"""Server-Sent Events: `Event`, its wire form and its incremental parser.

Specification: WHATWG HTML 9.2, https://html.spec.whatwg.org/multipage/server-sent-events.html.
Lines are ended by LF alone; what a user gives is split at CRLF, CR and LF and never with
`splitlines()`, which breaks at U+2028 and U+0085 too. No value of any field can make another field
or another event.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec

from .encodings import JSON, plain
from .exceptions import EncodeError, ItemTooLarge

__all__ = ["Event", "EventParser", "MessageEvent"]

_LINE_END = re.compile(r"\r\n|\r|\n")
_LINE_END_BYTES = re.compile(rb"\r\n|\r|\n")
_to_json = JSON().encoder()


class _Data(msgspec.Struct, frozen=True):
    data: str | None = None


class Event(_Data, frozen=True, kw_only=True):
    """One event to send (WHATWG HTML 9.2.5). Frozen; every field is optional.

    `data`: text of any number of lines. "" is sent, and dispatched as an empty event; None is not,
    and a client dispatches nothing. `event`: its type, which a browser listens for by name; without
    one it is "message". `id`: what the client gives back as Last-Event-ID when it reconnects; ""
    resets it. `retry`: how long the client waits before it does, in seconds or as a `timedelta`,
    sent as whole milliseconds. `comment`: text that clients ignore.

    Raises `ValueError` for a line break in `event`, a line break or NUL in `id`, or a `retry` that
    is no finite time, and `TypeError` for another field that is no text.
    """

    event: str | None = None
    id: str | None = None
    retry: float | timedelta | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        for name in ("data", "event", "id", "comment"):
            value = getattr(self, name)
            if value is not None and type(value) is not str:
                msgspec.structs.force_setattr(self, name, _text(name, value))
        if self.event is not None and _breaks(self.event):
            raise ValueError(f"event={self.event!r} has a line break; an event's type is one line")
        if self.id is not None and (_breaks(self.id) or "\0" in self.id):
            raise ValueError(
                f"id={self.id!r} has a line break or NUL; an id is one line without NUL"
            )
        if self.retry is not None:
            _milliseconds(self.retry)

    @classmethod
    def json(cls, value: Any, **fields: Any) -> Event:
        """Returns an event whose data is `value` as JSON; `fields` are those of `Event`.

        Raises `EncodeError` for a value that JSON cannot carry.
        """
        return cls(_to_json(value).decode(), **fields)

    @classmethod
    def html(
        cls,
        template: str,
        context: dict[str, Any] | None = None,
        request: Any = None,
        **fields: Any,
    ) -> Event:
        """Returns an event whose data is the rendered template; `fields` are an `Event`'s."""
        # Events work without Django; only this one needs its templates.
        from django.template.loader import render_to_string  # noqa: PLC0415

        return cls(render_to_string(template, context, request=request), **fields)

    @classmethod
    def empty(cls) -> Event:
        """Returns an event with empty data, which a client does dispatch."""
        return cls("")

    def encode(self) -> bytes:
        """Returns the event as it is sent, with the blank line that ends it."""
        lines = []
        if self.comment is not None:
            lines += [_line("", part) for part in _LINE_END.split(self.comment)]
        if self.retry is not None:
            lines.append(_line("retry", str(_milliseconds(self.retry))))
        if self.id is not None:
            lines.append(_line("id", self.id))
        if self.event is not None:
            lines.append(_line("event", self.event))
        if self.data is not None:
            lines += [_line("data", part) for part in _LINE_END.split(self.data)]
        try:
            return "".join((*lines, "\n")).encode()
        except UnicodeEncodeError as error:
            raise EncodeError(f"{self!r:.200} cannot be sent as UTF-8: {error.reason}") from error


def _line(name: str, value: str) -> str:
    return f"{name}: {value}\n" if value else f"{name}:\n"


def _breaks(value: str) -> bool:
    return "\n" in value or "\r" in value


def _text(name: str, value: Any) -> str:
    """Returns a lazy or safe string as a str; refuses what is no text."""
    try:
        text = plain(value)
    except EncodeError:
        text = value
    if type(text) is str:
        return text
    raise TypeError(
        f"{name}={value!r:.200} is not a str; for other values there is Event.json(value)"
    )


def _milliseconds(retry: Any) -> int:
    seconds = retry.total_seconds() if isinstance(retry, timedelta) else retry
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError(f"retry={retry!r} is neither a number of seconds nor a timedelta")
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"retry={retry!r} is not a finite time of 0 seconds or more")
    return round(seconds * 1000)


class MessageEvent(msgspec.Struct, frozen=True):
    """An event as a client dispatches it (WHATWG HTML 9.2.6)."""

    type: str
    """"message", or the event's own type."""
    data: str
    last_event_id: str
    """The id of this event or, if it has none, of the last one that had."""

    def json(self, type: Any = Any) -> Any:
        """Returns the data, decoded from JSON to a `type`; raises `DecodeError`."""
        return JSON().decoder(type)(self.data.encode())


class EventParser:
    """Reads a stream of events, as WHATWG HTML 9.2.6 interprets it; sans-IO.

    An event of more than `max_event` bytes raises `ItemTooLarge`.
    """

    def __init__(self, *, max_event: int = 2**20) -> None:
        self.last_event_id = ""
        """What a client sends as Last-Event-ID when it reconnects."""
        self.reconnection_time: int | None = None
        """What the stream asked a client to wait before it reconnects, in milliseconds."""
        self._max_event = max_event
        self._size = 0  # Bytes of the event that has not ended.
        self._begun: list[bytes] = []  # The pieces of a line that has not ended.
        self._skips_line_feed = (
            False  # The last piece ended in CR: an LF that follows belongs to it.
        )
        self._is_first_line = True
        self._type = ""
        self._data: list[str] = []
        self._id = ""

    def feed(self, data: bytes) -> Iterator[MessageEvent]:
        """Takes some bytes; yields the events that end within them. To be exhausted."""
        data = bytes(data)
        if not data:
            return
        if self._skips_line_feed:
            data = data.removeprefix(b"\n")
            self._skips_line_feed = False
        *lines, rest = _LINE_END_BYTES.split(data)
        self._skips_line_feed = self._skips_line_feed or data.endswith(b"\r")
        for line in lines:
            event = self._line(self._ended(line))
            if event is not None:
                yield event
        self._grow(rest)
        self._begun.append(rest)

    def close(self) -> Iterator[MessageEvent]:
        """Says that the stream has ended; an event that has not is dropped, by the standard."""
        return iter(())

    def _ended(self, last: bytes) -> bytes:
        self._grow(last)
        line = b"".join((*self._begun, last))
        self._begun = []
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        return line

    def _grow(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._max_event:
            raise ItemTooLarge(
                f"an event has more than the {self._max_event} bytes that are allowed"
            )

    def _line(self, line: bytes) -> MessageEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.decode(errors="replace").partition(":")
        self._field(name, value.removeprefix(" "))
        return None

    def _field(self, name: str, value: str) -> None:
        if name == "event":
            self._type = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit() and len(value) < 19:
            self.reconnection_time = int(value)  # More digits than any clock has are no time.

    def _dispatch(self) -> MessageEvent | None:
        self.last_event_id = self._id
        data, self._data = self._data, []
        event_type, self._type = self._type, ""
        self._size = 0
        if not data:
            return None
        return MessageEvent(event_type or "message", "\n".join(data), self._id)
