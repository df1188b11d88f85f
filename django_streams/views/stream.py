"""`StreamView` and `EventStreamView`: a stream for each request.

A view is one step from `django.views.View`. `get()` and `post()` are plain methods that build a
response and start nothing, so every mixin and decorator of Django works in front of them. Each
attribute `x` has a hook `get_x()`, sync or async, that is asked while the request is decided upon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.decorators import classonlymethod
from django.views import View

from django_streams.exceptions import StreamError
from django_streams.formats import EVENT_STREAM, TEXT, Format, choose_format, find_by_name
from django_streams.release import release
from django_streams.responses import (
    DEFAULT,
    Default,
    EventStreamResponse,
    Revalidation,
    StreamResponse,
    default_error_item,
)

from .body import BodyStreamMixin
from .hooks import waited_for
from .lifetime import LifetimeMixin
from .mixins import CSVMixin
from .refusal import refusal

__all__ = ["EventStreamView", "StreamView"]

MAX_LAST_EVENT_ID = 1024
"""Bytes of a Last-Event-ID that a view gets to see: ids are names, and this one is whatever a
client sends."""


class StreamView(LifetimeMixin, View):
    """A view whose items leave as they are made. A subclass has a `stream()`:

        class Tokens(StreamView):
            async def stream(self):
                async for token in model(self.request.GET["prompt"]):
                    yield token

    `format` is the one format of its items, plain text unless set; `formats` instead are several,
    of which the client's Accept header chooses (406 with a list if it admits none).
    `http_method_names` are the methods it answers, GET unless set. Errors before the first item are
    ordinary HTTP errors; those after it are told in the stream, where the format can, and break it
    off.
    """

    request: HttpRequest
    http_method_names: list[str] = ["get", "head", "options"]
    response_class: ClassVar[type[StreamResponse]] = StreamResponse

    format: Format = TEXT
    formats: tuple[Format, ...] | list[Format] | None = None
    heartbeat: float | Default | None = DEFAULT
    """Seconds after which an idle stream sends a blank, if its format has one; None: never."""
    format_query_param: str | None = None
    """The parameter of the query that chooses among `formats` before Accept does, by a format's
    name, for links: "format" allows `?format=csv`. None: there is none."""
    item_type: Any = None
    """What every item becomes: a `msgspec.Struct`, a dataclass, a `TypedDict`, ...; None: items are
    sent as they are."""
    filename: str | None = None
    """What a browser saves the stream as; without a suffix it gets the format's. None: it is shown.
    """
    compress: bool = False
    """Whether the stream is compressed, each chunk by itself, for clients that take it. Not where
    a secret stands beside text of somebody else's choice (BREACH)."""
    chosen_format: Format
    """The format of this response, for `stream()` and the hooks that run with it."""
    first_item_seconds: float | Default | None = DEFAULT
    """Seconds for which the headers wait for the first item; None: they leave at once."""

    def stream(self) -> Any:
        """Returns what to stream; to be overridden.

        An async generator, a generator (run in a thread), or a function that returns any iterable,
        an async iterable or a query set; or a coroutine that returns one of these, or None for 204.
        Called when the middleware has returned.
        """
        raise NotImplementedError(
            f"{type(self).__qualname__} has no stream() to say what is streamed"
        )

    def to_item(self, value: Any) -> Any:
        """Returns what of a value that `stream()` yields goes on the wire; sync or async.

        For query sets and plain generators it runs in their thread, so it may follow relations.
        """
        return value

    def get_error_item(self, error: Exception) -> Any:
        """Returns the item that tells of a failure midway, None for none; sync or async."""
        return default_error_item(error)

    async def release(self) -> None:
        """Lets go of this request's thread and database connections, until they are needed again.

        For a `stream()` that has used the ORM and now waits; see `django_streams.release`.
        """
        await release()

    @property
    def last_event_id(self) -> str:
        """The id of the last event the client has seen, at most 1 KiB; "" if none.

        From the Last-Event-ID header, which a browser sends when it reconnects, or from
        `?last_event_id=`, which a page can set on its first request. It is whatever a client sends:
        check it.
        """
        header = self.request.META.get("HTTP_LAST_EVENT_ID")
        if header is None:
            raw = self.request.GET.get("last_event_id", "").encode(errors="replace")
        else:
            raw = header.encode("latin-1", errors="replace")  # As WSGI and ASGI have decoded it.
        # Cut without half a code point; line breaks and NUL, which no id has, can come by the
        # query.
        text = raw[:MAX_LAST_EVENT_ID].decode(errors="ignore")
        return "" if any(char in text for char in "\r\n\0") else text

    # The hooks of the deciding phase.

    def get_formats(self) -> Any:
        """Returns the formats of which the Accept header chooses, or None if there is no choice."""
        return self.formats

    def get_format(self) -> Any:
        """Returns the format, where there is no choice."""
        return self.format

    def get_format_query_param(self) -> Any:
        """Returns the parameter of the query that names a format, or None."""
        return self.format_query_param

    def get_item_type(self) -> Any:
        """Returns the type that every item becomes, or None."""
        return self.item_type

    def get_filename(self) -> Any:
        """Returns what a browser saves the stream as, or None."""
        return self.filename

    def get_compress(self) -> Any:
        """Returns whether the stream is compressed, if the client takes it."""
        return self.compress

    def get_heartbeat(self) -> Any:
        """Returns the seconds of `heartbeat`."""
        return self.heartbeat

    def get_first_item_seconds(self) -> Any:
        """Returns the seconds of `first_item_seconds`."""
        return self.first_item_seconds

    def get_response_options(self) -> dict[str, Any]:
        """Returns the keyword arguments of the response, from the other hooks."""
        return {
            "item_type": self._asked(self.get_item_type),
            "filename": self._asked(self.get_filename),
            "compress": self._asked(self.get_compress),
            "heartbeat": self._asked(self.get_heartbeat),
            "first_item_seconds": self._asked(self.get_first_item_seconds),
            "to_item": self.to_item if _is_overridden(self, "to_item") else None,
            "error_item": self.get_error_item
            if _is_overridden(self, "get_error_item")
            else default_error_item,
            **self.get_lifetime_options(),
        }

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Builds the response; starts nothing."""
        revalidation: Revalidation | None = getattr(request, "revalidation", None)
        if revalidation is not None:
            return revalidation.answer
        try:
            response = self.build_response()
            if not (response.is_started_by_handler or request.method == "HEAD"):
                response.live.admit()  # The headers will have left when it starts.
            return response
        except StreamError as error:
            return refusal(error)

    post = put = patch = delete = get

    def build_response(self) -> StreamResponse:
        """Returns the response to this request, not started; raises `NotAcceptable`."""
        formats = self._asked(self.get_formats)
        if formats is None:
            return self._response(self._asked(self.get_format))
        parameter = self._asked(self.get_format_query_param)
        name = self.request.GET.get(parameter) if parameter else None
        if name is not None:
            return self._response(find_by_name(name, formats))
        response = self._response(choose_format(self.request.headers.get("Accept"), formats))
        patch_vary_headers(response, ["Accept"])
        return response

    def _response(self, format: Format) -> StreamResponse:
        self.chosen_format = format
        return self.response_class(
            self.stream, format=format, request=self.request, **self.get_response_options()
        )

    def _asked(self, hook: Callable[[], Any]) -> Any:
        return waited_for(hook())

    # Where the deciding phase runs.

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Returns the view function, as Django's does."""
        view: Any = super().as_view(**initkwargs)
        if _decides_without_thread(cls) and not _asks_for_user(cls, initkwargs):
            # The function itself and not True: a decorator copies the attribute to a function of
            # its own, which may well need a thread.
            view.decides_without_thread = view
        return view


