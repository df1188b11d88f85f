"""How many streams may be open at once: of a view, of one of its users, or of one address.

Counted in this process, as what it costs, memory and sockets, is this process's as well.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import NamedTuple

__all__ = ["Limit", "Places"]


class Limit(NamedTuple):
    """At most `maximum` streams at once for whatever has this key."""

    key: Hashable
    maximum: int


class Places:
    """Counts the streams that are open, by key. Safe to use from several threads."""

    def __init__(self) -> None:
        # A response that was dropped gives its place back when the garbage collector finds it:
        # at any time, and in the middle of `take()`, too.
        self._lock = threading.RLock()
        self._taken: Counter[Hashable] = Counter()

    def take(self, limits: Iterable[Limit]) -> bool:
        """Takes a place under each of the limits, or none; returns whether there was room."""
        limits = list(limits)
        with self._lock:
            if any(self._taken[key] >= maximum for key, maximum in limits):
                return False
            self._taken.update(key for key, _ in limits)
        return True

    def give_back(self, limits: Iterable[Limit]) -> None:
        """Gives back what `take()` has taken."""
        with self._lock:
            for key, _ in limits:
                self._taken[key] -= 1
                if not self._taken[key]:
                    del self._taken[key]  # Users and addresses come and go.
