"""Views that get their request with the body unread: `BodyStreamMixin`, `@body_stream`.

Both mark the view function, by which our ASGI handler knows it before the body has come. Elsewhere
(WSGI, Django's handler, test clients) the body is read in that place's own way, with the same
`request.body_stream` over it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import classonlymethod
from django.utils.functional import classproperty
from django.views import View

from django_streams.body import (
    LIMITS,
    BodyLimits,
    BodyStream,
    RequestSource,
    check_limit,
    limits_of_settings,
)
from django_streams.exceptions import StreamError
from django_streams.responses import DEFAULT, Default

from .hooks import asked, waited_for
from .refusal import refusal

__all__ = ["BodyStreamMixin", "body_stream", "wants_body_stream"]

ViewFunction = Callable[..., Any]


def wants_body_stream(view: Any) -> bool:
    """Whether a view function, decorated or not, takes its request with the body unread."""
    return getattr(view, "wants_body_stream", False) is True


def body_stream(view: ViewFunction | None = None, /, **limits: Any) -> Any:
    """Gives a function view `request.body_stream`, with the body unread:

        @body_stream(max_size=5 * 2**30)
        async def upload(request):
            saved = await request.body_stream.file().save("upload.bin")
            return JsonResponse({"size": saved.size})

    The limits are those of `BodyStreamMixin`. What the client does wrong, a `StreamError`, is
    answered with its status.
    """
    if unknown := sorted(limits.keys() - set(LIMITS)):
        raise TypeError(f"body_stream() has no limit {unknown[0]!r}; it has {', '.join(LIMITS)}.")
    if view is None:
        return partial(body_stream, **limits)
    name = getattr(view, "__qualname__", "body_stream")
    for limit, value in limits.items():
        check_limit(name, limit, value)

    def get_limits() -> BodyLimits:
        return limits_of_settings(name, **limits)

    streamed = _streamed(view, get_limits, is_async=iscoroutinefunction(view))
    streamed.wants_body_stream = True  # type: ignore[attr-defined]
    return streamed


class BodyStreamMixin:
    """Gives a class-based view `request.body_stream`, with the body unread:

        class Upload(LoginRequiredMixin, BodyStreamMixin, View):
            async def post(self, request):
                saved = await request.body_stream.file().save("upload.bin")
                return JsonResponse({"size": saved.size})

    Handlers may be sync or async, also mixed. Where another class overrides `dispatch` or `setup`,
    as Django's mixins do, or a handler is sync, or with ATOMIC_REQUESTS, the view runs in a thread
    and its async handlers are awaited from there: so every mixin gets a real response. What the
    client does wrong, a `StreamError`, is answered with its status.

    The limits below are those of the settings (BODY_MAX_SIZE and so on) unless they are set.
    """

    max_size: int | Default | None = DEFAULT
    """Bytes of the body; None: any number. More is 413, at once if Content-Length says so."""
    max_parts: int | Default = DEFAULT
    """Parts of a form."""
    max_part_size: int | Default | None = DEFAULT
    """Bytes of a part with a file; None: as many as the body may have."""
    max_field_size: int | Default = DEFAULT
    """Bytes of a part without a file."""
    max_header_size: int | Default = DEFAULT
    """Bytes of all headers of a part together."""
    max_headers: int | Default = DEFAULT
    """Headers of a part."""
    max_item: int | Default = DEFAULT
    """Bytes of an item, where the body is read by `items()`."""
    idle_seconds: float | Default | None = DEFAULT
    """For how long the client may send nothing while the view waits; None: for ever. 408."""
    min_rate: int | Default | None = DEFAULT
    """Bytes per second that the client has to reach on average, once the view has waited for 20
    seconds in all; None: any rate. 408."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if View in cls.__mro__ and cls.__mro__.index(View) < cls.__mro__.index(BodyStreamMixin):
            raise ImproperlyConfigured(
                f"{cls.__qualname__} names View before BodyStreamMixin; it has to come after it."
            )

    def get_body_limits(self) -> Any:
        """Returns the limits of this request's body; sync or async."""
        chosen = {name: getattr(self, name) for name in LIMITS}
        given = {name: value for name, value in chosen.items() if not isinstance(value, Default)}
        return limits_of_settings(type(self).__qualname__, **given)

    @classproperty
    def view_is_async(cls) -> bool:  # noqa: N805 - A class property.
        """Whether the view runs on the event loop: all its code must be made for that, and no
        transaction be opened around it, which Django does in threads alone.
        """
        if any(database.get("ATOMIC_REQUESTS") for database in connections.settings.values()):
            return False
        names = [name for name in cls.http_method_names if name != "options"]  # type: ignore[attr-defined]
        handlers = [getattr(cls, name) for name in names if hasattr(cls, name)]
        others = [base for base in cls.__mro__ if base not in (View, BodyStreamMixin)]  # type: ignore[attr-defined]
        wrapping = [vars(base).get(name) for base in others for name in ("dispatch", "setup")]
        return all(map(iscoroutinefunction, [*handlers, *filter(None, wrapping)]))

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Returns the view function, as Django's does."""
        view: Any = super().as_view(**initkwargs)  # type: ignore[misc]
        view.wants_body_stream = True
        return view

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Prepares the view; gives the request its body, and the handler what goes with it."""
        _body_of(request)
        super().setup(request, *args, **kwargs)  # type: ignore[misc]
        name = (request.method or "").lower()
        handler = getattr(self, name, None)
        if handler is not None and name in self.http_method_names:  # type: ignore[attr-defined]
            # In place of the handler, and not in `dispatch`: the classes that override that may
            # stand on either side of this one.
            is_async = self.view_is_async
            setattr(self, name, _streamed(handler, self.get_body_limits, is_async=is_async))


def _streamed(view: ViewFunction, get_limits: Callable[[], Any], *, is_async: bool) -> ViewFunction:
    """Returns the view with a body to read, and an answer to what the client does wrong."""

    @wraps(view)
    async def on_the_loop(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            _body_of(request).limits = await asked(get_limits)
            response: HttpResponseBase = await view(request, *args, **kwargs)
        except StreamError as error:
            return _refused(error)
        return response

    @wraps(view)
    def in_thread(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            _body_of(request).limits = waited_for(get_limits())
            response: HttpResponseBase = waited_for(view(request, *args, **kwargs))
        except StreamError as error:
            return _refused(error)
        return response

    return on_the_loop if is_async else in_thread


def _body_of(request: Any) -> BodyStream:
    """Returns the body; one that Django has read, or reads, if our handler has not left it."""
    if not hasattr(request, "body_stream"):
        request.body_stream = BodyStream(RequestSource(request), request.META)
    body: BodyStream = request.body_stream
    return body


def _refused(error: StreamError) -> HttpResponseBase:
    """Returns the answer, unless the mistake is not this client's; undoes what ATOMIC_REQUESTS
    would commit, as the exception would have.
    """
    if not error.is_clients:
        raise error
    for connection in connections.all(initialized_only=True):
        if connection.settings_dict["ATOMIC_REQUESTS"] and connection.in_atomic_block:
            connection.set_rollback(True)
    return refusal(error)
