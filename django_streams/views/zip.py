"""`ZipStreamView`: many files as one ZIP archive, made while it is sent.

The archive is written by zipstream-ng (the extra `zip`; LGPL-3.0, imported as it is), without a
temporary file. While the request is decided upon, the files are listed and measured; in the
stream's thread each is opened when its turn comes, read in slices of 1 MiB, and closed after it. As
they are stored and not compressed, unless asked for, the length of the archive is known before.

Format: APPNOTE.TXT, .ZIP File Format Specification, PKWARE, 6.3.10.
"""

from __future__ import annotations

import os
import posixpath
import re
import struct
import time
import unicodedata
from collections import Counter, deque
from collections.abc import AsyncIterable, Awaitable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from itertools import chain, count, repeat
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED

from asgiref.sync import async_to_sync
from django.db.models.fields.files import FieldFile
from django.http import Http404
from django.utils.timezone import get_default_timezone

from django_streams.encodings import Bytes, Encode
from django_streams.files import OpenedFile, leads_nowhere, open_file
from django_streams.files.stored import stored_size
from django_streams.formats import BYTES
from django_streams.responses import StreamResponse
from django_streams.sources import is_async

from .stream import StreamView

__all__ = ["ZipStreamView"]


class _ZipBytes(Bytes):
    """The bytes of an archive; there are none without the library."""

    name = "ZIP"

    def encoder(self, type: Any = Any, *, prefix: bytes = b"", suffix: bytes = b"") -> Encode:
        _library()
        return super().encoder(type, prefix=prefix, suffix=suffix)


_ZIP = replace(
    BYTES,
    name="zip",
    content_type="application/zip",
    encoding=_ZipBytes(),
    extension=".zip",
)


class ZipStreamView(StreamView):
    """A view that sends many files as one ZIP archive. A subclass has a `get_files()`:

        class Photos(LoginRequiredMixin, ZipStreamView):
            filename = "photos.zip"

            def get_files(self):
                for photo in self.request.user.photos.all():
                    yield f"{photo.album}/{photo.title}.jpg", photo.image

    The Content-Length is sent if the files are stored and all their sizes are known. A file that is
    not there is 404 as long as nothing was sent. One that is lost later, cannot be read or has
    another size than was counted on breaks the body off: no client takes such an archive for whole.
    """

    format = _ZIP
    filename = "files.zip"
    is_compressed = False
    """Whether files are compressed (deflate). Then the length is not known, and most pictures,
    videos and documents are compressed already."""

    def get_files(self) -> Any:
        """Returns pairs of a name in the archive and a file; to be overridden.

        A list, a query set, a generator or an async generator, or a coroutine that returns one.
        Asked, to the end, while the request is decided upon: it may raise Http404. A file is
        whatever `FileStreamResponse` takes; a path or the `FieldFile` of a model is not opened
        before its turn comes, so there may be thousands. Whatever is given is closed.

        Names may come from anywhere. What would leave the folder that the archive is unpacked in is
        taken out of them, and control characters; what Windows does not take becomes `_`; of equal
        names the later ones get a number.
        """
        raise NotImplementedError(
            f"{type(self).__qualname__} has no get_files() to say what is in the archive"
        )

    def get_is_compressed(self) -> Any:
        """Returns whether files are compressed."""
        return self.is_compressed

    def build_response(self) -> StreamResponse:
        """Returns the response to this request, not started; raises Http404."""
        response = super().build_response()
        is_compressed = self._asked(self.get_is_compressed)
        try:
            archive = self._archive = _Archive(self._files(), is_compressed=is_compressed)
        except OSError as error:
            if not leads_nowhere(error):
                raise
            raise Http404("A file of the archive is not there.") from error
        response._resource_closers.append(archive.close)  # type: ignore[attr-defined]
        if (length := archive.length()) is not None:
            response.headers["Content-Length"] = str(length)
        return response

    def stream(self) -> Iterator[bytes]:
        """Yields the archive."""
        with closing(self._archive.chunks()) as chunks:
            try:
                yield next(chunks)
            except FileNotFoundError as error:
                raise Http404("The first file of the archive is not there.") from error
            yield from chunks

    def _files(self) -> Any:
        files = self.get_files()
        if is_async(files):
            files = async_to_sync(_listed)(files)
        if not isinstance(files, Iterable):
            name = type(self).__qualname__
            raise TypeError(f"{name}.get_files() gives pairs of a name and a file, not {files!r}.")
        return files


async def _listed(files: Any) -> Any:
    if isinstance(files, Awaitable):
        files = await files
    if is_async(files) and isinstance(files, AsyncIterable):
        return [entry async for entry in files]
    return files  # To be iterated in the thread.


def _library() -> Any:
    try:
        import zipstream  # noqa: PLC0415 - Optional.
    except ImportError as error:
        raise ImportError(
            "ZIP needs zipstream-ng: pip install 'django-stream-views[zip]'"
        ) from error
    return zipstream


class _FileChanged(Exception):
    """A file has another size than was counted on: the length that was sent would be wrong."""


class _Archive:
    """The files of one archive: measured when it is made, then written one after the other.

    Raises `FileNotFoundError` for the first file that is not there. What is given is closed if this
    raises.
    """

    def __init__(self, files: Any, *, is_compressed: bool) -> None:
        self._is_compressed = is_compressed
        self._is_measured = False
        self._entries: deque[_Entry] = deque()
        names = _Names()
        try:
            for entry in files:
                name, file = _pair(entry)
                self._entries.append(_Entry(names.unused(name), file))
            for pending in self._entries:
                pending.measure()
        except BaseException:
            self.close()
            raise

    def length(self) -> int | None:
        """Returns the bytes of the whole archive, to be asked for first; None if not known."""
        sizes = [entry.size for entry in self._entries]
        # Of exactly 65,535 files zipstream-ng (1.9.3) counts 76 bytes too few: its footer has the
        # records of ZIP64 from there on, its len() only beyond.
        if self._is_compressed or None in sizes or len(sizes) == 0xFFFF:
            return None
        self._is_measured = True
        plan = _library().ZipStream(sized=True)
        for entry in self._entries:
            plan.add((), entry.name, size=entry.size)
        return len(plan)

    def chunks(self) -> Generator[bytes, None, None]:
        """Yields the archive, once; closes each file after it, and in the end those left over.

        Raises, while it is iterated, what opening and reading the files raises, and `_FileChanged`.
        """
        method = ZIP_DEFLATED if self._is_compressed else ZIP_STORED
        archive = _library().ZipStream(compress_type=method)
        stamps: list[bytes] = []
        try:
            while self._entries:
                with closing(self._entries.popleft()) as entry:
                    file = entry.open()
                    stamps.append(_stamp(file.last_modified))
                    size = entry.size if self._is_measured else file.size
                    archive.add(_content(file, size), entry.name, size=size)
                    parts = archive.file()
                    yield _stamped(next(parts), stamps[-1])
                    yield from filter(None, parts)  # A compressor has nothing to say at times.
            for record, stamp in zip(archive.footer(), chain(stamps, repeat(b"")), strict=False):
                yield _stamped(record, stamp)
        finally:
            self.close()

    def close(self) -> None:
        """Closes the files that have not had their turn."""
        while self._entries:
            self._entries.popleft().close()


class _Entry:
    """One file to come. What is to be opened is not open before `open()`."""

    def __init__(self, name: str, given: Any) -> None:
        self.name = name
        self._given = given
        self._opened: OpenedFile | None = None
        self.size: int | None = None
        """Bytes; None if unknown."""

    def measure(self) -> None:
        """Finds out the size; raises `FileNotFoundError`."""
        if isinstance(self._given, FieldFile):
            self.size = stored_size(self._given)
            return
        opened = open_file(self._given)
        self.size = opened.size
        if isinstance(self._given, str | os.PathLike):
            opened.close()  # Tried: what may not be read is found out now.
        else:
            self._opened = opened  # It was open, or is nothing to open.

    def open(self) -> OpenedFile:
        """Returns the file, open; raises `FileNotFoundError`."""
        if self._opened is None:
            self._opened = open_file(self._given)
        return self._opened

    def close(self) -> None:
        """Closes it, whoever has opened it."""
        close = getattr(self._opened or self._given, "close", None)
        if close is not None:
            close()


def _content(file: OpenedFile, size: int | None) -> Iterator[bytes]:
    """Yields the file; raises `_FileChanged` if it has not exactly `size` bytes, unless None."""
    changed = _FileChanged(f"{file.name or 'A file'} has not the {size} bytes that it had.")
    if size is not None and file.size not in {size, None}:
        raise changed
    count = 0
    for chunk in file.slices():
        count += len(chunk)
        if size is not None and count > size:
            raise changed
        yield chunk
    if size not in {count, None}:  # Some files do not know their size once they are open.
        raise changed


