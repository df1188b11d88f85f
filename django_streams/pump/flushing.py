"""Flushing whenever a coroutine waits: when what is ready together is all there."""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

__all__ = ["flushing"]


@types.coroutine
def flushing(
    coroutine: Coroutine[Any, Any, None], flush: Callable[[], None]
) -> Generator[Any, Any, None]:
    """Awaits a coroutine, and calls `flush` each time that it is about to wait for something.

    In the same turn of the event loop: a callback would come one turn later, and a task that is
    woken two. What the coroutine waits for, the task waits for; what interrupts the task, it hears.
    """
    try:
        waits_for = coroutine.send(None)
        while True:
            flush()
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001 - The coroutine's to deal with.
                waits_for = coroutine.throw(error)
            else:
                waits_for = coroutine.send(None)
    except StopIteration:
        return
