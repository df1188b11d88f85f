"""`files.opened`, `files.reading`: whatever is given is read alike, and never as something else."""

import bz2
import errno
import gzip
import io
import mmap
import os
import subprocess
import tempfile
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db.models import FileField
from django.db.models.fields.files import FieldFile, ImageFieldFile
from django.test import override_settings
from django.utils.http import http_date
from hypothesis import given, settings
from hypothesis import strategies as st

from django_streams.files.opened import (
    SLICE_BYTES,
    FileShrunk,
    OpenedFile,
    guess_content_type,
    open_file,
)
from django_streams.files.paths import open_beneath
from django_streams.files.reading import LocalReader
from django_streams.files.stored import stored_size

CONTENT = bytes(range(256)) * 10
LARGE = os.urandom(2 * SLICE_BYTES + 4321)


def read(opened, *args):
    return b"".join(opened.slices(*args))


class Pipe(io.RawIOBase):
    """Cannot seek, and gives a few bytes at a time."""

    def __init__(self, content, step=100):
        self.rest = content
        self.step = step

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self.rest[: min(self.step, len(buffer))]
        self.rest = self.rest[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)


class Duck:
    """As little of a file as there can be."""

    def __init__(self, content):
        self.read = io.BytesIO(content).read


class SeekingDuck:
    def __init__(self, content):
        self.file = io.BytesIO(content)
        self.read, self.seek, self.tell = self.file.read, self.file.seek, self.file.tell


class SeekingDuckAt:
    def __init__(self, path):
        self.file = path.open("rb", buffering=0)
        self.read, self.seek, self.tell = self.file.read, self.file.seek, self.file.tell
        self.close = self.file.close


class RemoteFile(File):
    """Downloads everything as soon as it is touched, as the files of django-storages do."""

    def __init__(self, content, name, size=None):
        super().__init__(None, name)
        self.downloads = 0
        self._content = content
        self._file = None
        if size is not None:
            self.size = size

    @property
    def file(self):
        if self._file is None:
            self.downloads += 1
            self._file = io.BytesIO(self._content)
        return self._file

    @file.setter
    def file(self, value):
        self._file = value

    def read(self, *args):
        return self.file.read(*args)


class LateFile(File):
    """Is filled by its first read, as the files of FTP and SFTP in django-storages are."""

    def __init__(self, content, name):
        super().__init__(io.BytesIO(), name)
        self.size = len(content)
        self._content = content

    def read(self, count=None):
        if self._content is not None:
            self.file, self._content = io.BytesIO(self._content), None
        return self.file.read(count)


class RemoteStorage(Storage):
    def __init__(self, files, modified=None):
        self.files = files
        self.modified = modified
        self.asked = []
        self.opened = []

    def _open(self, name, mode="rb"):
        self.asked.append("open")
        if name not in self.files:
            raise FileNotFoundError(name)
        self.opened.append(RemoteFile(self.files[name], name, len(self.files[name])))
        return self.opened[-1]

    def get_modified_time(self, name):
        self.asked.append("modified")
        if self.modified is None:
            return super().get_modified_time(name)
        return self.modified


class ClientError(Exception):
    """What botocore raises, whatever the matter is."""


class CloudStorage(RemoteStorage):
    """Raises what its library does, as the storage of S3 does."""

    def __init__(self, files, *, is_down=False):
        super().__init__(files)
        self.is_down = is_down

    def exists(self, name):
        if self.is_down:
            raise ClientError(403)
        return name in self.files

    def get_modified_time(self, name):
        raise ClientError(404)

    size = get_modified_time


def field_file(storage, name, kind=FieldFile):
    field = FileField(storage=storage)
    field.attname = field.name = "upload"
    return kind(type("Instance", (), {})(), field, name)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(CONTENT)
    return path


def filled(kind, **options):
    file = kind(**options)
    file.write(CONTENT)
    file.seek(0)
    return file


def uploaded():
    return filled(partial(TemporaryUploadedFile, "a.bin", "text/html", 0, None))


def mapped(path):
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def piped(content):
    reader, writer = os.pipe()
    with open(writer, "wb") as file:
        file.write(content)
    return open(reader, "rb")


def compressed(path, module):
    other = path.with_name("compressed")
    other.write_bytes(module.compress(CONTENT))
    return module.open(other)


