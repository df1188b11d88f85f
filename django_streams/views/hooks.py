"""How a view's hooks are asked: each may be sync or async, and so may the code that asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async

__all__ = ["asked", "is_awaitable", "waited_for"]


async def asked(hook: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Returns what a hook does, for async code; a user's sync one runs in a thread, where it may
    use the ORM.
    """
    if iscoroutinefunction(hook) or hook.__module__.startswith("django_streams."):
        answer = hook(*args, **kwargs)
    else:
        answer = await sync_to_async(hook)(*args, **kwargs)
    return await answer if is_awaitable(answer) else answer


def waited_for(answer: Any) -> Any:
    """Returns, for code in a thread, what something has returned that may have been async."""
    return async_to_sync(_awaited)(answer) if is_awaitable(answer) else answer


def is_awaitable(answer: Any) -> bool:
    """Whether something that may have been async has to be awaited."""
    # inspect.isawaitable() takes seven times as long, and a request asks ten hooks.
    return hasattr(type(answer), "__await__")


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer
