"""Views that get their request with the body unread: `BodyStreamMixin`, `@body_stream`.

Both mark the view function, by which our ASGI handler knows it before the body has come. Elsewhere
(WSGI, Django's handler, test clients) the body is read in that place's own way, with the same
`request.body_stream` over it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
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
from django_streams.release import let_go, release
from django_streams.responses import DEFAULT, Default

from .hooks import asked, is_awaitable, waited_for
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

    Handlers may be sync or async, also mixed. Django's mixins that check permissions, and `setup`,
    run in a thread, which is let go before an async handler runs. Where another class overrides
    `dispatch`, or a handler is sync, or with ATOMIC_REQUESTS, all of the view runs in a thread and
    its async handlers are awaited from there: so every mixin gets a real response. What the client
    does wrong, a `StreamError`, is answered with its status.

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
        """Whether the handlers run on the event loop: all of them must be made for that, and so
        must be what runs around them, unless it only decides on a permission; and no transaction be
        opened, which Django does in threads alone.
        """
        if any(database.get("ATOMIC_REQUESTS") for database in connections.settings.values()):
            return False
        names = [name for name in cls.http_method_names if name != "options"]  # type: ignore[attr-defined]
        handlers = [getattr(cls, name) for name in names if hasattr(cls, name)]
        around = _overridden(cls, "dispatch")
        return all(map(iscoroutinefunction, handlers)) and (
            all(map(iscoroutinefunction, around)) or all(map(_only_decides, around))
        )

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Returns the view function, as Django's does."""
        view: Any = super().as_view(**initkwargs)  # type: ignore[misc]
        first = [*_overridden(cls, "setup"), *_overridden(cls, "dispatch")]
        if cls.view_is_async and not all(map(iscoroutinefunction, first)):
            view = _decided_in_thread(view)
        view.wants_body_stream = True
        return view

    async def release(self) -> None:
        """Lets go of this request's thread and database connections, until they are needed again.

        For an async handler that has used the ORM and now receives; see `django_streams.release`.
        """
        await release()

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


def _overridden(cls: Any, name: str) -> list[Any]:
    """Returns what others than `View` and `BodyStreamMixin` have under that name."""
    others = [base for base in cls.__mro__ if base not in (View, BodyStreamMixin)]
    return [vars(base)[name] for base in others if name in vars(base)]


def _only_decides(dispatch: Any) -> bool:
    """Whether a `dispatch` refuses, or else returns what its `super()` returns, and no more.

    So that may be a coroutine, which is awaited later. Django's mixins are known for it, by where
    their code stands: a decorator copies all other marks of what it wraps. They cannot be imported
    before the models are loaded.
    """
    module: str = getattr(dispatch, "__globals__", {}).get("__name__", "")
    return module == "django.contrib.auth.mixins"


def _decided_in_thread(view: ViewFunction) -> ViewFunction:
    """Returns the view with its coroutine made in a thread, and awaited without it."""

    @sync_to_async
    def decide(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return view(request, *args, **kwargs)

    @wraps(view)
    async def decided(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer: Any = await decide(request, *args, **kwargs)
        response: HttpResponseBase = await answer if is_awaitable(answer) else answer
        return response

    return decided


def _streamed(view: ViewFunction, get_limits: Callable[[], Any], *, is_async: bool) -> ViewFunction:
    """Returns the view with a body to read, and an answer to what the client does wrong."""

    async def receiving(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        await let_go()  # Of what deciding has used: the body may take its time.
        response: HttpResponseBase = await view(request, *args, **kwargs)
        return response

    @wraps(view)
    async def on_the_loop(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            _body_of(request).limits = await asked(get_limits)
            response = await receiving(request, *args, **kwargs)
        except StreamError as error:
            return _refused(error)
        return response

    @wraps(view)
    def in_thread(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            _body_of(request).limits = waited_for(get_limits())
            response: HttpResponseBase = waited_for(handler(request, *args, **kwargs))
        except StreamError as error:
            return _refused(error)
        return response

    handler = receiving if iscoroutinefunction(view) else view
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