def stored(path):
    return FileSystemStorage(location=path.parent)


def remembered():
    storage = InMemoryStorage()
    storage.save("data.bin", ContentFile(CONTENT))
    return storage


# Each makes a file of CONTENT, which the path leads to, that can seek.
SEEKING = {
    "str": str,
    "Path": Path,
    "BufferedReader": lambda path: path.open("rb"),
    "BufferedRandom": lambda path: path.open("r+b"),
    "FileIO": lambda path: path.open("rb", buffering=0),
    "descriptor": lambda path: os.fdopen(os.open(path, os.O_RDONLY), "rb"),
    "open_beneath": lambda path: open_beneath(path.parent, path.name),
    "NamedTemporaryFile": lambda path: filled(tempfile.NamedTemporaryFile),
    "TemporaryFile": lambda path: filled(tempfile.TemporaryFile),
    "SpooledTemporaryFile": lambda path: filled(tempfile.SpooledTemporaryFile),
    "rolled over": lambda path: filled(tempfile.SpooledTemporaryFile, max_size=1),
    "File": lambda path: File(path.open("rb")),
    "File of a File": lambda path: File(File(path.open("rb"))),
    "ContentFile": lambda path: ContentFile(CONTENT),
    "SimpleUploadedFile": lambda path: SimpleUploadedFile("a", CONTENT),
    "TemporaryUploadedFile": lambda path: uploaded(),
    "file of a storage": lambda path: stored(path).open("data.bin"),
    "file of a storage in memory": lambda path: remembered().open("data.bin"),
    "FieldFile": lambda path: field_file(stored(path), "data.bin"),
    "FieldFile in memory": lambda path: field_file(remembered(), "data.bin"),
    "FieldFile elsewhere": lambda path: field_file(RemoteStorage({"a/b": CONTENT}), "a/b"),
    "ImageFieldFile": lambda path: field_file(stored(path), "data.bin", ImageFieldFile),
    "RemoteFile": lambda path: RemoteFile(CONTENT, "a", len(CONTENT)),
    "LateFile": lambda path: LateFile(CONTENT, "a"),
    "BytesIO": lambda path: io.BytesIO(CONTENT),
    "bytes": lambda path: CONTENT,
    "bytearray": lambda path: bytearray(CONTENT),
    "memoryview": lambda path: memoryview(CONTENT),
    "GzipFile": lambda path: compressed(path, gzip),
    "BZ2File": lambda path: compressed(path, bz2),
    "File of a GzipFile": lambda path: File(compressed(path, gzip)),
    "buffered GzipFile": lambda path: io.BufferedReader(compressed(path, gzip)),
    "mmap": mapped,
    "SeekingDuck": lambda path: SeekingDuck(CONTENT),
}

# Each makes a file of CONTENT that is read once.
PASSING = {
    "RawIOBase": lambda: Pipe(CONTENT),
    "BufferedReader": lambda: io.BufferedReader(Pipe(CONTENT)),
    "Duck": lambda: Duck(CONTENT),
    "pipe": lambda: piped(CONTENT),
    "File of a pipe": lambda: File(piped(CONTENT)),
    "generator": lambda: (CONTENT[at : at + 7] for at in range(0, len(CONTENT), 7)),
    "list": lambda: [CONTENT[:9], b"", bytearray(CONTENT[9:200]), memoryview(CONTENT[200:])],
    "one chunk": lambda: iter([CONTENT]),
}


@pytest.fixture(params=SEEKING)
def seeking(request, path):
    opened = open_file(SEEKING[request.param](path))
    yield opened
    opened.close()


@pytest.fixture(params=PASSING)
def passing(request):
    opened = open_file(PASSING[request.param]())
    yield opened
    opened.close()


def test_what_can_seek_knows_its_size_and_gives_any_range(seeking):
    size = len(CONTENT)
    assert seeking.size == size
    assert seeking.can_seek
    assert read(seeking) == CONTENT
    ranges = [(0, 1), (size - 1, size), (100, 2000), (0, size), (7, 7), (size, size), (5, 3)]
    for start, stop in ranges:
        assert read(seeking, start, stop) == CONTENT[start:stop]
    assert read(seeking, 1000) == CONTENT[1000:]
    assert read(seeking) == CONTENT


