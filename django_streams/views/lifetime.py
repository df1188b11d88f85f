"""How long a view's streams may last, and how many of them there may be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from django_streams.conf import amount
from django_streams.lifetime import Limit, shutting_down
from django_streams.responses import DEFAULT, Default

from .hooks import waited_for

__all__ = ["LifetimeMixin"]


class LifetimeMixin:
    """The attributes of a stream's lifetime and their hooks, which may be sync or async."""

    request: HttpRequest

    max_duration: float | timedelta | None = None
    """Seconds after which a stream is ended, up to a tenth less, at random, so that the clients do
    not all come back at once; None: never."""
    revalidate: float | timedelta | Default | None = None
    """Seconds after which, again and again, the request is decided upon anew, to end the stream if
    it does not get through; None: never."""
    send_timeout: float | timedelta | Default | None = DEFAULT
    """Seconds for which a client may take nothing of what is sent to it; None: any time."""
    max_streams: int | None = None
    """How many streams of this view may be open in a process (429 for the next); None: any number.
    """
    max_streams_per_user: int | None = None
    """How many of them one logged-in user may have."""
    max_streams_per_address: int | None = None
    """How many of them one address may have."""

    def get_max_duration(self) -> Any:
        """Returns the seconds of `max_duration`."""
        return self.max_duration

    def get_revalidate(self) -> Any:
        """Returns the seconds of `revalidate`."""
        return self.revalidate

    def get_send_timeout(self) -> Any:
        """Returns the seconds of `send_timeout`."""
        return self.send_timeout

    def get_max_streams(self) -> Any:
        """Returns how many streams of this view may be open."""
        return self.max_streams

    def get_max_streams_per_user(self) -> Any:
        """Returns how many of them one user may have."""
        return self.max_streams_per_user

    def get_max_streams_per_address(self) -> Any:
        """Returns how many of them one address may have."""
        return self.max_streams_per_address

    def get_address(self) -> Any:
        """Returns the client's address: the one that is connected, which may be a proxy.

        Behind one, return what it says the address is, but only if it overwrites what clients say.
        """
        return self.request.META.get("REMOTE_ADDR", "")

    @property
    def shutting_down(self) -> Any:
        """An `asyncio.Event` that is set when the server stops; for `stream()`."""
        return shutting_down()

    def get_lifetime_options(self) -> dict[str, Any]:
        """Returns the keyword arguments of the response, from the hooks."""
        return {
            "max_duration": waited_for(self.get_max_duration()),
            "revalidate": waited_for(self.get_revalidate()),
            "send_timeout": waited_for(self.get_send_timeout()),
            "limits": list(self._limits()),
        }

    def _limits(self) -> Any:
        view = type(self)
        if (maximum := self._maximum("max_streams")) is not None:
            yield Limit((view,), maximum)
        if (maximum := self._maximum("max_streams_per_address")) is not None:
            yield Limit((view, "address", waited_for(self.get_address())), maximum)
        if (maximum := self._maximum("max_streams_per_user")) is not None:
            user: Any = getattr(self.request, "user", None)
            if user is None:
                raise ImproperlyConfigured(
                    f"{view.__qualname__} has max_streams_per_user, but its request has no user: "
                    "add AuthenticationMiddleware."
                )
            if user.is_authenticated:
                yield Limit((view, "user", user.pk), maximum)

    def _maximum(self, name: str) -> int | None:
        value = waited_for(getattr(self, f"get_{name}")())
        return amount(f"{type(self).__qualname__}.{name}", value, unit="streams", optional=True)
