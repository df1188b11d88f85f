"""What a pump is given: a source, and what it has to know of what it must not import."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from django_streams.buffer import CAPACITY

__all__ = ["Encode", "Feed", "Open", "PumpOptions", "Push", "Send"]

Encode = Callable[[Any], bytes]


class Feed(Protocol):
    """An opened source to pull from, and how what it yields becomes a chunk."""

    encode: Encode

    def __aiter__(self) -> AsyncIterator[Any]: ...

    async def aclose(self) -> None: ...


Send = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True)
class Push:
    """An opened source that pushes: `produce` is awaited with a `send` that may wait."""

    produce: Callable[[Send], Awaitable[None]]
    encode: Encode

    async def aclose(self) -> None:
        """Does nothing: what `produce` opened, it closes."""


Open = Callable[[Encode], Awaitable[Feed | Push]]
"""Opens a source: called once, in the pump's task, with the function that encodes an item."""


async def _no_record(error: Exception) -> bytes:
    return b""


async def _no_report(error: Exception) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class PumpOptions:
    """What a pump has to know of a world that it must not import."""

    encode: Encode
    """One item to its chunk."""
    head: bytes = b""
    """What comes before the first item."""
    tail: bytes = b""
    """What comes after the last item of a stream that ended well."""
    beat: bytes = b""
    """What a stream sends when it has been idle."""
    idle_seconds: float | None = None
    """How idle a stream has to be for that; None: it never beats."""
    capacity: int = CAPACITY
    """Bytes at which the source waits for the client."""
    joins_chunks: bool = True
    """Whether chunks that are ready together leave as one."""
    breaks_off: bool = True
    """Whether a failure midway ends in `BrokenOff`, instead of in a clean end."""
    record: Callable[[Exception], Awaitable[bytes]] = _no_record
    """What the client is told of a failure midway: a chunk in the stream's format."""
    report: Callable[[Exception], Awaitable[None]] = _no_report
    """Tells the operator of a failure midway; called inside the `except` block."""