def test_iterators_do_not_disturb_each_other(seeking, monkeypatch):
    monkeypatch.setattr("django_streams.files.opened.SLICE_BYTES", 50)
    one, two = seeking.slices(0, 500), seeking.slices(1000, 1500)
    pairs = list(zip(one, two, strict=True))
    assert b"".join(a for a, _ in pairs) == CONTENT[:500]
    assert b"".join(b for _, b in pairs) == CONTENT[1000:1500]


def test_more_than_there_is_is_never_made_up(seeking):
    with pytest.raises(FileShrunk, match=r"ended at byte 2560 of 2561"):
        read(seeking, 0, len(CONTENT) + 1)


def test_what_cannot_seek_is_read_once_from_its_beginning(passing):
    assert passing.size is None
    assert not passing.can_seek
    assert passing.etag is None
    assert passing.path is None
    with pytest.raises(io.UnsupportedOperation, match="read once"):
        read(passing, 1)
    assert read(passing) == CONTENT
    with pytest.raises(io.UnsupportedOperation, match="read once"):
        read(passing)


def test_the_beginning_of_what_cannot_seek_can_be_taken(passing):
    assert read(passing, 0, 100) == CONTENT[:100]
    assert read(passing, 100, 300) == CONTENT[100:300]
    assert read(passing, 300) == CONTENT[300:]


def test_what_cannot_seek_and_ends_early_is_told(passing):
    with pytest.raises(FileShrunk):
        read(passing, 0, len(CONTENT) + 1)


@pytest.mark.parametrize("name", ["str", "BytesIO", "bytes", "GzipFile", "one chunk", "Duck"])
def test_an_empty_file_has_no_slices(name, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "CONTENT", b"")
    path = tmp_path / "empty"
    path.touch()
    make = PASSING.get(name) or (lambda: SEEKING[name](path))
    opened = open_file(make())
    assert not opened.size
    assert list(opened.slices()) == []
    opened.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path,
        lambda path: LARGE,
        lambda path: io.BytesIO(LARGE),
        lambda path: File(path.open("rb")),
        lambda path: SeekingDuck(LARGE),
        lambda path: Duck(LARGE),
        lambda path: [LARGE],
    ],
)
def test_slices_are_of_one_mebibyte(make, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    opened = open_file(make(path))
    pieces = list(opened.slices())
    assert [len(piece) for piece in pieces] == [SLICE_BYTES, SLICE_BYTES, 4321]
    assert all(type(piece) is bytes for piece in pieces)
    assert b"".join(pieces) == LARGE
    opened.close()


def test_short_reads_are_handed_on_as_they_come():
    opened = open_file(Pipe(b"x" * 250))
    assert list(map(len, opened.slices())) == [100, 100, 50]


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 70), st.integers(0, 70), st.integers(1, 20))
def test_any_part_of_anything_is_what_python_would_cut_out(content, start, stop, step):
    for make in (bytes, io.BytesIO, SeekingDuck, lambda content: RemoteFile(content, "a", None)):
        opened = open_file(make(content))
        stop = min(stop, len(content))
        assert read(opened, start, stop) == content[start:stop]
    pieces = [content[at : at + step] for at in range(0, len(content), step)]
    for passing in (pieces, iter(pieces), Pipe(content, step)):
        assert read(open_file(passing), 0, stop) == content[:stop]


# Where a file begins.


def test_a_file_that_was_read_is_sent_from_where_it_is(path):
    for make in (io.BytesIO, SeekingDuck, lambda content: path.open("rb")):
        file = make(CONTENT)
        file.read(1000)
        opened = open_file(file)
        assert opened.size == len(CONTENT) - 1000
        assert opened.path is None
        assert read(opened) == CONTENT[1000:]
        assert read(opened, 10, 20) == CONTENT[1010:1020]
        opened.close()


def test_a_file_that_is_behind_its_end_is_empty(path):
    for make in (io.BytesIO, SeekingDuck, lambda content: path.open("rb")):
        file = make(CONTENT)
        file.seek(10_000)
        opened = open_file(file)
        assert opened.size == 0
        assert read(opened) == b""
        opened.close()


