"""System checks: what can be known to be wrong before the first request.

    streams.E001   a setting in STREAMS is unknown or has a wrong value
    streams.E002   a routed streaming view has no stream(), or an attribute with a wrong value
    streams.E003   a routed FileStreamView does not know where its files are
    streams.W001   a streaming view is routed, but ASGI_APPLICATION is not from django_streams.asgi
    streams.W002   a streaming view is routed, but the project is only set up for WSGI

A streaming view is one that streams out, or takes its body as a stream.

Ids are never reused.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLResolver, get_resolver
from django.utils.module_loading import import_string
from django.views import View

from .asgi import StreamingASGIHandler
from .body import LIMITS, check_limit
from .conf import amount, conf, seconds
from .events import Event
from .formats import Format, is_choice
from .responses import Default
from .views import (
    BodyStreamMixin,
    CSVMixin,
    EventStreamView,
    FileStreamView,
    StreamView,
    wants_body_stream,
)

__all__ = ["check_server", "check_settings", "check_views"]

_TIMES = ("heartbeat", "first_item_seconds", "max_duration", "revalidate", "send_timeout")
_COUNTS = ("max_streams", "max_streams_per_user", "max_streams_per_address")

SHOWN_VIEWS = 3
"""Of the views that a message is about: enough to know what is meant."""


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """streams.E001: the settings."""
    try:
        conf.check()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="streams.E001")]
    return []


def check_views(**kwargs: Any) -> list[CheckMessage]:
    """streams.E002 and E003: the routed views."""
    messages: list[CheckMessage] = []
    for callback, arguments in _routes():
        view = getattr(callback, "view_class", callback)
        messages += [Error(fault, obj=view, id="streams.E002") for fault in _faults(callback)]
        if _is_kind(view, FileStreamView):
            faults = _faults_of_files(view, getattr(callback, "view_initkwargs", {}), arguments)
            messages += [Error(fault, obj=view, id="streams.E003") for fault in faults]
    return [message for n, message in enumerate(messages) if message not in messages[:n]]


def check_server(**kwargs: Any) -> list[CheckMessage]:
    """streams.W001 and W002: what the project is served by."""
    if not _streaming_views():
        return []
    if not getattr(settings, "ASGI_APPLICATION", None):
        return [_only_wsgi()] if settings.WSGI_APPLICATION else []
    if _is_ours(settings.ASGI_APPLICATION):
        return []
    return [
        Warning(
            f"Streaming views are routed, but ASGI_APPLICATION, {settings.ASGI_APPLICATION!r}, is "
            "not from django_streams.asgi: there a request body is received whole before its view "
            "is called, and errors before the first item cannot become HTTP errors.",
            hint="In your asgi.py: from django_streams.asgi import get_asgi_application",
            id="streams.W001",
        )
    ]


def _only_wsgi() -> CheckMessage:
    names = sorted({_name_of(view) for view in _streaming_views()})
    shown = ", ".join(names[:SHOWN_VIEWS]) + (", ..." if len(names) > SHOWN_VIEWS else "")
    return Warning(
        f"Streaming views are routed ({shown}), but the project is only set up for WSGI: there "
        "each open stream keeps a thread of the server to itself, or a process of a server "
        "without threads.",
        hint='Set ASGI_APPLICATION = "yourproject.asgi.application" and serve that; or, if streams '
        "are short and few, give the server a thread for each (gunicorn --threads 50) and silence "
        "this by SILENCED_SYSTEM_CHECKS.",
        id="streams.W002",
    )


def _name_of(callback: Any) -> str:
    view = getattr(callback, "view_class", callback)
    name: str = getattr(view, "__qualname__", type(view).__qualname__)  # A partial has none.
    return name


def _faults(callback: Any) -> Iterator[str]:
    """Yields what is wrong with a view class and the options that `as_view()` was given."""
    view: Any = getattr(callback, "view_class", None)
    options = getattr(callback, "view_initkwargs", {})
    if _is_kind(view, StreamView):
        yield from _faults_of_stream(view, options)
    if _is_kind(view, EventStreamView):
        yield from _faults_of_retry(view.__qualname__, options.get("retry", view.retry))
    if _is_kind(view, BodyStreamMixin):
        yield from _faults_of_limits(view, options)


def _faults_of_limits(view: type[Any], options: dict[str, Any]) -> Iterator[str]:
    for limit in LIMITS:
        value = options.get(limit, getattr(view, limit))
        if not isinstance(value, Default | property):
            try:
                check_limit(view.__qualname__, limit, value)
            except ImproperlyConfigured as error:
                yield str(error)


def _faults_of_stream(view: type[StreamView], options: dict[str, Any]) -> Iterator[str]:
    name = view.__qualname__

    def attribute(name: str) -> Any:
        return options.get(name, getattr(view, name))

    if view.stream is StreamView.stream:
        yield f"{name} has no stream() to say what is streamed."
    format, formats = attribute("format"), attribute("formats")
    if not isinstance(format, Format | property):
        yield f"{name}.format is {format!r}; it takes a Format, such as django_streams.JSONL."
    if not (formats is None or isinstance(formats, property) or is_choice(formats)):
        yield f"{name}.formats is {formats!r}; it takes a tuple or list of Format, or None."
    chosen = formats if is_choice(formats) else [format]
    hooks = ("get_format", "get_formats", "get_item_type")
    ours = [CSVMixin.get_format, *(getattr(StreamView, hook) for hook in hooks)]
    if all(getattr(view, hook) in ours for hook in hooks):
        yield from _misfits(name, chosen, attribute("item_type"))
    yield from _faults_of_switch(f"{name}.compress", attribute("compress"))
    yield from _faults_of_methods(f"{name}.http_method_names", attribute("http_method_names"))
    for check, names in ((seconds, _TIMES), (_counted, _COUNTS)):
        for option in names:
            value = attribute(option)
            if not isinstance(value, Default | property):
                try:
                    check(f"{name}.{option}", value, optional=True)
                except ImproperlyConfigured as error:
                    yield str(error)


def _faults_of_switch(name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, bool | property):
        yield f"{name} is {value!r}; it takes True or False."


def _faults_of_methods(name: str, value: Any) -> Iterator[str]:
    """Yields what would be answered with 405: Django looks for names in lower case."""
    is_list = isinstance(value, Collection) and not isinstance(value, str)
    if not is_list or any(method != str(method).lower() for method in value):
        yield f'{name} is {value!r}; it takes a list in lower case, such as ["get", "post"].'


def _faults_of_retry(name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, property):
        try:
            Event(retry=value)
        except ValueError as error:
            yield f"{name}.{error}."


def _counted(name: str, value: Any, *, optional: bool) -> int | None:
    return amount(name, value, unit="streams", optional=optional)


def _faults_of_files(
    view: type[FileStreamView], options: dict[str, Any], arguments: set[str]
) -> Iterator[str]:
    name, root = view.__qualname__, options.get("root", view.root)
    ours = FileStreamView
    looks_into_root = view.get_file is ours.get_file and view.get_root is ours.get_root
    if isinstance(root, property):
        return
    if root is None:
        if looks_into_root:
            yield f"{name} has neither a get_file() nor a root to say what is sent."
    elif not isinstance(root, str | os.PathLike) or not os.path.isabs(root):
        yield f"{name}.root is {root!r}; it takes an absolute path, such as BASE_DIR / 'media'."
    elif looks_into_root and view.setup is View.setup and "path" not in arguments:
        yield f"{name} has a root, but its route no path to look for there: write <path:path>."


def _misfits(name: str, formats: Iterable[Any], item_type: Any) -> Iterator[str]:
    """Yields the formats that cannot encode at all: for want of a library, or of an item type."""
    for format in formats:
        if isinstance(format, Format) and not isinstance(item_type, property):
            try:
                format.encoder(item_type)
            except ImproperlyConfigured as error:
                yield f"{name} cannot stream {error}"


def _streaming_views() -> list[Any]:
    """Returns the streaming views that the project routes, as functions."""
    return [
        callback
        for callback, _ in _routes()
        if wants_body_stream(callback)
        or _is_kind(getattr(callback, "view_class", None), StreamView)
    ]


def _is_kind(view: Any, kind: type[Any]) -> bool:
    return isinstance(view, type) and issubclass(view, kind)


def _routes() -> Iterator[tuple[Any, set[str]]]:
    """Yields the views that the project routes, as functions, with the arguments they get."""
    if getattr(settings, "ROOT_URLCONF", None):
        yield from _routes_of(get_resolver(), set())


def _routes_of(resolver: URLResolver, given: set[str]) -> Iterator[tuple[Any, set[str]]]:
    for found in resolver.url_patterns:
        arguments = given | set(found.pattern.regex.groupindex)
        if isinstance(found, URLResolver):
            yield from _routes_of(found, arguments | set(found.default_kwargs))
        else:
            yield found.callback, arguments | set(found.default_args)


def _is_ours(path: str) -> bool:
    """Whether the application at `path` is our handler, or a Channels router to it."""
    try:
        application = import_string(path)
    except Exception:  # noqa: BLE001 - A wrong setting, which is streams.E001, among others.
        return True  # The server will say so, and better.
    return _leads_to_ours(application)


def _leads_to_ours(application: Any, depth: int = 5) -> bool:
    """Whether it is our handler, or wraps it: Channels' routers and the usual middleware do."""
    if isinstance(application, StreamingASGIHandler) or not depth:
        return isinstance(application, StreamingASGIHandler)
    mapping = getattr(application, "application_mapping", None)
    inner = [mapping.get("http")] if isinstance(mapping, dict) else []
    inner += [getattr(application, name, None) for name in ("application", "app", "inner")]
    routes = getattr(application, "routes", None)
    inner += [getattr(r, "callback", None) for r in routes] if isinstance(routes, list) else []
    return any(_leads_to_ours(each, depth - 1) for each in inner if each is not None)
