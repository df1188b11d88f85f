"""Threads that the end of a process does not wait for.

A `ThreadPoolExecutor` is joined when Python ends: one read of a storage that hangs would keep the
process, after a SIGTERM too, until it is killed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any

__all__ = ["DaemonPool"]


class DaemonPool(Executor):
    """Runs calls in up to `max_threads` threads, which are started as they are needed, and stay.

    Further calls queue; one that is cancelled before its turn is not made.
    """

    def __init__(self, max_threads: int, *, name: str) -> None:
        self._max_threads = max_threads
        self._name = name
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._unfinished = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Returns the future of a call."""
        future: Future[Any] = Future()
        with self._lock:
            if self._threads < min(self._unfinished + 1, self._max_threads):
                name = f"{self._name}_{self._threads}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
                self._threads += 1
            self._unfinished += 1
        self._calls.put((future, lambda: fn(*args, **kwargs)))
        return future

    def _work(self) -> None:
        while True:
            self._run(*self._calls.get())  # Without names: what has been read is not kept here.
            with self._lock:
                self._unfinished -= 1

    def _run(self, future: Future[Any], call: Callable[[], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - Raised where it is awaited.
            future.set_exception(error)