@pytest.mark.parametrize(
    "name", ["File", "ContentFile", "RemoteFile", "FieldFile", "File of a File"]
)
def test_a_file_of_djangos_is_sent_from_its_beginning(name, path):
    file = SEEKING[name](path)
    file.read(1000)
    opened = open_file(file)
    assert opened.size == len(CONTENT)
    assert read(opened) == CONTENT
    opened.close()


def test_what_was_written_and_not_flushed_is_sent():
    file = filled(tempfile.TemporaryFile)
    file.seek(0, os.SEEK_END)
    file.write(b"more")
    opened = open_file(File(file))
    assert read(opened) == CONTENT + b"more"
    opened.close()


def test_a_buffer_that_has_read_ahead_is_sent_from_its_own_position(path):
    file = path.open("rb")
    file.peek(1)
    file.read(3)
    opened = open_file(file)
    assert read(opened) == CONTENT[3:]
    opened.close()


def test_bytes_in_memory_are_not_copied():
    content = bytes(20 * 2**20)
    tracemalloc.start()
    for given_file in (content, io.BytesIO(content), ContentFile(content)):
        for piece in open_file(given_file).slices():
            assert len(piece) == SLICE_BYTES
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 2**20


def test_readers_of_one_storage_in_memory_do_not_disturb_each_other():
    storage = remembered()
    one, two = (open_file(field_file(storage, "data.bin")) for _ in range(2))
    first, second = one.slices(), two.slices(100)
    assert (next(first), next(second)) == (CONTENT, CONTENT[100:])


# Only what is a local file is read as one.


@pytest.mark.parametrize(
    "name",
    ["str", "Path", "BufferedReader", "BufferedRandom", "FileIO", "open_beneath", "File",
     "File of a File", "file of a storage", "FieldFile", "ImageFieldFile"],
)  # fmt: skip
def test_a_local_file_has_a_path_and_validators(name, path):
    os.utime(path, ns=(0, 1_234_567_890_123_456_789))
    opened = open_file(SEEKING[name](path))
    assert opened.path == str(path)
    assert opened.name == "data.bin"
    assert opened.last_modified == 1_234_567_890
    assert opened.etag == f'"{1_234_567_890_123_456_789:x}-{len(CONTENT):x}"'
    opened.close()


@pytest.mark.parametrize("name", ["descriptor", "TemporaryFile"])
def test_a_local_file_without_a_name_has_validators_and_no_path(name, path):
    opened = open_file(SEEKING[name](path))
    assert opened.path is None
    assert opened.name is None
    assert opened.etag is not None
    opened.close()


@pytest.mark.parametrize(
    "name",
    ["ContentFile", "BytesIO", "bytes", "GzipFile", "File of a GzipFile", "buffered GzipFile",
     "BZ2File", "mmap", "SpooledTemporaryFile", "RemoteFile", "file of a storage in memory"],
)  # fmt: skip
def test_what_is_no_local_file_has_no_path_and_no_validators(name, path):
    opened = open_file(SEEKING[name](path))
    assert (opened.path, opened.etag, opened.last_modified) == (None, None, None)
    opened.close()


def test_a_class_that_reads_differently_is_read_through_its_own_methods(path):
    class Shouting(io.FileIO):
        def read(self, *args):
            return super().read(*args).upper()

    path.write_bytes(b"quiet")
    opened = open_file(Shouting(path))
    assert read(opened) == b"QUIET"
    assert opened.path is None
    opened.close()


def test_a_system_without_pread_seeks(path, monkeypatch):
    monkeypatch.delattr(os, "pread")
    opened = open_file(path)
    assert read(opened, 100, 200) == CONTENT[100:200]
    assert opened.size == len(CONTENT)
    opened.close()


def test_a_file_that_was_replaced_has_no_path(path):
    file = path.open("rb")
    path.with_name("new").write_bytes(b"new")
    path.with_name("new").replace(path)
    opened = open_file(file)
    assert opened.path is None
    assert read(opened) == CONTENT
    opened.close()


def test_a_file_that_was_deleted_has_no_path(path):
    file = path.open("rb")
    path.unlink()
    opened = open_file(file)
    assert opened.path is None
    assert read(opened) == CONTENT
    opened.close()


