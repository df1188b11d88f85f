"""`LiveStream`: one stream from the start of its source to the last `finally`.

It knows when the stream is to end before its source does: at a deadline, when its permission is
revoked, when the server stops. A stream whose format allows it (`breaks_off` false: event streams,
whose clients reconnect) ends cleanly then; any other is broken off, so that half an export never
looks whole.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context, ContextVar
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured

from django_streams.conf import conf
from django_streams.exceptions import NoContent, ShuttingDown, TooManyStreams
from django_streams.pump import CLOSE_SECONDS, Pump
from django_streams.signals import stream_finished, stream_started

from .endings import Ending
from .limits import Limit, Places
from .shutdown import CUT_SECONDS, shutdown

__all__ = ["LiveStream", "Terms", "Totals", "open_streams", "shutting_down", "totals"]

logger = logging.getLogger("django_streams")

GOODBYE_SECONDS = 0.8
"""How long the source of a stream that ends cleanly may take to say goodbye when the server stops:
all of it, with the end on the wire, is done within a second."""

DECIDING_SECONDS = 30
"""How long it may take to decide upon a request anew: whatever hangs, nobody keeps a permission by
it."""

JITTER = 0.1
"""By how much of itself a time is shortened, at random: what began together is not to end together,
for all its clients come back."""

_current: ContextVar[LiveStream | None] = ContextVar("django_streams.stream", default=None)

_places = Places()


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On which terms a stream may last."""

    max_duration: float | None = None
    """Seconds after which it is ended; None: never."""
    revalidate: float | None = None
    """Seconds after which, again and again, it is asked whether the request is still allowed."""
    send_timeout: float | None = None
    """Seconds for which the client may take nothing; None: any time."""
    limits: Sequence[Limit] = ()
    """How many streams of its kind there may be."""


@dataclass
class Totals:
    """What the finished streams of one view, with one ending, come to."""

    streams: int = 0
    items: int = 0
    bytes_sent: int = 0
    seconds: float = 0.0


