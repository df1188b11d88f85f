"""Live properties over Django's `STREAMS` setting, each default beside its property.

    STREAMS = {"HEARTBEAT": 15, "FIRST_ITEM_SECONDS": 15}

Settings are read at use, so `override_settings` works. A wrong one raises `ImproperlyConfigured` at
use, and is found by a system check at start-up.
"""

from __future__ import annotations

import math
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

__all__ = ["Conf", "conf", "seconds"]


def seconds(name: str, value: Any, *, optional: bool = False) -> float | None:
    """Returns a positive number of seconds; raises `ImproperlyConfigured` for anything else."""
    if value is None and optional:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and value > 0:
        return float(value)
    raise ImproperlyConfigured(
        f"{name} is {value!r}; it takes a positive number of seconds"
        + (", or None." if optional else ".")
    )


class Conf:
    """The package's settings as they are now."""

    @property
    def heartbeat(self) -> float | None:
        """Seconds after which an idle event stream sends a comment; None: never.

        15 keeps proxies, whose usual limit is 60, from closing an idle stream, also after a beat is
        lost.
        """
        return seconds('STREAMS["HEARTBEAT"]', self._get("HEARTBEAT", 15), optional=True)

    @property
    def first_item_seconds(self) -> float:
        """Seconds for which a stream holds its headers back until it has its first item.

        Within them a failure is still an ordinary HTTP error; 15 stays below the patience of
        proxies.
        """
        value = seconds('STREAMS["FIRST_ITEM_SECONDS"]', self._get("FIRST_ITEM_SECONDS", 15))
        return value if value is not None else 15

    def check(self) -> None:
        """Raises `ImproperlyConfigured` for a setting that is unknown or wrong."""
        names = {
            name.upper()
            for name, member in vars(type(self)).items()
            if isinstance(member, property)
        }
        for name in self._all():
            if name not in names:
                raise ImproperlyConfigured(
                    f"STREAMS has no setting {name!r}. It takes {', '.join(sorted(names))}."
                )
        for name in names:
            getattr(self, name.lower())

    def _get(self, name: str, default: Any) -> Any:
        return self._all().get(name, default)

    def _all(self) -> dict[str, Any]:
        value = getattr(settings, "STREAMS", {})
        if not isinstance(value, dict):
            raise ImproperlyConfigured(f"STREAMS is {value!r}; it takes a dict.")
        return value


conf = Conf()
