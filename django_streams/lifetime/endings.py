"""Why a stream ended."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Ending"]


class Ending(StrEnum):
    """Why a stream ended."""

    DONE = "done"
    """The source returned, and all of it was handed to the server."""
    DISCONNECT = "disconnect"
    """The client left."""
    ERROR = "error"
    """The source raised."""
    SHUTDOWN = "shutdown"
    """The server stops."""
    DEADLINE = "deadline"
    """`max_duration` was over."""
    REVOKED = "revoked"
    """The request was decided upon anew (`revalidate`), and did not get through."""
    SLOW = "slow"
    """The client took nothing for `send_timeout` seconds."""
