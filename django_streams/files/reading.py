"""How the bytes of a file are read, from any offset that can be.

A local file is read at an offset (pread), which moves no position that another reader shares. What
is in memory is shared and not copied. Other files are moved and read; some cannot be moved, and a
storage's file may be downloaded for it, so it is not moved before it is read.

Files that only look local are not taken for one: `GzipFile` has the descriptor of the compressed
file. Everything here blocks.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from tempfile import _TemporaryFileWrapper
from typing import Any, Protocol

from django.core.files import File
from django.core.files.utils import FileProxyMixin

__all__ = ["BytesReader", "ChunkReader", "LocalReader", "Reader", "close", "reader_of"]


class Reader(Protocol):
    """Reads one file."""

    size: int | None
    """Bytes; None if unknown."""

    @property
    def can_seek(self) -> bool:
        """Whether any offset can be read, any number of times."""

    @property
    def may_seek(self) -> bool:
        """The same, as far as it is known already: to find out, a storage may download the file."""

    def read_at(self, offset: int, count: int) -> bytes:
        """Returns some bytes from there, at most `count`; none at the end."""


class LocalReader:
    """Reads a regular file, from where `start` is its first byte."""

    can_seek = may_seek = True

    def __init__(self, file: io.FileIO, start: int) -> None:
        self._file = file
        self._start = start
        status = os.fstat(file.fileno())
        self.size: int | None = max(status.st_size - start, 0)
        self._bytes = status.st_size
        self._status = status
        self.modified = status.st_mtime_ns
        """Nanoseconds since the epoch."""
        self.path = None if start else _path_of(file, status)
        """The absolute path of exactly this file; None if there is none."""

    def read_at(self, offset: int, count: int) -> bytes:
        chunk = os.pread(self._file.fileno(), count, self._start + offset)
        status = os.fstat(self._file.fileno())
        if status.st_mtime_ns != self.modified and status.st_size <= self._bytes:
            return b""  # It was written anew: as if it had ended, for the rest is of another file.
        return chunk

    def is_in_place(self) -> bool:
        """Whether the path still leads to this file, and nobody has written to it."""
        with suppress(OSError):
            now, before = os.stat(self.path or ""), self._status
            is_unwritten = (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
            return is_unwritten and os.path.samestat(now, before)
        return False

    def duplicate(self) -> io.FileIO:
        """Returns the file under a descriptor of its own, at its beginning; it ends where it does
        now.
        """
        file = _Bounded(os.dup(self._file.fileno()))
        file.seek(self._start)
        file.end = self._bytes
        return file


class _Bounded(io.FileIO):
    """What is read of a file without what it has gained: a server that reads to its end would send
    more than was promised.
    """

    end = 0

    def read(self, size: int | None = -1) -> bytes:
        left = max(self.end - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left)) or b""


class BytesReader:
    """Reads what is in memory."""

    can_seek = may_seek = True

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size: int | None = len(content)

    def read_at(self, offset: int, count: int) -> bytes:
        return self._content[offset : offset + count]


class FileReader:
    """Reads anything that has `read` and perhaps `seek`, from where `start` is its first byte."""

    def __init__(self, file: Any, start: int, size: int | None) -> None:
        self._file = file
        self._start = start
        self._position: int | None = 0
        self.size = size

    @property
    def can_seek(self) -> bool:
        return _can_seek(self._file)

    @property
    def may_seek(self) -> bool:
        # A storage's file that opens itself when it is touched has a property for what it wraps.
        is_open = not isinstance(self._file, File) or _wrapped(self._file) is not None
        return self.can_seek if is_open else True

    def read_at(self, offset: int, count: int) -> bytes:
        if self.can_seek:
            return self._read_from(self._start + offset, count)
        if offset != self._position:
            raise io.UnsupportedOperation(f"{self._file!r} can be read once, from its beginning.")
        self._position = None  # Should reading fail.
        chunk = _as_bytes(self._file.read(count))
        self._position = offset + len(chunk)
        return chunk

    def _read_from(self, position: int, count: int) -> bytes:
        self._file.seek(position)
        wrapped = _wrapped(self._file)
        chunk = self._file.read(count)
        if _wrapped(self._file) is not wrapped:
            # Files of FTP and SFTP (django-storages) are empty until they are read: then they are
            # fetched, and read from the beginning.
            self._file.seek(position)
            chunk = self._file.read(count)
        return _as_bytes(chunk)


class ChunkReader:
    """Reads bytes that are made while they are read."""

    can_seek = may_seek = False
    size: int | None = None

    def __init__(self, chunks: Iterable[Any]) -> None:
        self._chunks = iter(chunks)
        self._chunk = b""
        self._used = 0
        self._position: int | None = 0

    def read_at(self, offset: int, count: int) -> bytes:
        if offset != self._position:
            raise io.UnsupportedOperation("What is generated can be read once, from its beginning.")
        self._position = None  # Should making them fail, or end.
        while self._used == len(self._chunk):
            try:
                self._chunk, self._used = _as_bytes(next(self._chunks)), 0
            except StopIteration:
                return b""
        piece = self._chunk[self._used : self._used + count]
        self._used += len(piece)
        self._position = offset + len(piece)
        return piece

    def close(self) -> None:
        """Closes the iterator, which may be another object than what was given."""
        close(self._chunks)


def close(file: Any) -> None:
    """Closes what can be closed."""
    if hasattr(file, "close"):
        file.close()


def reader_of(file: Any) -> Reader:
    """Returns what reads a binary file that is open.

    Django's files are read from their beginning, all others from where they are. Raises `TypeError`
    for a file of text.
    """
    inner = _unwrapped(file)
    if isinstance(inner, io.TextIOBase):
        raise TypeError(f"{file!r} gives text. Open it in binary mode: open(path, 'rb').")
    if isinstance(inner, File):
        return FileReader(inner, 0, _size_of_django_file(inner))
    can_seek = _can_seek(inner)
    start = inner.tell() if can_seek and not isinstance(file, File) else 0
    if type(inner) is io.BytesIO:
        return BytesReader(inner.getvalue()[start:])  # From 0 on, these are the same bytes.
    local = _local(inner)
    if local is not None:
        return LocalReader(local, start)
    return FileReader(inner, start, _size_by_seeking(inner, start) if can_seek else None)


def _unwrapped(file: Any) -> Any:
    """Returns what Django's and tempfile's wrappers read from, unless they read differently."""
    while isinstance(file, _TemporaryFileWrapper) or (
        isinstance(file, File) and type(file).read is FileProxyMixin.read
    ):
        file = file.file
    return file


def _local(file: Any) -> io.FileIO | None:
    """Returns the regular file that this is, or buffers; None if it is anything else.

    The types must be exactly these: whatever derives from them may read differently.
    """
    if type(file) in {io.BufferedReader, io.BufferedRandom}:
        file.flush()
        file = file.raw
    if type(file) is not io.FileIO or not hasattr(os, "pread"):  # Windows has none.
        return None
    return file if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None


def _wrapped(file: Any) -> Any:
    """Returns what a file of Django's reads from, if it is there without being asked for."""
    return vars(file).get("file") if isinstance(file, File) else None


def _can_seek(file: Any) -> bool:
    return bool(file.seekable()) if hasattr(file, "seekable") else hasattr(file, "seek")


def _size_of_django_file(file: File[Any]) -> int | None:
    try:
        return file.size
    except (AttributeError, NotImplementedError):
        return None


def _size_by_seeking(file: Any, start: int) -> int:
    file.seek(0, os.SEEK_END)
    end: int = file.tell()
    return max(end - start, 0)


def _path_of(file: io.FileIO, status: os.stat_result) -> str | None:
    """Returns the path of an open file, if the file is still what stands there."""
    if not isinstance(file.name, str | bytes | os.PathLike):  # Without a name, it is a descriptor.
        return None
    path = os.path.abspath(os.fsdecode(file.name))
    with suppress(OSError):
        if os.path.samestat(os.stat(path), status):
            return path
    return None


def _as_bytes(chunk: Any) -> bytes:
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, bytearray | memoryview):
        return bytes(chunk)
    raise TypeError(f"A file to send consists of bytes, not {type(chunk).__name__}.")
