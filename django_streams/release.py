"""Letting go of what a request holds: its thread and its database connections.

asgiref keeps one thread for the synchronous code of each request, and Django keeps a connection in
that thread, both until the response has ended: a thousand open streams would hold a thousand of
each. Called when the middleware has returned and before the source starts, when nothing uses
either. Synchronous code that runs later, such as the ORM in a source, gets a new thread, which ends
with the request.

The executors are no documented API of asgiref: a test guards what is used here, and where it is
missing only the connections are closed.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor

from asgiref.sync import SyncToAsync, sync_to_async
from django.db import connections

__all__ = ["abandon_thread", "close_connections", "release"]

logger = logging.getLogger("django_streams")


async def release() -> None:
    """Takes the thread away from this request, to close its connections and end it.

    That happens when the running task waits for the first time: two threads that contend for the
    interpreter would delay what is ready to be sent.

    Does nothing outside a request that has a thread of its own, as in a test client. A connection
    inside an atomic block is left alone, so that `TestCase` works.
    """
    if not _has_own_thread():
        return
    executor = _take_executor()
    if executor is not None:
        asyncio.get_running_loop().call_soon(_end, executor)
    elif not hasattr(SyncToAsync, "context_to_thread_executor"):
        await sync_to_async(close_connections)()


def abandon_thread() -> None:
    """Leaves a thread that does not come back to itself: nothing waits for it."""
    executor = _take_executor() if _has_own_thread() else None
    if executor is not None:
        _end(executor)  # As soon as it wakes up.


def _end(executor: Executor) -> None:
    executor.submit(close_connections)
    executor.shutdown(wait=False)  # What was submitted still runs; the thread ends after it.


def close_connections() -> None:
    """Closes this thread's database connections, but for those inside an atomic block."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            try:
                connection.close()
            except Exception:
                logger.exception("A connection to the database %r did not close.", connection.alias)


def _has_own_thread() -> bool:
    return SyncToAsync.thread_sensitive_context.get(None) is not None


def _take_executor() -> Executor | None:
    """Takes away the request's executor, if it has one by now."""
    executors = getattr(SyncToAsync, "context_to_thread_executor", {})
    context = SyncToAsync.thread_sensitive_context.get(None)
    executor: Executor | None = executors.pop(context, None)
    return executor