def test_a_relative_name_has_the_absolute_path(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    opened = open_file("data.bin")
    assert opened.path == str(path)
    opened.close()
    opened = open_file(io.FileIO(b"data.bin"))
    assert (opened.path, opened.name) == (str(path), "data.bin")
    monkeypatch.chdir("/")
    opened.close()


def test_a_name_in_bytes_that_are_no_utf8_is_read(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff.txt"
    Path(os.fsdecode(name)).write_bytes(b"x")
    opened = open_file(io.FileIO(name))
    assert opened.name == "\udcff.txt"
    assert opened.path == os.fsdecode(name)
    opened.close()


# Entity tags and dates.


def etag_of(path):
    opened = open_file(path)
    opened.close()
    return opened.etag


def test_the_entity_tag_changes_with_size_and_nanosecond_and_with_nothing_else(path):
    os.utime(path, ns=(0, 10**18))
    tag = etag_of(path)
    assert tag.startswith('"')
    assert etag_of(path) == tag
    os.utime(path, ns=(0, 10**18 + 1))
    assert etag_of(path) != tag
    with path.open("ab") as file:
        file.write(b"x")
    os.utime(path, ns=(0, 10**18))
    assert etag_of(path) != tag
    other = path.with_name("copy")
    other.write_bytes(CONTENT)
    os.utime(other, ns=(5, 10**18))
    assert etag_of(other) == tag


def test_the_validators_are_those_of_the_opened_file_and_not_of_its_name(path):
    os.utime(path, ns=(0, 10**18))
    file = path.open("rb")
    path.unlink()
    path.write_bytes(b"another")
    opened = open_file(file)
    assert opened.size == len(CONTENT)
    assert opened.last_modified == 10**9
    opened.close()


@pytest.mark.parametrize(
    ("seconds", "last_modified"),
    [(0, 0), (1, 1), (-1, None), (2**33, None), (-(2**31), None), (10**9, 10**9)],
)
def test_a_date_that_no_clock_can_have_set_is_not_told(path, seconds, last_modified):
    os.utime(path, (0, seconds))
    opened = open_file(path)
    assert opened.last_modified == last_modified
    assert opened.etag is not None
    opened.close()


def test_the_date_is_of_the_past_and_django_can_write_it(path):
    opened = open_file(path)
    assert opened.last_modified <= time.time()
    assert http_date(opened.last_modified).endswith("GMT")
    opened.close()


def test_a_storage_tells_when_its_file_was_modified_before_it_is_opened():
    moment = datetime(2024, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    storage = RemoteStorage({"a/b.txt": CONTENT}, moment)
    opened = open_file(field_file(storage, "a/b.txt"))
    assert storage.asked == ["modified", "open"]
    assert opened.last_modified == int(moment.timestamp())
    later = RemoteStorage({"a/b.txt": CONTENT}, moment + timedelta(microseconds=1))
    assert open_file(field_file(later, "a/b.txt")).etag != opened.etag
    assert opened.etag.startswith('"')
    assert (opened.name, opened.content_type) == ("b.txt", "text/plain; charset=utf-8")


def test_what_is_told_of_a_remote_file_does_not_download_it():
    storage = RemoteStorage({"a": CONTENT}, datetime.now(tz=UTC))
    opened = open_file(field_file(storage, "a"))
    assert (opened.size, storage.opened[0].downloads) == (len(CONTENT), 0)
    assert opened.etag is not None
    assert read(opened, 5, 10) == CONTENT[5:10]
    assert storage.opened[0].downloads == 1


def test_a_file_that_is_filled_by_its_first_read_gives_the_right_part():
    for start in (0, 5, len(CONTENT) - 1):
        assert read(open_file(LateFile(CONTENT, "a")), start) == CONTENT[start:]


def test_a_storage_without_zones_gives_the_same_validators():
    moment = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    aware = open_file(field_file(RemoteStorage({"a": b""}, moment), "a"))
    local = datetime.fromtimestamp(moment.timestamp())
    naive = open_file(field_file(RemoteStorage({"a": b""}, local), "a"))
    assert (naive.etag, naive.last_modified) == (aware.etag, aware.last_modified)
    with override_settings(USE_TZ=False):
        assert open_file(field_file(remembered(), "data.bin")).etag is not None


def test_a_storage_that_knows_no_times_gives_no_validators():
    opened = open_file(field_file(RemoteStorage({"a": CONTENT}), "a"))
    assert (opened.etag, opened.last_modified, opened.size) == (None, None, len(CONTENT))


def test_a_remote_file_without_a_size_has_none():
    opened = open_file(RemoteFile(CONTENT, "a"))
    opened._given.file = Pipe(CONTENT)
    assert (opened.can_seek, read(opened)) == (False, CONTENT)

    class Sizeless(RemoteFile):
        @property
        def size(self):
            raise NotImplementedError

    assert open_file(Sizeless(CONTENT, "a")).size is None


# What is missing, and what is no file.


@pytest.mark.parametrize("ask", [open_file, stored_size])
def test_what_a_storage_raises_for_a_missing_file_is_not_found(ask):
    with pytest.raises(FileNotFoundError) as caught:
        ask(field_file(CloudStorage({}), "a"))
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, "a")
    assert isinstance(caught.value.__cause__, ClientError)


@pytest.mark.parametrize("ask", [open_file, stored_size])
@pytest.mark.parametrize("is_down", [False, True])
def test_any_other_failure_of_a_storage_stays_what_it_is(ask, is_down):
    storage = CloudStorage({} if is_down else {"a": CONTENT}, is_down=is_down)
    with pytest.raises(ClientError, match="404"):
        ask(field_file(storage, "a"))


def test_what_is_missing_is_not_found(tmp_path):
    storage = FileSystemStorage(location=tmp_path)
    for missing in (
        tmp_path / "nothing",
        str(tmp_path),
        "/dev/null",
        "",
        "\0",
        field_file(storage, "nothing"),
        field_file(storage, ""),
        field_file(storage, None),
        field_file(RemoteStorage({}), "nothing"),
    ):
        with pytest.raises(FileNotFoundError):
            open_file(missing)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        lambda path: 5,
        lambda path: object(),
        lambda path: path.open(),
        lambda path: File(path.open()),
        lambda path: io.StringIO("text"),
        lambda path: ContentFile("text"),
        lambda path: asynchronous(),
    ],
)
def test_what_is_no_binary_file_is_refused(make, path):
    with pytest.raises(TypeError, match=r"A file to send is|binary mode"):
        open_file(make(path))


