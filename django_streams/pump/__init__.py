"""The producer's side of a stream: one task that drives a source, encodes and fills the buffer."""

from .drive import drive
from .options import Encode, Feed, Open, PumpOptions, Push, Send
from .pump import CLOSE_SECONDS, TURN_SECONDS, Pump

__all__ = [
    "CLOSE_SECONDS",
    "TURN_SECONDS",
    "Encode",
    "Feed",
    "Open",
    "Pump",
    "PumpOptions",
    "Push",
    "Send",
    "drive",
]
