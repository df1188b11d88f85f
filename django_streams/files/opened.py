"""Whatever a view gives as its file becomes one object to describe, to read in slices and to close.

`open_file` takes a path, a file of Django's or any other, bytes, or an iterator that makes them.
Everything here blocks, and is meant for a thread.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from mimetypes import guess_type
from typing import IO, Any, TypeAlias

from django.core.files import File
from django.core.files.storage import FileSystemStorage
from django.db.models.fields.files import FieldFile

from .paths import open_local
from .reading import BytesReader, ChunkReader, LocalReader, Reader, close, reader_of
from .stored import stored_time

__all__ = ["SLICE_BYTES", "FileShrunk", "Openable", "OpenedFile", "guess_content_type", "open_file"]

SLICE_BYTES = 2**20
"""1 MiB makes the change of threads cheap; of a slow client, this much is held."""

Openable: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | File[Any] | IO[bytes]"
    " | Iterable[bytes]"
)
"""What `open_file` takes."""

_NANOSECONDS = 10**9

# What is compressed is sent as what it is: with Content-Encoding, browsers would unpack it.
_COMPRESSED = {
    "br": "application/x-brotli",
    "bzip2": "application/x-bzip",
    "compress": "application/x-compress",
    "gzip": "application/gzip",
    "xz": "application/x-xz",
}


class FileShrunk(Exception):
    """The file ended before the bytes that had been promised.

    It is no `OSError`: nobody who handles a missing file, or a lost connection, is to take it for
    one. The answer has begun and can only be broken off.
    """


@dataclass(frozen=True, kw_only=True)
class OpenedFile:
    """One file that is open, described as it was when it was opened."""

    size: int | None
    """Bytes; None if unknown."""
    name: str | None
    """Its own name, without directories; None if it has none. It may be anything."""
    content_type: str
    """The media type that the name suggests (`guess_content_type`)."""
    last_modified: int | None
    """Whole seconds since the epoch, as Last-Modified counts; None if unknown, or in the future."""
    etag: str | None
    """An entity tag, in quotes (RFC 9110 8.8.3); None if nothing tells that it changes."""
    path: str | None
    """The absolute path of exactly this file, for a server that sends it itself; None elsewhere."""
    _reader: Reader = field(repr=False)
    _given: Any = field(repr=False)

    @property
    def can_seek(self) -> bool:
        """Whether ranges can be read. To answer this, a storage may download the file."""
        return self._reader.can_seek

    @property
    def may_seek(self) -> bool:
        """Whether ranges can be read, as far as it is known already: nothing is downloaded."""
        return self._reader.may_seek

    @property
    def is_local(self) -> bool:
        """Whether it is a regular file, which takes no longer to read than a disk does."""
        return isinstance(self._reader, LocalReader)

    @property
    def is_in_place(self) -> bool:
        """Whether `path` still leads to this file, and nobody has written to it since."""
        return isinstance(self._reader, LocalReader) and self._reader.is_in_place()

    def slices(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yields the bytes from `start` up to `stop`, or to the end, in pieces of 1 MiB or less.

        Iterators do not disturb each other. A file that cannot seek is read once, from 0 on. What
        a file gains after it was opened is not read.

        Raises, while it is iterated, `FileShrunk` if the file ends before `stop` or the size that
        it had, and `io.UnsupportedOperation` if it cannot seek and would have to.
        """
        end = self.size if stop is None else stop
        while end is None or start < end:
            count = SLICE_BYTES if end is None else min(SLICE_BYTES, end - start)
            chunk = self._reader.read_at(start, count)
            if not chunk and end is None:
                return
            if not chunk:
                raise FileShrunk(f"{self.name or 'The file'} has ended at byte {start} of {end}.")
            start += len(chunk)
            yield chunk

    def duplicate(self) -> io.FileIO | None:
        """Returns a local file once more, to be read from its beginning; None for any other."""
        return self._reader.duplicate() if isinstance(self._reader, LocalReader) else None

    def close(self) -> None:
        """Closes the file, whoever has opened it, as Django's `FileResponse` does."""
        try:
            close(self._reader)
        finally:
            close(self._given)


