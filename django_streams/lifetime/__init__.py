"""How long streams last: why they end, how many there may be, and what of them is open."""

from .endings import Ending
from .limits import Limit
from .shutdown import CUT_SECONDS, shutdown
from .streams import LiveStream, Terms, Totals, open_streams, shutting_down, totals

__all__ = [
    "CUT_SECONDS",
    "Ending",
    "Limit",
    "LiveStream",
    "Terms",
    "Totals",
    "open_streams",
    "shutdown",
    "shutting_down",
    "totals",
]