async def asynchronous():
    yield b""


@pytest.mark.parametrize("chunks", [["text"], [b"a", None], [5], {"a": b"b"}])
def test_what_makes_no_bytes_is_refused_when_it_does(chunks):
    with pytest.raises(TypeError, match="consists of bytes, not"):
        read(open_file(chunks))


def test_a_file_that_reads_text_or_nothing_is_refused():
    for bad in ("text", None):
        duck = Duck(b"")
        duck.read = lambda count, bad=bad: bad
        with pytest.raises(TypeError, match="consists of bytes, not"):
            read(open_file(duck))


# Truncation, failure and closing.


@pytest.mark.parametrize("make", [Path, lambda path: File(path.open("rb")), SeekingDuckAt])
def test_a_file_that_shrinks_breaks_off_after_the_right_bytes(make, path, monkeypatch):
    monkeypatch.setattr("django_streams.files.opened.SLICE_BYTES", 1000)
    opened = open_file(make(path))
    slices = opened.slices()
    received = next(slices)
    os.truncate(path, 1500)
    with pytest.raises(FileShrunk, match=r"has ended at byte 1[05]00 of 2560") as raised:
        for piece in slices:
            received += piece
    # Of a local file that was written to no more is believed than was read before.
    assert received in (CONTENT[:1000], CONTENT[:1500])
    assert not isinstance(raised.value, OSError)
    assert str(path.parent) not in str(raised.value)
    opened.close()


def test_a_file_that_grows_is_sent_as_it_was(path):
    opened = open_file(path)
    with path.open("ab") as file:
        file.write(b"more")
    assert read(opened) == CONTENT
    opened.close()


def test_a_failure_while_reading_is_raised_and_not_taken_for_the_end():
    def chunks():
        yield b"a"
        raise OSError(errno.EIO, "broken")

    for failing in (chunks(), failing_file()):
        opened = open_file(failing)
        slices = opened.slices()
        assert next(slices) == b"a"
        with pytest.raises(OSError, match="broken"):
            next(slices)
        with pytest.raises(io.UnsupportedOperation):
            read(opened, 1)
        with pytest.raises(io.UnsupportedOperation):
            read(opened)


