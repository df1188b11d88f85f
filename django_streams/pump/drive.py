"""`drive`: a synchronous source, iterated by whoever wants its chunks."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

from django_streams.exceptions import BrokenOff

from .options import PumpOptions

__all__ = ["broken_off", "drive"]


def drive(
    begin: Callable[[], Iterator[Any]], options: PumpOptions, fail: Callable[[Exception], bytes]
) -> Generator[bytes, None, None]:
    """Yields the chunks of a synchronous source, one an item, in the caller's thread.

    `fail` is what `record` and `report` are to a pump: it is called in the `except` block and
    returns the record. Raises `BrokenOff` as a pump does; closing the generator closes the source.
    """
    iterator: Iterator[Any] = iter(())
    try:
        if options.head:
            yield options.head
        iterator = begin()
        for item in iterator:
            yield options.encode(item)
        if options.tail:
            yield options.tail
    except Exception as error:
        if record := fail(error):
            yield record
        if options.breaks_off:
            raise broken_off(error) from error
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


def broken_off(error: Exception) -> BrokenOff:
    """Returns what the reader of a stream gets whose source has failed."""
    return BrokenOff(f"the stream's source raised {type(error).__name__}")
