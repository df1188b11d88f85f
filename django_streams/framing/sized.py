"""What the splitters share whose items say themselves where they end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from django_streams.exceptions import TruncatedStream

from .base import Splitter


class HoldingSplitter(Splitter):
    """Holds an item that has not ended in one place, to be cut off it once."""

    def __init__(self, max_item: int) -> None:
        self._max_item = max_item
        self._begun = bytearray()

    def close(self) -> Iterator[bytes]:
        if self._begun:
            raise TruncatedStream(
                f"the stream ends inside an item, {len(self._begun)} bytes into it"
            )
        yield from ()

    def _joined(self, data: bytes) -> bytes | bytearray:
        """Returns what is held and `data`; which alone will do for items that lie in one chunk."""
        if not self._begun:
            return data
        self._begun += data
        return self._begun

    def _keep(self, held: bytes | bytearray, start: int) -> None:
        """Holds on to what stands behind `start` in what `_joined` has returned."""
        if held is self._begun:
            del self._begun[:start]
        else:
            self._begun += held[start:]


class SizedSplitter(HoldingSplitter):
    """Asks for the end of one item after the other."""

    _head_size = 0
    """How many bytes there are in front of an item that are no part of it."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        held, start = self._joined(data), 0
        while end := self._end(held, start):
            item = held[start + self._head_size : end]
            start = end
            yield bytes(item)
        self._keep(held, start)

    @abstractmethod
    def _end(self, held: bytes | bytearray, start: int) -> int:
        """Returns where the item ends whose place begins at `start`, or 0 if it has not ended.

        Called again when more of it has come, goes on where it was.
        """