def failing_file():
    results = iter([b"a"])
    duck = Duck(b"")

    def reading(count):
        try:
            return next(results)
        except StopIteration:
            raise OSError(errno.EIO, "broken") from None

    duck.read = reading
    return duck


@pytest.mark.parametrize(
    "name", ["BufferedReader", "FileIO", "File", "FieldFile", "TemporaryFile", "GzipFile"]
)
def test_a_file_is_closed_whoever_has_opened_it(name, path):
    file = SEEKING[name](path)
    opened = open_file(file)
    opened.close()
    opened.close()
    assert file.closed


def test_a_local_file_that_is_closed_is_not_read(path):
    opened = open_file(path)
    slices = opened.slices()
    opened.close()
    with pytest.raises(ValueError, match="closed"):
        next(slices)


def test_a_generator_is_closed_in_the_middle():
    ended = []

    def chunks():
        try:
            yield b"a"
            yield b"b"
        finally:
            ended.append(True)

    opened = open_file(chunks())
    assert next(opened.slices()) == b"a"
    opened.close()
    assert ended == [True]


def test_both_an_iterable_and_its_iterator_are_closed():
    closed = []

    class Archive:
        def __iter__(self):
            try:
                yield b"a"
            finally:
                closed.append("iterator")

        def close(self):
            closed.append("archive")

    opened = open_file(Archive())
    next(opened.slices())
    opened.close()
    assert closed == ["iterator", "archive"]


def test_what_is_given_is_closed_if_it_cannot_be_opened(path):
    for file in (path.open(), File(path.open())):
        with pytest.raises(TypeError):
            open_file(file)
        assert file.closed


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_no_descriptor_is_left_behind(path, monkeypatch):
    before = descriptors()
    for make in SEEKING.values():
        opened = open_file(make(path))
        next(opened.slices())
        opened.close()
    monkeypatch.setattr(LocalReader, "__init__", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        open_file(path)
    del opened
    assert descriptors() == before


def test_a_field_file_can_be_opened_again(path):
    file = field_file(stored(path), "data.bin")
    for _ in range(2):
        opened = open_file(file)
        assert read(opened) == CONTENT
        opened.close()


def test_an_upload_that_is_not_saved_yet_is_sent_from_the_form():
    file = field_file(RemoteStorage({}), "new.bin")
    file.file, file._committed = SimpleUploadedFile("new.bin", CONTENT), False
    opened = open_file(file)
    assert (read(opened), opened.size, opened.etag) == (CONTENT, len(CONTENT), None)
    assert file.storage.asked == []


def test_the_output_of_a_process_is_sent():
    process = subprocess.Popen(["echo", "hello"], stdout=subprocess.PIPE)
    opened = open_file(process.stdout)
    assert (opened.size, read(opened)) == (None, b"hello\n")
    opened.close()
    process.wait()


def test_an_opened_file_does_not_show_its_content():
    assert "content_type='application/octet-stream'" in repr(open_file(b"secret"))
    assert "secret" not in repr(open_file(b"secret"))
    assert isinstance(open_file(b""), OpenedFile)


# Names and media types.

TYPES = [
    ("a.txt", "text/plain; charset=utf-8"),
    ("a.html", "text/html; charset=utf-8"),
    ("A.CSV", "text/csv; charset=utf-8"),
    ("a.css", "text/css; charset=utf-8"),
    ("a.json", "application/json"),
    ("a.png", "image/png"),
    ("a.mp4", "video/mp4"),
    ("a.pdf", "application/pdf"),
    ("a.zip", "application/zip"),
    ("a.svg", "image/svg+xml"),
    ("a.svgz", "application/gzip"),
    ("a.tar.gz", "application/gzip"),
    ("a.tgz", "application/gzip"),
    ("a.html.gz", "application/gzip"),
    ("a.tar.bz2", "application/x-bzip"),
    ("a.tar.xz", "application/x-xz"),
    ("a.css.br", "application/x-brotli"),
    ("a.tar.Z", "application/x-compress"),
    ("a", "application/octet-stream"),
    ("a.unheard-of", "application/octet-stream"),
    (".txt", "application/octet-stream"),
    ("", "application/octet-stream"),
    (None, "application/octet-stream"),
    ("a.txt\r\nX: y", "application/octet-stream"),
    ("data:text/html,.png", "image/png"),
    ("data:text/html;x=\r\n,a", "application/octet-stream"),
    ("http://[a.png", "image/png"),
    ("//[a.png", "image/png"),
    ("a.png?b.html", "text/html; charset=utf-8"),
    ("日本.png", "image/png"),
    ("\udcff.png", "image/png"),
]


@pytest.mark.parametrize(("name", "content_type"), TYPES)
def test_the_name_suggests_the_media_type(name, content_type):
    assert guess_content_type(name) == content_type


def test_an_encoding_that_is_not_known_is_not_passed_over(monkeypatch):
    monkeypatch.setattr("mimetypes.encodings_map", {".new": "new"})
    monkeypatch.setattr("django_streams.files.opened.guess_type", lambda name: ("text/html", "new"))
    assert guess_content_type("a.html.new") == "application/octet-stream"


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=[])))
def test_no_name_makes_more_than_one_line_of_its_type(name):
    content_type = guess_content_type(name)
    assert content_type.isprintable()
    assert content_type.isascii()


