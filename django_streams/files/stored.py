"""What a storage says of the file of a model, without opening it.

Storages that are asked for a file they do not have raise whatever the library below them does:
that of S3 botocore's ClientError, for example. Here that is a `FileNotFoundError`, as elsewhere.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from django.db.models.fields.files import FieldFile

__all__ = ["stored_size", "stored_time"]

_T = TypeVar("_T")


def stored_size(file: FieldFile) -> int | None:
    """Returns the bytes of a file; None if its storage does not know.

    Raises `FileNotFoundError` if there is none.
    """
    return _told(file, lambda: file.size)


def stored_time(file: FieldFile) -> int | None:
    """Returns when a file was modified, in nanoseconds since the epoch; None if unknown.

    Raises `FileNotFoundError` if there is none.
    """

    def modified() -> datetime | None:
        # An upload that is not saved yet is not in its storage.
        is_stored = getattr(file, "_committed", True)
        return file.storage.get_modified_time(file.name or "") if is_stored else None

    moment = _told(file, modified)
    return None if moment is None else int(moment.timestamp() * 10**6) * 10**3


def _told(file: FieldFile, ask: Callable[[], _T]) -> _T | None:
    """Returns what `ask` does; None if the storage cannot tell."""
    if not file:
        raise FileNotFoundError(errno.ENOENT, "There is no file in the field", file.field.name)
    try:
        return ask()
    except NotImplementedError:
        return None
    except FileNotFoundError:
        raise
    except Exception as error:
        if _is_missing(file):
            raise FileNotFoundError(
                errno.ENOENT, "The storage has no such file", file.name
            ) from error
        raise


def _is_missing(file: FieldFile) -> bool:
    """Whether the storage says for certain that it does not have the file."""
    try:
        return not file.storage.exists(file.name or "")
    except Exception:  # noqa: BLE001 - It is out of order, and the failure before this one tells.
        return False
