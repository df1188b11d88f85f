"""`get_asgi_application()`: Django's ASGI handler with streams, out and in."""

from .exchange import EXCHANGE, Exchange
from .handler import StreamingASGIHandler, get_asgi_application

__all__ = ["EXCHANGE", "Exchange", "StreamingASGIHandler", "get_asgi_application"]
