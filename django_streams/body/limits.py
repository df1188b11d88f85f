"""How much of a request body a view takes, and how long it waits for it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from django_streams.conf import amount, conf, seconds

from .multipart import PartLimits

__all__ = ["LIMITS", "BodyLimits", "check_limit", "limits_of_settings"]


@dataclass(frozen=True, kw_only=True)
class BodyLimits(PartLimits):
    """The limits of one body; what the settings of these names say unless a view says otherwise."""

    max_size: int | None
    """Bytes of the body; None: any number."""
    max_item: int
    """Bytes of an item of a body that is read item by item."""
    idle_seconds: float | None
    """Seconds for which the client may send nothing while it is waited for; None: any time."""
    min_rate: int | None
    """Bytes per second that the client has to send on average, once it has been waited for for 20
    seconds in all; None: any rate."""


LIMITS = tuple(sorted(field.name for field in fields(BodyLimits)))
"""Their names. The setting of each is in upper case and begins with BODY_."""

_NONE_IS_ALLOWED = {"max_size", "max_part_size", "idle_seconds", "min_rate"}
_UNITS = {"max_parts": "parts", "max_headers": "headers", "min_rate": "bytes per second"}


def limits_of_settings(owner: str = "", /, **chosen: Any) -> BodyLimits:
    """Returns the limits that the settings name, but for those that are given.

    Raises `ImproperlyConfigured` for a wrong value, which it calls one of `owner`.
    """
    given = {name: check_limit(owner, name, value) for name, value in chosen.items()}
    others = {name: getattr(conf, f"body_{name}") for name in LIMITS if name not in given}
    return BodyLimits(**given, **others)


def check_limit(owner: str, name: str, value: Any) -> Any:
    """Returns the value of a limit; raises `ImproperlyConfigured` for a wrong one."""
    label, optional = f"{owner}.{name}", name in _NONE_IS_ALLOWED
    if name == "idle_seconds":
        return seconds(label, value, optional=optional)
    return amount(label, value, unit=_UNITS.get(name, "bytes"), optional=optional)
