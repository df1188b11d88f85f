"""The folder that uploads are saved in: what is in it, and how it is kept from filling the disk.

A file that arrives has a name of its own until it is whole, which begins with a dot and ends with
".part". All others are uploads, each under the name it was given.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.core.files.storage import default_storage

from django_streams.files import guess_content_type

FOLDER = "uploads"
"""In the default storage, which is MEDIA_ROOT."""

MAX_FILES = 30
MAX_BYTES = 2 * 10**9
"""What is kept: the newest files, at most so many, and together of at most so many bytes."""

STALE_SECONDS = 3600
"""After which nothing is written any more to a part: the server that did was killed."""


@dataclass(frozen=True)
class Upload:
    path: Path
    size: int
    changed_at: float

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def media_type(self) -> str:
        """As which it is sent."""
        return guess_content_type(self.name).partition(";")[0]

    @property
    def saved_at(self) -> datetime:
        return datetime.fromtimestamp(self.changed_at, UTC)

    @property
    def is_whole(self) -> bool:
        return not (self.name.startswith(".") and self.path.suffix == ".part")


def uploads() -> list[Upload]:
    """Returns what is in the folder, the newest first."""
    found = []
    for path in Path(default_storage.path(FOLDER)).glob("*"):
        with suppress(FileNotFoundError):  # It was deleted just now.
            status = path.stat()
            found.append(Upload(path, status.st_size, status.st_mtime))
    return sorted(found, key=lambda upload: upload.changed_at, reverse=True)


def whole_uploads() -> list[Upload]:
    """Returns those that may be downloaded, the newest first."""
    return [upload for upload in uploads() if upload.is_whole]


def delete_surplus() -> None:
    """Deletes the oldest files beyond what is kept, and parts that nobody will finish."""
    files = bytes_ = 0
    for upload in uploads():
        if upload.is_whole:
            files += 1
            bytes_ += upload.size
            is_surplus = files > MAX_FILES or bytes_ > MAX_BYTES
        else:
            is_surplus = upload.changed_at < time.time() - STALE_SECONDS
        if is_surplus:
            upload.path.unlink(missing_ok=True)
