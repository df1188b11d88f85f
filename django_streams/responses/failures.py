"""What is told of a failure midway: to the client in the stream, to the operator as Django does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.core.signals import got_request_exception
from django.http import HttpRequest

from django_streams.exceptions import StreamError
from django_streams.formats import Format

from .options import error_item_of

__all__ = ["Failures"]

logger = logging.getLogger("django.request")


class Failures:
    """Tells of the failures of one stream. `error_item` is the hook of its response."""

    sender: Any = None
    """The handler that sends the response."""

    def __init__(
        self, request: HttpRequest | None, format: Format, error_item: Callable[[Exception], Any]
    ) -> None:
        self.request = request
        self._format = format
        self._error_item = error_item

    async def record(self, error: Exception) -> bytes:
        """Returns what the client is told, in the stream's format."""
        try:
            item = await error_item_of(self._error_item, error)
            return b"" if item is None else self._format.encode_error(item)
        except Exception:
            logger.exception("The item that tells of a failure midway could not be made.")
            return b""

    async def report(self, error: Exception) -> None:
        """Tells the operator."""
        # The thread adds its frames to the traceback of what it raises again.
        await sync_to_async(self._log)(error, error.__traceback__)

    def record_here(self, error: Exception) -> bytes:
        """`record()` and `report()` without an event loop."""
        record = async_to_sync(self.record)(error)
        self.report_here(error)
        return record

    def report_here(self, error: Exception) -> None:
        """`report()` without an event loop."""
        self._log(error, error.__traceback__)

    def _log(self, error: Exception, traceback: TracebackType | None) -> None:
        path = self.request.path if self.request is not None else "a stream"
        if isinstance(error, StreamError) and error.is_clients:
            details = {"status_code": error.status, "request": self.request}
            logger.warning("%s: %s", error, path, extra=details)
            return
        logger.error(
            "Streaming failed midway: %s",
            path,
            exc_info=(type(error), error, traceback),
            extra={"status_code": 500, "request": self.request},
        )
        got_request_exception.send_robust(sender=self.sender, request=self.request)
