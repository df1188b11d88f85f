"""The uploads that run in this process, and how far each of them is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django_streams import BodyStream


@dataclass(eq=False)
class Arrival:
    """One request that uploads."""

    body: BodyStream
    filename: str = ""
    """Of the file that arrives now; a form sends several, one after the other."""

    @property
    def percent(self) -> int | None:
        """How much has come; None if the client has not said how much there will be."""
        return 100 * self.body.received // self.body.size if self.body.size else None


arrivals: list[Arrival] = []
"""The earliest first."""


@contextmanager
def arriving(body: BodyStream) -> Iterator[Arrival]:
    """Lists an upload for as long as its block runs."""
    arrival = Arrival(body)
    arrivals.append(arrival)
    try:
        yield arrival
    finally:
        arrivals.remove(arrival)
