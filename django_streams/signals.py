"""Signals that are sent when a stream begins and when it has ended.

    @receiver(stream_finished)
    async def log_stream(sender, stream, **kwargs):
        print(stream.path, stream.ending, stream.items, stream.seconds)

`sender` is the view: the class of a class-based one, else the function. `stream` is a `LiveStream`.
Receivers may be sync or async; a failing one is logged and disturbs nothing.
"""

from __future__ import annotations

from django.dispatch import Signal

__all__ = ["stream_finished", "stream_started"]

stream_started = Signal()
"""The request is decided upon, and the source is about to be opened."""

stream_finished = Signal()
"""The source's `finally` has run; `stream.ending` says why it ended."""
