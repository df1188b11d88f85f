"""Where an upload goes: a file of a storage, which is deleted again if the upload breaks off."""

from __future__ import annotations

import logging
import os
import posixpath
import secrets
from contextlib import suppress
from typing import Any

from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage
from django.core.files.utils import validate_file_name

__all__ = ["StoredFile", "stored_file"]

_ATTEMPTS = 100
"""More than any race takes; a storage that insists on a taken name must not hold its thread."""

logger = logging.getLogger("django_streams")


def stored_file(storage: Storage, name: str, max_length: int | None) -> StoredFile:
    """Returns the file of that name in a storage, not written yet."""
    kind = _PlainFile if _is_plain_directory(storage) else StoredFile
    return kind(storage, name, max_length)


def _is_plain_directory(storage: Storage) -> bool:
    """Whether a storage names and writes files as Django's `FileSystemStorage` does."""
    kind = storage.__class__  # Not type(): `default_storage` is a proxy.
    rules = ("save", "_save", "get_available_name", "OS_OPEN_FLAGS")
    return isinstance(storage, FileSystemStorage) and all(
        getattr(kind, rule, None) == getattr(FileSystemStorage, rule, None) for rule in rules
    )


class StoredFile:
    """A file in any storage, named and written as `Storage.save()` does it."""

    def __init__(self, storage: Any, name: str, max_length: int | None) -> None:
        self.storage = storage
        self.name = name
        self.max_length = max_length
        self.doomed: str | None = None
        """The name of what is deleted if the upload breaks off now."""
        self.dubious: str | None = None
        """The name of what may be a part of this upload, and may be somebody's whole file."""

    def write(self, content: File[Any]) -> str:
        """Writes the file, and returns its final name."""
        if self.storage.__class__.save is not Storage.save:
            self.dubious = self.name
            return self._written(self.storage.save(self.name, content, self.max_length))
        name = self.get_available_name()
        if self.storage.exists(name):
            self.dubious = name
        else:
            self.doomed = name
        return self._written(self.storage._save(name, content))

    def _written(self, name: str) -> str:
        validate_file_name(name, allow_relative_path=True)
        self.doomed, self.dubious = name, None
        return name

    def get_available_name(self) -> str:
        """Returns a free name, and validates it once more: storages override the choice."""
        name: str = self.storage.get_available_name(self.name, max_length=self.max_length)
        validate_file_name(name, allow_relative_path=True)
        return name

    def delete(self) -> None:
        """Deletes what has been written; logs if that fails."""
        if self.dubious is not None:
            logger.warning("An upload broke off, and may have left a part as %r.", self.dubious)
        if self.doomed is None:
            return
        try:
            self.storage.delete(self.doomed)
        except Exception:
            logger.exception("What is left of an upload, %r, could not be deleted.", self.doomed)


class _PlainFile(StoredFile):
    """A file in a directory, which gets its name when it is whole."""

    def write(self, content: File[Any]) -> str:
        directory = posixpath.dirname(self.get_available_name().replace("\\", "/"))
        self.doomed = posixpath.join(directory, f".{secrets.token_hex(16)}.part")
        self.storage._save(self.doomed, content)
        path = self._put_in_place(self.storage.path(self.doomed))
        return self._written(os.path.relpath(path, self.storage.location).replace("\\", "/"))

    def _put_in_place(self, part: str) -> str:
        """Names the file, and returns its path."""
        for _ in range(_ATTEMPTS):
            path: str = self.storage.path(self.get_available_name())
            with suppress(FileExistsError):  # Another upload was faster: it gets another name.
                if getattr(self.storage, "_allow_overwrite", False):
                    os.replace(part, path)
                else:
                    _rename_to_free(part, path)
                return path
        raise FileExistsError(f"The storage offers no free name for {self.name!r}.")


def _rename_to_free(part: str, path: str) -> None:
    """Renames a file; raises `FileExistsError` if there is one of that name."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # A file system without links: an empty file shows for a moment.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        try:
            os.replace(part, path)
        except BaseException:
            os.unlink(path)
            raise
    else:
        os.unlink(part)
