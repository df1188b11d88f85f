"""Letting go of what a request holds: its thread and its database connections.

asgiref keeps one thread for the synchronous code of each request, and Django keeps a connection in
that thread, both until the response has ended: a thousand open streams would hold a thousand of
each. They are let go when the middleware has returned and before the source starts, when nothing
uses either; before a body is received; and whenever a source says so itself. Synchronous code that
runs later, such as the ORM in a source, gets a new thread, which ends with the request.

The executors are no documented API of asgiref: a test guards what is used here, and where it is
missing only the connections are closed.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from typing import Any

from asgiref.sync import AsyncToSync, SyncToAsync, sync_to_async
from django.db import DatabaseError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["abandon_thread", "close_connections", "let_go", "release"]

logger = logging.getLogger("django_streams")

CLOSING_TURNS = 6
"""Turns of the event loop within which it closes an `aiterator()` that was left midway: two
generators, one in the other, of which each takes a turn for its task to be made, and one to run."""


async def release() -> None:
    """Lets go of this request's thread and database connections, until they are needed again.

    For an asynchronous source, or a view that receives a body, that has used the ORM and now waits
    for something else. The next ORM call gets a new thread and a new connection; with Django's
    connection pool the old one goes back to that. A connection inside an atomic block is left
    alone, and so is everything outside a request that has a thread of its own, as in a test client.

    Raises `RuntimeError`, and closes nothing, if an `aiterator()` of this request has rows left to
    fetch, on SQLite and from a server-side cursor of PostgreSQL. Other databases cannot tell.
    """
    if _has_own_thread() and _may_have_connections():
        for _ in range(CLOSING_TURNS):
            await asyncio.sleep(0)
        await sync_to_async(_close_unless_fetching)()
    await let_go()


async def let_go() -> None:
    """Takes the thread away from this request, to close its connections and end it.

    That happens when the running task waits for the first time: two threads that contend for the
    interpreter would delay what is ready to be sent. A thread that waits for this very code, as
    that of a synchronous middleware around an asynchronous view, stays, and its connections are
    closed at once.

    Does nothing outside a request that has a thread of its own, as in a test client. A connection
    inside an atomic block is left alone, so that `TestCase` works.
    """
    if not _has_own_thread():
        return
    if not _can_end_thread():
        await sync_to_async(close_connections)()
    elif (executor := _take_executor()) is not None:
        asyncio.get_running_loop().call_soon(_end, executor)


def abandon_thread() -> None:
    """Leaves a thread that does not come back to itself: nothing waits for it."""
    executor = _take_executor() if _has_own_thread() and _can_end_thread() else None
    if executor is not None:
        _end(executor)  # As soon as it wakes up.


def _end(executor: Executor) -> None:
    executor.submit(close_connections)
    executor.shutdown(wait=False)  # What was submitted still runs; the thread ends after it.


# In the request's thread.


def close_connections() -> None:
    """Closes this thread's database connections, but for those inside an atomic block."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            try:
                connection.close()
            except Exception:
                logger.exception("A connection to the database %r did not close.", connection.alias)


def _close_unless_fetching() -> None:
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block and _is_fetching(connection):
            raise RuntimeError(
                f"release() would close the connection to the database {connection.alias!r} under "
                "an aiterator() that has rows left to fetch. Call it when the iterator has ended "
                "or was closed, or do not call it."
            )
    close_connections()


def _is_fetching(connection: BaseDatabaseWrapper) -> bool:
    """Whether rows are left to fetch over a connection, as far as its database tells."""
    if connection.connection is None:
        return False
    try:
        if connection.vendor == "sqlite":
            return _has_active_statement(connection)
        if connection.vendor == "postgresql":
            return _has_server_side_cursor(connection)
    except DatabaseError:
        pass  # It is broken, so nothing can be fetched over it.
    return False


def _has_active_statement(connection: BaseDatabaseWrapper) -> bool:
    """Whether a statement of an SQLite connection has rows left.

    Nothing tells it directly, but as long as one has, SQLite changes no function (SQLITE_BUSY in
    its `sqlite3CreateFunc()`).
    """
    try:
        with connection.wrap_database_errors:
            for function in (str, None):  # None takes it away again.
                connection.connection.create_function("django_streams_release", 0, function)
    except OperationalError:
        return True
    return False


def _has_server_side_cursor(connection: BaseDatabaseWrapper) -> bool:
    """Whether a PostgreSQL connection has one: outside a transaction it outlives its statement.

    In Django's pool it would even outlive the request, on a connection that serves another one.
    """
    if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        return False  # psycopg has all rows by then.
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_cursors WHERE name <> '')")
        (has_cursor,) = cursor.fetchone()
    return bool(has_cursor)


# What is asked of asgiref.


def _has_own_thread() -> bool:
    """Whether the request has, or would get, a thread to itself, as far as that can be known."""
    is_known = hasattr(SyncToAsync, "thread_sensitive_context")
    return not is_known or _thread_context() is not None


def _may_have_connections() -> bool:
    """Whether the request has a thread by now, as far as that can be known."""
    return not _can_end_thread() or _thread_context() in _executors()


def _can_end_thread() -> bool:
    """Whether the thread can be found, is asgiref's own, and waits for nothing."""
    context = _thread_context()
    is_lent = getattr(context, "_executor", None) is not None  # Since asgiref 3.13.
    is_waiting = getattr(getattr(AsyncToSync, "executors", None), "current", None) is not None
    return not (context is None or is_lent or is_waiting or _executors() is None)


def _take_executor() -> Executor | None:
    """Takes away the request's executor, if it has one by now."""
    executor: Executor | None = _executors().pop(_thread_context(), None)
    return executor


def _thread_context() -> Any:
    variable = getattr(SyncToAsync, "thread_sensitive_context", None)
    return None if variable is None else variable.get(None)


def _executors() -> Any:
    return getattr(SyncToAsync, "context_to_thread_executor", None)
