"""Live properties over Django's `STREAMS` setting, each default beside its property.

    STREAMS = {"HEARTBEAT": 15, "FIRST_ITEM_SECONDS": 15}

Settings are read at use, so `override_settings` works. A wrong one raises `ImproperlyConfigured` at
use, and is found by a system check at start-up.
"""

from __future__ import annotations

import math
import os
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

__all__ = ["Conf", "amount", "conf", "seconds"]


def seconds(name: str, value: Any, *, optional: bool = False) -> float | None:
    """Returns a positive number of seconds; raises `ImproperlyConfigured` for anything else.

    A `timedelta` will do, too.
    """
    if value is None and optional:
        return None
    number = value.total_seconds() if isinstance(value, timedelta) else value
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if is_number and math.isfinite(number) and number > 0:
        return float(number)
    raise ImproperlyConfigured(
        f"{name} is {value!r}; it takes a positive number of seconds"
        + (", or None." if optional else ".")
    )


def amount(name: str, value: Any, *, unit: str = "bytes", optional: bool = False) -> int | None:
    """Returns a positive whole number; raises `ImproperlyConfigured` for anything else."""
    if value is None and optional:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ImproperlyConfigured(
        f"{name} is {value!r}; it takes a positive whole number of {unit}"
        + (", or None for no limit." if optional else ".")
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

    @property
    def send_timeout(self) -> float | None:
        """Seconds for which a client may take nothing of what is sent to it; None: any time.

        60 is what proxies use. What stands in the buffers of system and server counts as taken.
        """
        value = self._get("SEND_TIMEOUT", 60)
        return seconds('STREAMS["SEND_TIMEOUT"]', value, optional=True)

    @property
    def revalidate(self) -> float | None:
        """Seconds after which, again and again, the request of an event stream of a logged-in user
        is decided upon anew; None: never.

        A minute is how long a logout, or a permission that was taken away, may go unnoticed.
        """
        value = self._get("REVALIDATE", 60)
        return seconds('STREAMS["REVALIDATE"]', value, optional=True)

    @property
    def shutdown_grace(self) -> float:
        """Seconds that streams which cannot end cleanly have to come to their end by themselves
        when the server is being stopped; then they are broken off.

        A half is little enough that a restart takes no time. It is for longer where exports matter,
        and where whoever stops the server waits: Kubernetes does for 30 seconds.
        """
        return seconds('STREAMS["SHUTDOWN_GRACE"]', self._get("SHUTDOWN_GRACE", 0.5)) or 0

    @property
    def body_max_size(self) -> int | None:
        """Bytes of a request body that a view gets as a stream; None: any number.

        1 GiB: more than a form has, and no disk is full after one request.
        """
        return self._amount("BODY_MAX_SIZE", 2**30, optional=True)

    @property
    def body_max_parts(self) -> int:
        """Parts of a form: as many as the fields that Django takes."""
        return self._amount("BODY_MAX_PARTS", 1000, unit="parts") or 0

    @property
    def body_max_part_size(self) -> int | None:
        """Bytes of a part with a file; None: as many as the body may have."""
        return self._amount("BODY_MAX_PART_SIZE", None, optional=True)

    @property
    def body_max_field_size(self) -> int:
        """Bytes of a part without a file, and of any part that is read at once."""
        return self._amount("BODY_MAX_FIELD_SIZE", 2**20) or 0

    @property
    def body_max_header_size(self) -> int:
        """Bytes of all headers of a part together, line ends included."""
        return self._amount("BODY_MAX_HEADER_SIZE", 8 * 2**10) or 0

    @property
    def body_max_headers(self) -> int:
        """Headers of a part. RFC 7578 4.8 knows three."""
        return self._amount("BODY_MAX_HEADERS", 16, unit="headers") or 0

    @property
    def body_max_item(self) -> int:
        """Bytes of an item of a body that is read item by item."""
        return self._amount("BODY_MAX_ITEM", 2**20) or 0

    @property
    def body_idle_seconds(self) -> float | None:
        """Seconds for which a client may send nothing while a view waits for it; None: any time.

        60 outlasts the change of a network, and is what proxies use.
        """
        value = self._get("BODY_IDLE_SECONDS", 60)
        return seconds('STREAMS["BODY_IDLE_SECONDS"]', value, optional=True)

    @property
    def body_min_rate(self) -> int | None:
        """Bytes per second that a client has to send on average, once it has been waited for for
        20 seconds in all; None: any rate.

        240 is a tenth of what a modem sent: only who holds a connection on purpose is slower.
        """
        unit = "bytes per second"
        return self._amount("BODY_MIN_RATE", 240, unit=unit, optional=True)

    @property
    def pathsend(self) -> bool:
        """Whether an ASGI server that offers to send whole local files by itself is to do it."""
        return self._flag("PATHSEND", default=True)

    @property
    def x_sendfile(self) -> bool:
        """Whether the web server sends local files, named by X-Sendfile: Apache's, lighttpd's."""
        return self._flag("X_SENDFILE", default=False)

    @property
    def x_accel_redirect(self) -> dict[str, str]:
        """The folders whose files nginx sends, each with the URL of its internal location."""
        value = self._get("X_ACCEL_REDIRECT", {})
        if not isinstance(value, dict) or not all(map(_is_place, value.items())):
            raise ImproperlyConfigured(
                f'STREAMS["X_ACCEL_REDIRECT"] is {value!r}; it takes a dict of absolute folders '
                "and the URLs, with a slash at both ends, by which nginx knows them: "
                '{"/srv/media": "/m/"}.'
            )
        return {os.fspath(folder): url for folder, url in value.items()}

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

    def _amount(self, name: str, default: Any, **options: Any) -> int | None:
        return amount(f'STREAMS["{name}"]', self._get(name, default), **options)

    def _flag(self, name: str, *, default: bool) -> bool:
        value = self._get(name, default)
        if not isinstance(value, bool):
            raise ImproperlyConfigured(f'STREAMS["{name}"] is {value!r}; it takes a bool.')
        return value

    def _get(self, name: str, default: Any) -> Any:
        return self._all().get(name, default)

    def _all(self) -> dict[str, Any]:
        value = getattr(settings, "STREAMS", {})
        if not isinstance(value, dict):
            raise ImproperlyConfigured(f"STREAMS is {value!r}; it takes a dict.")
        return value


def _is_place(item: tuple[Any, Any]) -> bool:
    folder, url = item
    is_folder = isinstance(folder, str | os.PathLike) and os.path.isabs(folder)
    return is_folder and isinstance(url, str) and url.startswith("/") and url.endswith("/")


conf = Conf()
