"""The app config, which registers the system checks."""

from __future__ import annotations

import threading

from django.apps import AppConfig
from django.core import checks as django_checks

from . import checks
from .lifetime import shutdown

__all__ = ["DjangoStreamsConfig"]


class DjangoStreamsConfig(AppConfig):
    """The app `django_streams`: views, responses and checks; no models."""

    name = "django_streams"
    verbose_name = "Streams"

    def ready(self) -> None:
        """Registers the checks, and listens for the end of the server where it can already."""
        django_checks.register(checks.check_settings)
        django_checks.register(checks.check_views)
        django_checks.register(checks.check_server)
        # A WSGI server that has installed its handler: its requests come in other threads, where it
        # would be too late. Commands, whose signals nobody handles, notice nothing.
        if threading.current_thread() is threading.main_thread():
            shutdown.listen()
