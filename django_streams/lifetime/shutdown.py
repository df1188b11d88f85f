"""Hearing that the server stops, so that streams end and the server can.

uvicorn, granian and hypercorn wait for open responses before they tell an application anything, and
an open stream would keep them for ever. So the signal itself is listened to, by a handler in front
of the one that the server has installed, which is called after ours. No server is changed.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
import threading
from collections.abc import Callable
from time import monotonic
from types import FrameType
from typing import Any, Protocol

from django_streams.conf import conf

__all__ = ["CUT_SECONDS", "Shutdown", "shutdown"]

logger = logging.getLogger("django_streams")

CUT_SECONDS = 0.4
"""How long a client may take to accept what was left, after its stream has been ended."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_LEFT_ALONE = (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler, None)
"""What no server has installed: the process is to die of the signal as it would without us."""

Handler = Callable[[int, FrameType | None], Any]


class Member(Protocol):
    """Something open that is to end when the server stops."""

    def shut_down(self) -> None:
        """Begins to end; called in the loop where it lives."""


class Shutdown:
    """Whether this process is being stopped, and who is to hear of it."""

    def __init__(self) -> None:
        self.has_begun = False
        self._listens = False
        # A stream that was dropped is forgotten when the garbage collector finds it: at any time.
        self._lock = threading.RLock()
        self._members: dict[asyncio.AbstractEventLoop, set[Member]] = {}
        # Replaced, never changed: a signal handler may look at any time, and must not wait.
        self._loops: tuple[asyncio.AbstractEventLoop, ...] = ()
        self._is_told = False
        self._waiting: asyncio.Future[None] | None = None

    # Who is to hear of it.

    def add(self, member: Member) -> None:
        """Lets a member hear of it, in the running event loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._members.setdefault(loop, set()).add(member)
            self._loops = tuple(self._members)
        if self.has_begun:  # At once: later it may be none any more.
            member.shut_down()

    def remove(self, member: Member) -> None:
        """Forgets a member; does nothing if it is none."""
        with self._lock:
            for loop, members in list(self._members.items()):
                members.discard(member)
                if not members:
                    del self._members[loop]
            self._loops = tuple(self._members)

    # Listening.

    def listen(self) -> None:
        """Puts our handler in front of the server's, if that is not done yet.

        To be called often: nobody tells when a server installs its own. Outside the main thread no
        signal can be listened to, which is logged once.
        """
        if threading.current_thread() is not threading.main_thread():
            self._tell_that_it_is_deaf()
            return
        for number in _SIGNALS:
            installed = signal.getsignal(number)
            if callable(installed) and _is_a_servers(installed) and not self._is_ours(installed):
                signal.signal(number, functools.partial(self._hear, installed))
                self._listens = True

    def _is_ours(self, handler: Any) -> bool:
        return isinstance(handler, functools.partial) and handler.func == self._hear

    def begin(self) -> None:
        """Tells all members, each in its loop. From any thread, and from a signal handler."""
        self.has_begun = True
        for loop in self._loops:
            try:
                loop.call_soon_threadsafe(self._shut_down_members, loop)
            except RuntimeError:  # It is closed, and with it whatever ran there.
                continue

    def reset(self) -> None:
        """Lets streams begin again: a server has started, in a process where one has stopped."""
        self.has_begun = False

    def _hear(self, previous: Handler, number: int, frame: FrameType | None) -> None:
        """Is told of a signal, and tells the handler that it was put in front of.

        Each keeps its own: a server that ends restores what it has found, which may be one of ours.
        """
        is_first = not self.has_begun
        if is_first:  # The second is somebody's who does not want to wait.
            self.begin()
        waiting = next((loop for loop in self._loops if loop.is_running()), None)
        if is_first and waiting is not None and _is_twisteds(previous):
            stop = functools.partial(previous, number, frame)
            waiting.call_soon_threadsafe(self._call_after_streams, stop)
        else:
            previous(number, frame)

    def _call_after_streams(self, stop: Callable[[], Any]) -> None:
        """Calls what stops Twisted's reactor (daphne) when the streams have ended.

        It cuts connections off at once, and does not wait for anything as other servers do.
        """

        async def wait() -> None:
            ends = monotonic() + conf.shutdown_grace + 2 * CUT_SECONDS
            try:
                while self._loops and monotonic() < ends:  # noqa: ASYNC110 - Or other loops' streams.
                    await asyncio.sleep(0.02)
            finally:  # Also if this loop ends before.
                stop()

        self._waiting = asyncio.ensure_future(wait())  # Or nobody would keep it.

    def _shut_down_members(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            members = list(self._members.get(loop, ()))
        for member in members:
            member.shut_down()

    def _tell_that_it_is_deaf(self) -> None:
        # Django's reloader, which runs the server in a thread, ends the process without asking.
        if not (self._is_told or self._listens or os.environ.get("RUN_MAIN")):
            self._is_told = True
            logger.warning(
                "Streams will not hear that the server stops: the application runs outside the "
                "main thread, where no signal arrives. Open streams may hold the server up."
            )


def _is_a_servers(handler: Any) -> bool:
    if any(handler is other for other in _LEFT_ALONE):
        return False
    function = getattr(handler, "func", handler)  # asyncio.run() installs a partial for Ctrl-C.
    return not isinstance(getattr(function, "__self__", None), asyncio.Runner)


def _is_twisteds(handler: Any) -> bool:
    return str(getattr(handler, "__module__", "")).startswith("twisted.")


shutdown = Shutdown()
"""The one of this process."""
