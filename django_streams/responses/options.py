"""What a response is told: what `DEFAULT` stands for, and how each option is checked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import Enum
from typing import Any, TypeAlias

from asgiref.sync import AsyncToSync, SyncToAsync, sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.functional import LazyObject, empty

from django_streams.compression import Coding, choose_coding
from django_streams.conf import conf, seconds
from django_streams.exceptions import StreamError
from django_streams.formats import Format
from django_streams.lifetime import Limit, Terms
from django_streams.sources import guarded, is_coroutine_function

__all__ = ["DEFAULT", "Default", "default_error_item"]


class Default(Enum):
    """The type of `DEFAULT`."""

    DEFAULT = "default"

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT = Default.DEFAULT
"""Stands for what the format and the settings say, where None means something else."""


Seconds: TypeAlias = float | timedelta | None


def default_error_item(error: Exception) -> dict[str, str]:
    """Returns what a client is told of a failure midway: the error only with `DEBUG`."""
    if settings.DEBUG:
        return {"error": f"{type(error).__name__}: {error}"}
    is_clients = isinstance(error, StreamError) and error.is_clients
    return {"error": str(error) if is_clients else "the stream failed"}


async def error_item_of(hook: Callable[[Exception], Any], error: Exception) -> Any:
    """Calls a hook, sync or async; a user's sync one in a thread: it may use the ORM."""
    if hook is default_error_item:
        return hook(error)
    if is_coroutine_function(hook):
        return await hook(error)
    return await sync_to_async(guarded(hook))(error)


def checked_format(format: Any) -> Format:
    """Returns the format; raises `ImproperlyConfigured` for anything else."""
    if isinstance(format, Format):
        return format
    raise ImproperlyConfigured(
        f"format is {format!r}; it takes a Format, such as django_streams.JSONL or EVENT_STREAM."
    )


def checked_first_item_seconds(value: float | Default | None) -> float | None:
    """Returns for how long the headers wait, or None; raises `ImproperlyConfigured`."""
    if isinstance(value, Default):
        return conf.first_item_seconds
    return seconds("first_item_seconds", value, optional=True)


def idle_seconds(format: Format, heartbeat: float | Default | None) -> float | None:
    """Returns after how long a stream beats, or None; raises `ImproperlyConfigured`."""
    if isinstance(heartbeat, Default):
        return conf.heartbeat if format.beats_by_default else None
    return seconds("heartbeat", heartbeat, optional=True)


def terms_of(
    request: HttpRequest | None,
    max_duration: Seconds,
    send_timeout: Seconds | Default,
    revalidate: Seconds | Default,
    limits: Sequence[Limit],
) -> Terms:
    """Returns how long a stream may last; raises `ImproperlyConfigured`."""
    if isinstance(send_timeout, Default):
        send_timeout = conf.send_timeout
    if isinstance(revalidate, Default):
        revalidate = conf.revalidate if _has_looked_at_user(request) else None
    return Terms(
        max_duration=seconds("max_duration", max_duration, optional=True),
        send_timeout=seconds("send_timeout", send_timeout, optional=True),
        revalidate=seconds("revalidate", revalidate, optional=True),
        limits=limits,
    )


def _has_looked_at_user(request: HttpRequest | None) -> bool:
    """Whether somebody has asked who the user is, and somebody is logged in.

    Whoever has not asked has decided upon nothing that a logout could change.
    """
    given = vars(request) if request is not None else {}
    user = given.get("user")
    if isinstance(user, LazyObject):
        # Evaluated by whoever has asked it, or not at all; `auser()` does not evaluate it.
        is_evaluated = user._wrapped is not empty
        cached = given.get("_cached_user", given.get("_acached_user"))
        user = user._wrapped if is_evaluated else cached
    return bool(getattr(user, "is_authenticated", False))


def coding_for(request: HttpRequest | None, *, compress: Any) -> Coding | None:
    """Returns the coding that the client takes, None for none; raises `ImproperlyConfigured`."""
    if not isinstance(compress, bool):
        raise ImproperlyConfigured(f"compress is {compress!r}; it takes True or False.")
    if not compress:
        return None
    if request is None:
        raise ImproperlyConfigured(
            "compress=True without a request: its Accept-Encoding says what the client takes. "
            "Write StreamResponse(..., compress=True, request=request)."
        )
    return choose_coding(request.headers.get("Accept-Encoding"))


def is_served_async(request: HttpRequest | None) -> bool:
    """Whether the response will be iterated on an event loop.

    Without a request the thread tells: asgiref remembers the loop a thread works for, and knows
    which loops are thrown away when the view returns, as that of an async view under WSGI is.
    """
    if request is not None:
        return hasattr(request, "scope")
    try:
        return asyncio.get_running_loop() not in AsyncToSync.loop_thread_executors
    except RuntimeError:
        loop: Any = getattr(SyncToAsync.threadlocal, "main_event_loop", None)
        return loop is not None and bool(loop.is_running())