class LiveStream:
    """One stream. What it says of itself stays true after its end."""

    ending: Ending | None = None
    """Why it ended; None as long as nothing says that it will."""
    cut: Callable[[], None] | None = None
    """Stops waiting for the client, while something is being sent."""

    def __init__(
        self,
        request: Any,
        pump: Pump,
        terms: Terms,
        *,
        ends_cleanly: bool,
        is_allowed: Callable[[Any], Awaitable[bool]],
    ) -> None:
        self.request = request
        """The request that it answers; None if the response was not told."""
        self._pump = pump
        self.terms = terms
        """On which terms it may last."""
        self._ends_cleanly = ends_cleanly
        self._is_allowed = is_allowed
        self._holds_places = False
        self._began_at = self._ended_at = self._asks_at = 0.0
        self._lasts: float | None = None
        self._goodbye: asyncio.Event | None = None
        self._timers: dict[Callable[..., None], asyncio.TimerHandle] = {}
        self._revalidating: asyncio.Task[None] | None = None
        self._count = self._bytes = 0

    # What it says of itself.

    @property
    def view(self) -> Any:
        """The view: the class of a class-based one, else the function; None if unknown."""
        function = getattr(getattr(self.request, "resolver_match", None), "func", None)
        while isinstance(function, partial):
            function = function.func
        return getattr(function, "view_class", function)

    @property
    def view_name(self) -> str:
        """The dotted path of the view, "" if unknown."""
        view = self.view
        if view is None:
            return ""
        named = view if hasattr(view, "__qualname__") else type(view)  # An object may be called.
        return f"{named.__module__}.{named.__qualname__}"

    @property
    def path(self) -> str:
        """The path of the request, "" if unknown."""
        return getattr(self.request, "path", "")

    @property
    def items(self) -> int:
        """How many items the source has made."""
        return self._count + self._pump.items

    @property
    def bytes_sent(self) -> int:
        """How many bytes of the body were handed to the server, before any compression."""
        return self._bytes + self._pump.bytes_taken

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return (self._ended_at or monotonic()) - self._began_at if self._began_at else 0.0

    @property
    def shutting_down(self) -> asyncio.Event:
        """Is set when the server stops, for a source to say goodbye; then it should return."""
        if self._goodbye is None:
            self._goodbye = asyncio.Event()
            if shutdown.has_begun:
                self._goodbye.set()
        return self._goodbye

    # Its beginning and its end.

    def admit(self) -> None:
        """Takes its place among the open streams, to be given back by `leave()`.

        Raises `ShuttingDown` if the server stops, and `TooManyStreams`.
        """
        if self._holds_places:
            return
        shutdown.listen()
        if shutdown.has_begun:
            raise ShuttingDown
        if not _places.take(self.terms.limits):
            raise TooManyStreams
        self._holds_places = True

    def leave(self) -> None:
        """Gives its place back, once."""
        if self._holds_places:
            self._holds_places = False
            _places.give_back(self.terms.limits)

    async def open(self) -> None:
        """Tells that it begins, in its event loop."""
        self._enter()
        shutdown.add(self)
        if self._lasts is not None:
            self._later(self._lasts, self.end, Ending.DEADLINE)
        self._plan_revalidation()
        if stream_started.has_listeners(self.view):
            await stream_started.asend_robust(self.view, stream=self)

    async def close(self, otherwise: Ending) -> None:
        """Tells that it has ended, `otherwise` if nothing has ended it before; once."""
        if self._leave(otherwise):
            for timer in self._timers.values():
                timer.cancel()
            if self._revalidating is not None:
                self._revalidating.cancel()
            if stream_finished.has_listeners(self.view):
                await _to_the_end(stream_finished.asend_robust(self.view, stream=self))

    def open_here(self) -> None:
        """`open()` without an event loop."""
        self._enter()
        stream_started.send_robust(self.view, stream=self)

    def close_here(self, otherwise: Ending) -> None:
        """`close()` without an event loop."""
        if self._leave(otherwise):
            stream_finished.send_robust(self.view, stream=self)

    def counted(self, encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        """Returns the function that encodes an item, for a stream without a pump."""

        def encode_item(value: Any) -> bytes:
            chunk = encode(value)
            self._count += 1
            return chunk

        return encode_item

    def goes_on(self, chunk: bytes) -> bool:
        """Returns whether a stream without a pump may go on after a chunk: nobody interrupts it."""
        self._bytes += len(chunk)
        if shutdown.has_begun and self._ends_cleanly:
            self.ending = self.ending or Ending.SHUTDOWN
        if self._lasts is not None and self.seconds >= self._lasts:
            self.ending = self.ending or Ending.DEADLINE
        interval = self.terms.revalidate
        if interval is not None and self.request is not None and self.seconds >= self._asks_at:
            self._asks_at = self.seconds + _jittered(interval)
            if not async_to_sync(self._still_allowed)():
                self.ending = self.ending or Ending.REVOKED
        return self.ending is None

    def _enter(self) -> None:
        if self.terms.revalidate is not None and self.request is None:
            raise ImproperlyConfigured(
                "revalidate without a request: there is nothing to decide upon anew. "
                "Write StreamResponse(..., revalidate=60, request=request)."
            )
        self._began_at = monotonic()
        self._asks_at = _jittered(self.terms.revalidate or 0)
        if self.terms.max_duration is not None:
            self._lasts = _jittered(self.terms.max_duration)
        _current.set(self)
        with _lock:
            _open[self.view_name] += 1

    def _leave(self, otherwise: Ending) -> bool:
        if not self._began_at or self._ended_at:
            return False
        self._ended_at = monotonic()
        if self._pump.failure is not None:
            self.fail(self._pump.failure)
        self.ending = self.ending or otherwise
        self.leave()
        shutdown.remove(self)
        if _current.get() is self:
            _current.set(None)  # A thread may outlive many streams.
        self._add_to_totals()
        logger.debug(
            "%s %s: %s, %d items, %d bytes, %.3f s",
            getattr(self.request, "method", "-"),
            self.path,
            self.ending,
            self.items,
            self.bytes_sent,
            self.seconds,
        )
        return True

    def __del__(self) -> None:
        self.leave()  # A middleware has raised, and nobody has closed the response.

    def _add_to_totals(self) -> None:
        name, ending = self.view_name, self.ending
        with _lock:
            _open[name] -= 1
            if not _open[name]:
                del _open[name]
            sums = _totals.setdefault((name, str(ending)), Totals())
            sums.streams += 1
            sums.items += self.items
            sums.bytes_sent += self.bytes_sent
            sums.seconds += self.seconds

    # Ended before its source does.

    def fail(self, error: Exception) -> None:
        """Takes note of what the source raised."""
        ending = Ending.DONE if isinstance(error, NoContent) else Ending.ERROR
        self.ending = self.ending or ending

    def end(self, ending: Ending) -> None:
        """Ends it, in its loop: cleanly if its format allows that, else broken off.

        If the source has ended by itself, only a client that does not take the rest is left.
        """
        if self.ending is None and not self._ended_at:
            if not self._pump.is_closed:
                self.ending = ending
                self._pump.end(is_clean=self._ends_cleanly)
            self._later(CUT_SECONDS, self._cut, ending)

    def shut_down(self) -> None:
        """Begins to end as the server stops: at once, if nobody says goodbye."""
        if self._goodbye is not None:
            self._goodbye.set()
        grace = conf.shutdown_grace
        if self._ends_cleanly:
            grace = min(grace, GOODBYE_SECONDS) if self._goodbye is not None else 0
        self._later(grace, self.end, Ending.SHUTDOWN)

    def _cut(self, ending: Ending) -> None:
        if self.cut is not None:
            if self._pump.failure is not None:
                self.fail(self._pump.failure)
            self.ending = self.ending or ending
            self.cut()

    def _later(self, seconds: float, callback: Callable[..., None], *args: Any) -> None:
        loop = asyncio.get_running_loop()
        # Not in the context of whoever asks: that keeps what deciding anew has opened, as caches.
        timer = loop.call_later(seconds, callback, *args, context=Context())
        self._timers[callback] = timer

    def _plan_revalidation(self) -> None:
        if self.terms.revalidate is not None and self.request is not None:
            self._later(_jittered(self.terms.revalidate), self._begin_revalidation)

    def _begin_revalidation(self) -> None:
        # In a context of its own: in the request's it would get the thread, and the connection,
        # that the source may be using.
        loop = asyncio.get_running_loop()
        self._revalidating = loop.create_task(self._revalidate(), context=Context())

    async def _revalidate(self) -> None:
        if await self._still_allowed():
            self._plan_revalidation()
        else:
            self.end(Ending.REVOKED)
        self._revalidating = None  # A task keeps its context.

    async def _still_allowed(self) -> bool:
        try:
            async with asyncio.timeout(DECIDING_SECONDS):
                return await self._is_allowed(self.request)
        except Exception:
            logger.exception("It could not be decided anew upon %s; its stream ends.", self.path)
            return False


async def _to_the_end(telling: Coroutine[Any, Any, Any]) -> None:
    """Awaits it, also if this is cancelled, as a client that leaves at the end of a stream does."""
    task = asyncio.ensure_future(telling)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=CLOSE_SECONDS)
        raise


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1)  # noqa: S311 - It is no secret.


def shutting_down() -> asyncio.Event:
    """Returns the event that is set when the server stops, for the source of the current stream.

    Outside a stream, as in a test that iterates a source itself, it is one that is never set.
    """
    stream = _current.get()
    return asyncio.Event() if stream is None else stream.shutting_down


# What is open in this process, and what was.

# A stream that was dropped midway ends when the garbage collector finds it: at any time, and where
# the lock is held, too.
_lock = threading.RLock()
_open: Counter[str] = Counter()
_totals: dict[tuple[str, str], Totals] = {}


def open_streams() -> dict[str, int]:
    """Returns how many streams are open in this process, by the dotted path of their view."""
    with _lock:
        return dict(_open)


def totals() -> dict[tuple[str, str], Totals]:
    """Returns what this process's finished streams come to, by view and ending."""
    with _lock:
        return {key: Totals(**vars(sums)) for key, sums in _totals.items()}
