"""What of the melody was read, and for whom: the last few pages that had it play."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from threading import Lock
from uuid import UUID

from demo_project.melody import MelodyFile

MAX_LISTENERS = 100
MAX_STRETCHES = 100
"""The older ones are forgotten."""


@dataclass(eq=False)
class Stretch:
    """What one request had read: half-open, as ranges are inside."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


@dataclass(eq=False)
class Listener:
    """One page, for which the melody is read in stretches."""

    requests: int = 0
    bytes_read: int = 0
    stretches: deque[Stretch] = field(default_factory=lambda: deque(maxlen=MAX_STRETCHES))

    def heard(self, start: int, count: int, stretch: Stretch | None) -> Stretch:
        """Notes that so many bytes were read from there; returns the stretch that they belong to,
        which is another one than the request's last if that ends elsewhere."""
        if stretch is None or stretch.stop != start:
            stretch = Stretch(start, start)
            self.stretches.append(stretch)
            self.requests += 1
        stretch.stop += count
        self.bytes_read += count
        return stretch


_listeners: OrderedDict[UUID, Listener] = OrderedDict()
_lock = Lock()


def listener(key: UUID) -> Listener:
    """Returns the listener of that name: a new one, if nobody has asked for it lately."""
    with _lock:
        found = _listeners.setdefault(key, Listener())
        _listeners.move_to_end(key)
        while len(_listeners) > MAX_LISTENERS:
            _listeners.popitem(last=False)
        return found


class HeardMelody(MelodyFile):
    """The melody, for a listener. It is for one request, which reads it in one thread at a time."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener
        self._stretch: Stretch | None = None

    def readinto(self, buffer: bytearray | memoryview) -> int:
        start = self.tell()
        count = super().readinto(buffer)
        self._stretch = self._listener.heard(start, count, self._stretch)
        return count