class EventStreamView(StreamView):
    """A stream of Server-Sent Events, for a browser's `EventSource`:

        class Ticks(EventStreamView):
            async def stream(self):
                start = int(self.last_event_id or 0)
                for n in itertools.count(start + 1):
                    yield Event.json({"n": n}, id=str(n), event="tick")
                    await asyncio.sleep(1)

    An item is an `Event`; a str is the data of one, and any other value its data in JSON. The
    headers leave at once, an idle stream beats every 15 seconds, and a failure ends in an event
    named "error".
    """

    response_class = EventStreamResponse
    format = EVENT_STREAM
    first_item_seconds = None
    revalidate = DEFAULT
    retry: float | timedelta | None = None
    """How long a client waits before it reconnects, in seconds; sent first. None leaves it to the
    browser."""

    def get_retry(self) -> Any:
        """Returns the seconds of `retry`."""
        return self.retry

    def get_response_options(self) -> dict[str, Any]:
        """Returns the keyword arguments of the response, from the other hooks."""
        return {**super().get_response_options(), "retry": self._asked(self.get_retry)}


STREAMING_PHASE = {"stream", "to_item", "get_error_item"}
"""What a subclass overrides that runs in the streaming phase."""


def _is_overridden(view: StreamView, name: str) -> bool:
    return getattr(type(view), name) is not getattr(StreamView, name)


def _decides_without_thread(cls: type[StreamView]) -> bool:
    """Whether deciding runs nothing but our own code, which may run on the event loop.

    As soon as a class between `cls` and ours has code under a name that ours know too (`dispatch`,
    `setup`, `get`, a hook, a property for an attribute), its author expects Django's thread for
    sync views.
    """
    ours = {View, LifetimeMixin, StreamView, EventStreamView, CSVMixin, BodyStreamMixin, object}
    deciding = {name for base in ours - {object} for name in vars(base)} - STREAMING_PHASE
    others = [base for base in cls.__mro__ if base not in ours]
    return not any(_is_code(vars(base).get(name)) for base in others for name in deciding)


def _asks_for_user(cls: type[StreamView], initkwargs: Mapping[str, Any]) -> bool:
    """Whether our own code looks at `request.user`, which may be in the database."""
    return initkwargs.get("max_streams_per_user", cls.max_streams_per_user) is not None


def _is_code(member: Any) -> bool:
    is_function = callable(member) and not isinstance(member, type)
    return is_function or isinstance(member, property | classmethod | staticmethod)