@pytest.mark.parametrize(
    ("name", "own"),
    [("a/b/c.txt", "c.txt"), ("c.txt", "c.txt"), ("a/", None), ("", None), (5, None), (None, None)],
)
def test_the_name_is_without_directories(name, own):
    file = io.BytesIO(b"")
    file.name = name
    assert open_file(file).name == own
    assert open_file(File(io.BytesIO(b""), name)).name == own


def test_a_file_that_is_written_anew_meanwhile_does_not_go_on_with_other_bytes(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"a" * 3 * SLICE_BYTES)
    opened = open_file(path)
    slices = opened.slices()
    assert next(slices) == b"a" * SLICE_BYTES
    path.write_bytes(b"b" * 3 * SLICE_BYTES)
    os.utime(path, ns=(0, 0))
    with pytest.raises(FileShrunk):
        next(slices)
    opened.close()


def test_the_file_of_a_model_in_a_folder_is_opened_as_a_path_is(tmp_path):
    storage = FileSystemStorage(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for name in ("folder", "fifo", "missing", "a\0b"):
        with pytest.raises(FileNotFoundError):
            open_file(field_file(storage, name))
    path = tmp_path / "a.txt"
    path.write_bytes(b"content")
    stored, plain = open_file(field_file(storage, "a.txt")), open_file(path)
    assert (stored.name, stored.path, read(stored)) == ("a.txt", str(path), b"content")
    assert stored.etag == plain.etag
    stored.close()
    plain.close()


class ReversingStorage(FileSystemStorage):
    """Decodes what it opens, as storages that encrypt do."""

    def open(self, name, mode="rb"):
        with FileSystemStorage.open(self, name, mode) as file:
            return ContentFile(file.read()[::-1], name=name)


class ReversingFieldFile(FieldFile):
    def open(self, mode="rb"):
        self.file = ReversingStorage.open(self.storage, self.name, mode)
        return self


@pytest.mark.parametrize(
    ("storage_class", "kind"),
    [(ReversingStorage, FieldFile), (FileSystemStorage, ReversingFieldFile)],
)
def test_what_decodes_a_file_of_a_folder_is_asked_for_it(tmp_path, storage_class, kind):
    (tmp_path / "a.txt").write_bytes(b"content")
    opened = open_file(field_file(storage_class(tmp_path), "a.txt", kind))
    assert (opened.path, read(opened)) == (None, b"tnetnoc")
    opened.close()


def test_a_time_in_whole_seconds_makes_a_weak_tag(monkeypatch):
    storage = RemoteStorage({"a": b"content"})
    for moment, is_weak in ((1_700_000_000, True), (1_700_000_000.5, False)):
        found = datetime.fromtimestamp(moment, UTC)
        monkeypatch.setattr(
            storage, "get_modified_time", lambda name, found=found: found, raising=False
        )
        opened = open_file(field_file(storage, "a"))
        assert opened.etag.startswith("W/") is is_weak
        opened.close()


def test_what_a_file_gains_is_not_in_its_duplicate(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"before")
    opened = open_file(path)
    with path.open("ab") as file:
        file.write(b"after")
    with opened.duplicate() as duplicate:
        assert duplicate.read(4) + duplicate.read(100) + duplicate.read() == b"before"
    opened.close()
