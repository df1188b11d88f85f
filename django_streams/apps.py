"""The app config, which registers the system checks."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks as django_checks

from . import checks

__all__ = ["DjangoStreamsConfig"]


class DjangoStreamsConfig(AppConfig):
    """The app `django_streams`: views, responses and checks; no models."""

    name = "django_streams"
    verbose_name = "Streams"

    def ready(self) -> None:
        """Registers the checks."""
        django_checks.register(checks.check_settings)
        django_checks.register(checks.check_views)
        django_checks.register(checks.check_server)