def open_file(given: Openable) -> OpenedFile:
    """Opens what a view gives as its file, and returns it with what is known of it.

    - A path, `str` or `Path`, of a local file. One that comes from outside is for `open_beneath`.
    - Django's `File`, such as a storage's file or the `FieldFile` of a model. It is sent from its
      beginning.
    - Any other binary file. It is sent from where it is, as `FileResponse` does.
    - Bytes, or something that makes them when it is iterated.

    The entity tag is made of the size and the modification time of the opened file itself, if it
    is a local one, else of what the storage of a `FieldFile` says. It is strong if these are exact.

    Raises `FileNotFoundError` if there is none, `TypeError` for what is no file or gives text.
    What is given is closed if this raises.
    """
    try:
        return _open(given)
    except BaseException:
        close(given)
        raise


def guess_content_type(name: str | None) -> str:
    """Returns the media type that a file name suggests, for Content-Type.

    Text is said to be UTF-8: without that, browsers read it in an encoding of the last century.
    What is compressed has the type of its compression (`.tar.gz`: application/gzip).
    """
    # As the name in a directory, "data:text/html,.png" is no URL.
    media_type, encoding = guess_type(f"./{name}") if name else (None, None)
    if encoding is not None:
        media_type = _COMPRESSED.get(encoding)
    if media_type is None:
        return "application/octet-stream"
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _open(given: Any) -> OpenedFile:
    if isinstance(given, str | os.PathLike):
        return open_file(open_local(given))
    if isinstance(given, bytes | bytearray | memoryview):
        return _describe(given, BytesReader(bytes(given)))
    if isinstance(given, FieldFile):
        return _open_stored(given)
    if hasattr(given, "read"):
        return _describe(given, reader_of(given))
    if isinstance(given, Iterable):
        return _describe(given, ChunkReader(given))
    raise TypeError(
        f"A file to send is a path, a binary file, bytes or an iterable of bytes, not {given!r}. "
        "What is generated asynchronously is for a StreamResponse."
    )


def _open_stored(given: FieldFile) -> OpenedFile:
    path = _local_path(given)
    if path is not None:
        return open_file(open_local(path))  # Which takes regular files only.
    # Before it is opened: should it be replaced in between, an old tag on new content only costs
    # another download, but a new tag on old content would keep that alive.
    modified = stored_time(given)
    return _describe(given, reader_of(given.open("rb")), modified)


def _local_path(file: FieldFile) -> str | None:
    """Returns where the file of a model lies, if opening it is all that its storage does."""
    is_stored = bool(file.name) and getattr(file, "_committed", True) and file.closed
    # A subclass may decrypt what it opens: then the file itself is not what is to be sent.
    is_djangos = _shares(file.storage.__class__, FileSystemStorage, "open", "_open")
    if is_stored and is_djangos and _shares(type(file), FieldFile, "open", "file", "read"):
        return file.storage.path(file.name or "")
    return None


def _shares(kind: type, original: type, *names: str) -> bool:
    """Whether a class has these attributes as another one has them."""
    return all(getattr(kind, name, None) is getattr(original, name) for name in names)


def _describe(given: Any, reader: Reader, modified: int | None = None) -> OpenedFile:
    """Returns the opened file; `modified` is in nanoseconds, where the reader does not know."""
    path = None
    if isinstance(reader, LocalReader):
        modified, path = reader.modified, reader.path
    name = _name_of(given)
    return OpenedFile(
        size=reader.size,
        name=name,
        content_type=guess_content_type(name),
        last_modified=_last_modified(modified),
        etag=_entity_tag(reader.size, modified, is_exact=isinstance(reader, LocalReader)),
        path=path,
        _reader=reader,
        _given=given,
    )


def _name_of(given: Any) -> str | None:
    name = getattr(given, "name", None)
    if not isinstance(name, str | bytes | os.PathLike):  # Without a name, it is a descriptor.
        return None
    return os.path.basename(os.fsdecode(name)) or None


def _entity_tag(size: int | None, modified: int | None, *, is_exact: bool) -> str | None:
    """Returns a tag that is the same on all servers with the same file: without the inode.

    A weak one (RFC 9110 8.8.1) for a storage that counts whole seconds, within which a file may
    have been replaced by another of the same size.
    """
    if size is None or modified is None:
        return None
    weak = "" if is_exact or modified % _NANOSECONDS else "W/"
    return f'{weak}"{modified:x}-{size:x}"'


def _last_modified(modified: int | None) -> int | None:
    """Returns whole seconds; None for the future (RFC 9110 8.8.2.1), and for before 1970."""
    if modified is None or not 0 <= modified <= time.time_ns():
        return None
    return modified // _NANOSECONDS