def _pair(entry: Any) -> tuple[Any, Any]:
    if isinstance(entry, tuple | list) and len(entry) == 2:
        name, file = entry
        if name is not None and not isinstance(name, bytes):
            return name, file
    raise TypeError(
        f"get_files() gives pairs of a name in the archive, a str, and a file, not {entry!r:.200}."
    )


# The names of files in the archive.

_MAX_PARTS = 50
_MAX_PART = 200
"""Folders of a name, and bytes of each, that are kept, from the end: names have to fit in 64 KiB
(APPNOTE 4.4.10), and in the 255 bytes that file systems take, with a number."""

# Of Windows, whose Explorer leaves out, or fails at, what has such a name.
_UNTAKEN = re.compile(r'[<>:"|?*]')
_DEVICE = re.compile(r"^(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[1-9¹²³])(?= *(?:\.|$))", re.I)
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of what no name has: controls, lone surrogates, line ends."""


class _Names:
    """Gives each file a name that is safe to unpack (APPNOTE 4.4.17), that no other one has, and
    that is no folder of another one.
    """

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._folder_numbers: Counter[str] = Counter()

    def unused(self, given: Any) -> str:
        """Returns the name, cleaned, and with a number if it is taken: "a (1).txt"."""
        folder, name = posixpath.split(_cleaned(str(given)))
        folder = self._free_folder(folder)
        stem, suffix = posixpath.splitext(name)
        path = unused = posixpath.join(folder, name)
        while _folded(unused) in self._files or _folded(unused) in self._folders:
            self._counts[_folded(path)] += 1
            number = self._counts[_folded(path)]
            unused = posixpath.join(folder, f"{stem} ({number}){suffix}")
        self._files.add(_folded(unused))
        return unused

    def _free_folder(self, folder: str) -> str:
        """Returns the folder, with a number wherever a file has the name of a part of it."""
        path = ""
        for part in filter(None, folder.split("/")):
            wanted = posixpath.join(path, part)
            known = self._folder_numbers[_folded(wanted)]  # No file is named like it since.
            paths = ((n, f"{wanted} ({n})" if n else wanted) for n in count(known))
            number, path = next(each for each in paths if _folded(each[1]) not in self._files)
            self._folder_numbers[_folded(wanted)] = number
            self._folders.add(_folded(path))
        return path


def _cleaned(name: str) -> str:
    """Returns a relative path with slashes, whatever the name is: nothing upwards, and nothing that
    Windows does not take.
    """
    name = "".join(char for char in name if unicodedata.category(char) not in _CONTROLS)
    parts: list[str] = []
    for part in name.replace("\\", "/").split("/")[-_MAX_PARTS:]:
        part = part.encode()[-_MAX_PART:].decode(errors="ignore")
        if not part.strip(" ."):  # Windows takes ".. " for "..".
            continue
        part = _DEVICE.sub(r"\1_", _UNTAKEN.sub("_", part))
        parts.append(f"{part[:-1]}_" if part[-1] in " ." else part)
    return "/".join(parts) or "file"


def _folded(name: str) -> str:
    """Returns what is the same for names that some file systems do not tell apart."""
    return unicodedata.normalize("NFC", name).casefold()


# The modification times, which zipstream-ng (1.9.3) takes of no file that it has not opened itself:
# https://github.com/pR0Ps/zipstream-ng/issues/27

_TIME_OFFSETS = {b"PK\x03\x04": 10, b"PK\x01\x02": 12}
"""Where the headers of a file have its time: before the content (APPNOTE 4.3.7), and in the central
directory (4.3.12)."""


def _stamp(modified: int | None) -> bytes:
    """Returns a time as MS-DOS has it (APPNOTE 4.4.6): local, even seconds, since 1980.

    "Local" is TIME_ZONE. The time is now, if it is not known.
    """
    seconds = time.time() if modified is None else modified
    moment = datetime.fromtimestamp(seconds, tz=get_default_timezone())
    if moment.year < 1980:
        return struct.pack("<HH", 0, 1 << 5 | 1)
    return struct.pack(
        "<HH",
        moment.hour << 11 | moment.minute << 5 | moment.second // 2,
        (moment.year - 1980) << 9 | moment.month << 5 | moment.day,
    )


def _stamped(record: bytes, stamp: bytes) -> bytes:
    """Returns the header of a file with its time; any other record as it is."""
    offset = _TIME_OFFSETS.get(record[:4])
    return record if offset is None else record[:offset] + stamp + record[offset + len(stamp) :]
