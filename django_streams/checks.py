"""System checks: what can be known to be wrong before the first request.

    streams.E001   a setting in STREAMS is unknown or has a wrong value
    streams.E002   a routed streaming view has no stream(), or an attribute with a wrong value
    streams.W001   a streaming view is routed, but ASGI_APPLICATION is not from django_streams.asgi
    streams.W002   a streaming view is routed, but the project is only set up for WSGI

A streaming view is one that streams out, or takes its body as a stream.

Ids are never reused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from .asgi import StreamingASGIHandler
from .body import LIMITS, check_limit
from .conf import conf, seconds
from .formats import Format, is_choice
from .responses import Default
from .views import BodyStreamMixin, CSVMixin, StreamView, wants_body_stream

__all__ = ["check_server", "check_settings", "check_views"]


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """streams.E001: the settings."""
    try:
        conf.check()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="streams.E001")]
    return []


def check_views(**kwargs: Any) -> list[CheckMessage]:
    """streams.E002: the routed views."""
    messages: list[CheckMessage] = []
    for callback in _streaming_views():
        view = getattr(callback, "view_class", callback)
        messages += [Error(fault, obj=view, id="streams.E002") for fault in _faults(callback)]
    return [message for n, message in enumerate(messages) if message not in messages[:n]]


def check_server(**kwargs: Any) -> list[CheckMessage]:
    """streams.W001 and W002: what the project is served by."""
    if not _streaming_views():
        return []
    if not getattr(settings, "ASGI_APPLICATION", None):
        return [
            Warning(
                "Streaming views are routed, but ASGI_APPLICATION is not set: under WSGI each open "
                "stream keeps a worker thread to itself.",
                hint='Set ASGI_APPLICATION = "yourproject.asgi.application" and serve that.',
                id="streams.W002",
            )
        ]
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


def _faults(callback: Any) -> Iterator[str]:
    """Yields what is wrong with a view class and the options that `as_view()` was given."""
    view: Any = getattr(callback, "view_class", None)
    options = getattr(callback, "view_initkwargs", {})
    if _is_kind(view, StreamView):
        yield from _faults_of_stream(view, options)
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
    for option in ("heartbeat", "first_item_seconds"):
        value = attribute(option)
        if not isinstance(value, Default | property):
            try:
                seconds(f"{name}.{option}", value, optional=True)
            except ImproperlyConfigured as error:
                yield str(error)


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
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    callbacks = [pattern.callback for pattern in _patterns(get_resolver())]
    return [
        callback
        for callback in callbacks
        if wants_body_stream(callback)
        or _is_kind(getattr(callback, "view_class", None), StreamView)
    ]


def _is_kind(view: Any, kind: type[Any]) -> bool:
    return isinstance(view, type) and issubclass(view, kind)


def _patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern)
        else:
            yield pattern


def _is_ours(path: str) -> bool:
    """Whether the application at `path` is our handler, or a Channels router to it."""
    try:
        application = import_string(path)
    except ImportError:
        return True  # The server will say so, and better.
    mapping = getattr(application, "application_mapping", None)  # Channels' ProtocolTypeRouter.
    if isinstance(mapping, dict):
        application = mapping.get("http", application)
    return isinstance(application, StreamingASGIHandler)
