"""`views.zip`: every reader finds in the archive what was given, or sees that it is not whole."""

import asyncio
import io
import logging
import os
import shutil
import struct
import subprocess
import sys
import threading
import tracemalloc
from datetime import datetime
from pathlib import PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.db.models import FileField
from django.db.models.fields.files import FieldFile
from django.http import Http404
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from hypothesis import given, settings
from hypothesis import strategies as st

from django_streams import BrokenOff, ZipStreamView
from django_streams.checks import check_views
from django_streams.files import SLICE_BYTES, FileShrunk, open_file
from django_streams.testing import StreamClient
from django_streams.views import zip as module
from tests.kennel.models import Dog

pytestmark = pytest.mark.urls(__name__)

ZEROS = bytes(SLICE_BYTES)
MANY = 200

content = []
"""What the views of this module send, set by each test."""


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    content.clear()


class Listed(ZipStreamView):
    def get_files(self):
        return content


class Generated(ZipStreamView):
    def get_files(self):
        yield from content


class GeneratedAsynchronously(ZipStreamView):
    async def get_files(self):
        for entry in content:
            await asyncio.sleep(0)
            yield entry


class Awaited(ZipStreamView):
    async def get_files(self):
        return iter(content)


class Compressed(Listed):
    is_compressed = True
    filename = "album"


class CompressedIfAsked(Listed):
    async def get_is_compressed(self):
        return "small" in self.request.GET

    def get_filename(self):
        return f"{self.kwargs['name']}.zip"


class Posted(Listed):
    http_method_names = ["post"]


class Private(LoginRequiredMixin, Listed):
    pass


class OfQuerySet(ZipStreamView):
    def get_files(self):
        # The names of these dogs are paths.
        return Dog.objects.order_by("pk").values_list("age", "name")


class Refusing(ZipStreamView):
    def get_files(self):
        raise Http404("There is no such album.")


class WithoutFiles(ZipStreamView):
    pass


VIEWS = {
    "listed": Listed,
    "generated": Generated,
    "generated-asynchronously": GeneratedAsynchronously,
    "awaited": Awaited,
    "of-query-set": OfQuerySet,
    "compressed": Compressed,
    "posted": Posted,
    "private": Private,
    "refusing": Refusing,
    "without-files": WithoutFiles,
}
urlpatterns = [path(f"{name}/", view.as_view()) for name, view in VIEWS.items()]
urlpatterns.append(path("named/<str:name>/", CompressedIfAsked.as_view()))


# Files.


class Sized(File):
    """A file of zeros whose size is known, which does something when it is read."""

    def __init__(self, size, act=lambda: None):
        super().__init__(None, "zeros")
        self.size, self._rest, self._act = size, size, act
        self.is_closed = False

    def seekable(self):
        return False

    def read(self, count):
        self._act()
        count = min(count, self._rest)
        self._rest -= count
        return ZEROS if count == len(ZEROS) else bytes(count)

    def close(self):
        self.is_closed = True


class CountingStorage(FileSystemStorage):
    """Knows how many of its files are open."""

    def __init__(self, location):
        super().__init__(location)
        self.now = self.most = self.ever = 0

    def _open(self, name, mode="rb"):
        storage = self

        class Counted(File):
            def close(self):
                storage.now -= not self.closed
                super().close()

        file = Counted(super()._open(name, mode).file, name)
        self.now += 1
        self.ever += 1
        self.most = max(self.most, self.now)
        return file


class SizelessStorage(FileSystemStorage):
    def size(self, name):
        raise NotImplementedError


class CloudStorage(FileSystemStorage):
    """Raises what its library does, and nothing that Python knows."""

    def size(self, name):
        raise RuntimeError(f"404: {name}")


class UnknowingStorage(FileSystemStorage):
    """Says how large its files are, which do not know it themselves."""

    def _open(self, name, mode="rb"):
        return Piped(open(self.path(name), "rb", buffering=0))


class Piped(File):
    size = property()

    def seekable(self):
        return False

    def read(self, count):
        return self.file.read(count)


def field_file(storage, name):
    field = FileField(storage=storage)
    field.attname = field.name = "upload"
    return FieldFile(type("Instance", (), {})(), field, name)


def failing():
    yield b"begun"
    yield ZEROS
    raise OSError("the disk is gone")


def fill(folder, count=3):
    for n in range(count):
        (folder / f"{n}.txt").write_bytes(b"%d" % n * 1000)
    return [folder / f"{n}.txt" for n in range(count)]


# Readers.


def unpacked(body):
    """Returns what is in an archive that is whole."""
    with ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


async def fetched(url="/listed/"):
    """Returns the body and the headers, as our handler sends them; the body has to be whole."""
    async with StreamClient().stream("GET", url) as stream:
        assert stream.status_code == 200
        body = await stream.read()
        assert stream.is_complete
    if "Content-Length" in stream.headers:
        assert len(body) == int(stream.headers["Content-Length"])
    return body, stream.headers


async def broken_off(url="/listed/"):
    """Returns the body of an archive that must not be taken for whole."""
    async with StreamClient().stream("GET", url) as stream:
        body = await stream.read()
        assert stream.is_broken_off
        stream.assert_closed()
    assert body
    with pytest.raises(BadZipFile):
        ZipFile(io.BytesIO(body))
    return body


def written(files, **options):
    """Returns an archive of the files, and the length it was said to have."""
    archive = module._Archive(files, **{"is_compressed": False, **options})
    length = archive.length()
    return b"".join(archive.chunks()), length


# What is in it.


@pytest.mark.parametrize(
    "name", ["listed", "generated", "generated-asynchronously", "awaited", "named/all"]
)
async def test_files_are_one_archive_of_known_length(name):
    content[:] = [("a.txt", b"first"), ("b/c.bin", os.urandom(3 * SLICE_BYTES + 7)), ("d", b"")]
    body, headers = await fetched(f"/{name}/")
    assert unpacked(body) == dict(content)
    assert headers["Content-Type"] == "application/zip"
    assert int(headers["Content-Length"]) == len(body)


@pytest.mark.django_db(transaction=True)
async def test_a_query_set_lists_files_too(tmp_path):
    for age, file in enumerate(fill(tmp_path)):
        await Dog.objects.acreate(name=str(file), age=age)
    body, headers = await fetched("/of-query-set/")
    assert unpacked(body) == {f"{n}": b"%d" % n * 1000 for n in range(3)}
    assert "Content-Length" in headers


KINDS = {
    "str": str,
    "Path": lambda path: path,
    "FieldFile": lambda path: field_file(FileSystemStorage(path.parent), path.name),
    "FieldFile elsewhere": lambda path: field_file(UnknowingStorage(path.parent), path.name),
    "file of a storage": lambda path: FileSystemStorage(path.parent).open(path.name),
    "ContentFile": lambda path: ContentFile(path.read_bytes()),
    "open file": lambda path: path.open("rb"),
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "bytes": lambda path: path.read_bytes(),
}
UNSIZED = {
    "FieldFile without a size": lambda path: field_file(SizelessStorage(path.parent), path.name),
    "generator": lambda path: (bytes([byte]) for byte in path.read_bytes()),
    "list": lambda path: [b"", path.read_bytes(), b""],
}


@pytest.mark.parametrize("kind", [*KINDS, *UNSIZED])
@pytest.mark.parametrize("url", ["/listed/", "/compressed/"])
async def test_a_file_is_whatever_open_file_takes(url, kind, tmp_path):
    [file] = fill(tmp_path, 1)
    content[:] = [("a", (KINDS | UNSIZED)[kind](file)), ("b", b"b")]
    body, headers = await fetched(url)
    assert unpacked(body) == {"a": file.read_bytes(), "b": b"b"}
    assert ("Content-Length" in headers) == (kind in KINDS and url == "/listed/")


async def test_nothing_is_an_empty_archive():
    body, headers = await fetched()
    assert unpacked(body) == {}
    assert headers["Content-Length"] == "22"


async def test_files_are_compressed_if_asked_for():
    content[:] = [("a.txt", b"a" * 10**6), ("noise", os.urandom(3 * SLICE_BYTES))]
    for url, method in [("/named/x/", ZIP_STORED), ("/named/x/?small", ZIP_DEFLATED)]:
        body, headers = await fetched(url)
        assert unpacked(body) == dict(content)
        infos = ZipFile(io.BytesIO(body)).infolist()
        assert [info.compress_type for info in infos] == [method, method]
        assert ("Content-Length" in headers) == (method == ZIP_STORED)
        assert headers["Content-Disposition"] == 'attachment; filename="x.zip"'
    assert infos[0].compress_size < 10**4


@pytest.mark.parametrize(
    ("url", "filename"), [("/listed/", "files.zip"), ("/compressed/", "album.zip")]
)
async def test_a_browser_saves_it_under_the_name(url, filename):
    _, headers = await fetched(url)
    assert headers["Content-Disposition"] == f'attachment; filename="{filename}"'


@pytest.mark.service  # CI has the program, or has failed.
@pytest.mark.skipif(shutil.which("unzip") is None, reason="get it by: apt-get install unzip")
@pytest.mark.parametrize("is_compressed", [False, True])
def test_unzip_finds_it_whole(is_compressed, tmp_path):
    files = [("a/ä.txt", b"a" * 10**5), ("a/ä.txt", iter([b"b", b"c"])), ("empty", b"")]
    body, _ = written(files, is_compressed=is_compressed)
    archive = tmp_path / "archive.zip"
    archive.write_bytes(body)
    done = subprocess.run(["unzip", "-t", archive], capture_output=True, text=True)
    assert done.returncode == 0, done
    assert "No errors detected" in done.stdout


# The times.


@override_settings(TIME_ZONE="Asia/Tokyo")
def test_files_have_their_times_in_the_time_zone_of_the_project(tmp_path):
    first, second, third = fill(tmp_path)
    moment = datetime(2001, 2, 3, 4, 5, 7, tzinfo=ZoneInfo("Asia/Tokyo"))
    os.utime(first, (0, moment.timestamp()))
    os.utime(second, (0, 0))
    field = field_file(FileSystemStorage(tmp_path), first.name)
    # One that looks like the header of a file.
    third.write_bytes(b"PK\x03\x04" + b"x" * 30)
    body, _ = written([("1", first), ("2", second), ("3", field), ("4", third)])
    assert unpacked(body)["4"] == third.read_bytes()
    infos = ZipFile(io.BytesIO(body)).infolist()
    in_tokyo = (2001, 2, 3, 4, 5, 6)  # To two seconds.
    assert [info.date_time for info in infos[:3]] == [in_tokyo, (1980, 1, 1, 0, 0, 0), in_tokyo]
    for info in infos:
        hms, ymd = struct.unpack_from("<HH", body, info.header_offset + 10)
        year, month, day, hour, minute, second = info.date_time
        assert ymd == (year - 1980) << 9 | month << 5 | day
        assert hms == hour << 11 | minute << 5 | second // 2


@override_settings(TIME_ZONE="UTC")
def test_a_file_without_a_time_is_of_now(monkeypatch):
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: 10**9))
    body, _ = written([("a", b"a")])
    [info] = ZipFile(io.BytesIO(body)).infolist()
    assert info.date_time == (2001, 9, 9, 1, 46, 40)


# The names.


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a.txt", "a.txt"),
        ("/etc/passwd", "etc/passwd"),
        ("///a//b/", "a/b"),
        ("../../a", "a"),
        ("a/../../b", "a/b"),
        ("a/./b", "a/b"),
        ("a\\..\\b", "a/b"),
        (".. /..\x00/. ./.../a", "a"),
        (".\n./a", "a"),
        ("C:\\Windows\\a", "C_/Windows/a"),
        ("../c:D:../a", "c_D_._/a"),
        ("C:..", "C_._"),
        ("C:a", "C_a"),
        ("1:30.txt", "1_30.txt"),
        ("12:30.txt", "12_30.txt"),
        ('a<b>c:d"e|f?g*.txt', "a_b_c_d_e_f_g_.txt"),
        ("a./b /c.. .", "a_/b_/c.. _"),
        ("CON/nul.txt/aux.tar.gz", "CON_/nul_.txt/aux_.tar.gz"),
        ("prn .txt/LPT9/com1./COM¹", "prn_ .txt/LPT9_/com1__/COM¹_"),
        ("console.txt/a.con/COM10/nulls", "console.txt/a.con/COM10/nulls"),
        ("\\\\server\\share\\a", "server/share/a"),
        ("a\x00b\r\nc\x7f\x85\u2028.txt", "abc.txt"),
        ("a\ud800.txt", "a.txt"),
        (".bashrc", ".bashrc"),
        ("fotos/größe 漢字 🐶.jpg", "fotos/größe 漢字 🐶.jpg"),
        ("", "file"),
        ("..", "file"),
        ("\x00/ /\\", "file"),
        (PurePosixPath("a/b"), "a/b"),
        ("x" * 70_000 + ".txt", "x" * 196 + ".txt"),
        ("a/" * 70_000 + "b", "a/" * 49 + "b"),
    ],
)
def test_a_name_is_safe_to_unpack(given, name):
    body, length = written([(given, b"x")])
    assert unpacked(body) == {name: b"x"}
    assert len(body) == length


def test_a_name_that_is_not_ascii_is_marked_as_utf_8():
    body, _ = written([("a", b""), ("ä", b"")])
    assert [info.flag_bits >> 11 & 1 for info in ZipFile(io.BytesIO(body)).infolist()] == [0, 1]


def test_equal_names_get_numbers():
    names = ["a.txt", "a.txt", "../a.txt", "a (1).txt", "b/a.txt", "A.TXT", "é", "e\u0301", "é"]
    body, length = written([(name, name.encode()) for name in names])
    assert list(unpacked(body)) == [
        "a.txt",
        "a (1).txt",
        "a (2).txt",
        "a (1) (1).txt",
        "b/a.txt",
        "A (3).TXT",
        "é",
        "e\u0301 (1)",
        "é (2)",
    ]
    assert len(body) == length


def test_an_archive_can_be_unpacked_whatever_the_names_are(tmp_path):
    names = ["a", "a/b.txt", "a/c.txt", "c/d", "c", "C", "日" * 150 + ".txt", "é" * 250]
    content.extend((name, b"x") for name in names)
    archive = ZipFile(io.BytesIO(Client().get("/listed/").getvalue()))
    found = archive.namelist()
    assert found[:6] == ["a", "a (1)/b.txt", "a (1)/c.txt", "c/d", "c (1)", "C (2)"]
    assert found[6].endswith("日.txt")
    archive.extractall(tmp_path)
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == len(names)


def test_no_choice_of_names_makes_more_work_with_each(monkeypatch):
    count, calls = 500, []
    folded = module._folded
    monkeypatch.setattr(module, "_folded", lambda name: calls.append(name) or folded(name))
    names = module._Names()
    for name in ("a", *(f"a ({number})" for number in range(1, count))):
        names.unused(name)
    assert names.unused("a/b") == f"a ({count})/b"
    calls.clear()
    for _ in range(count):
        names.unused("A/b")
    assert len(calls) < 20 * count


@pytest.mark.parametrize("name", [None, b"a.txt"])
def test_a_name_is_text(name):
    content.append((name, b"x"))
    with pytest.raises(TypeError, match="a name in the archive, a str"):
        Client().get("/listed/")


DEVICES = {
    *("CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"),
    *(f"{kind}{number}" for kind in ("COM", "LPT") for number in "123456789¹²³"),
}


def is_taken_by_windows(name):
    """As `ntpath.isreserved` of Python 3.13 has it."""
    is_device = name.partition(".")[0].rstrip(" ").upper() in DEVICES
    return not (name[-1] in ". " or set('"*:<>?|/\\') & set(name) or is_device)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(st.characters(codec=None), max_size=20),
            st.text("abA.: /\\\x00\n\ud800éC", max_size=12),
            st.text('nulCON.1?"< /', max_size=8),
        ),
        max_size=8,
    )
)
def test_no_name_leaves_the_folder_or_is_there_twice(names):
    unused = module._Names()
    cleaned = [unused.unused(name) for name in names]
    for name in cleaned:
        assert all(is_taken_by_windows(part) for part in name.split("/"))
        assert PureWindowsPath(name).anchor == PurePosixPath(name).anchor == ""
        assert not set("\\\0\n\ud800") & set(name)
    assert len({name.casefold() for name in cleaned}) == len(names)
    body, length = written([(name, b"x") for name in names])
    assert list(unpacked(body)) == cleaned
    assert len(body) == length


# Many and large files.


def test_a_file_is_open_only_while_it_is_sent(tmp_path):
    fill(tmp_path, MANY)
    storage = CountingStorage(tmp_path)
    content[:] = [(f"{n}", field_file(storage, f"{n}.txt")) for n in range(MANY)]
    response = Client().get("/listed/")
    assert storage.ever == 0
    assert int(response.headers["Content-Length"]) == len(response.getvalue())
    assert (storage.ever, storage.most, storage.now) == (MANY, 1, 0)


def test_a_path_is_open_only_while_it_is_sent(tmp_path, monkeypatch):
    opened = []

    def watched(given):
        opened.append(open_file(given))
        return opened[-1]

    def are_closed():
        return [file._given.closed for file in opened]

    monkeypatch.setattr(module, "open_file", watched)
    archive = module._Archive([("a", p) for p in fill(tmp_path, MANY)], is_compressed=False)
    assert are_closed() == [True] * MANY
    opened.clear()
    for _ in archive.chunks():
        assert are_closed().count(False) <= 1
    assert are_closed() == [True] * MANY


@pytest.mark.parametrize("count", [0xFFFF, 0xFFFF + 1])
def test_more_than_65535_files_take_zip64(count):
    body, length = written((f"{n}", b"") for n in range(count))
    # Of 65,535 the library counts wrong.
    assert length == (None if count == 0xFFFF else len(body))
    assert b"PK\x06\x06" in body[-98:]
    archive = ZipFile(io.BytesIO(body))
    assert len(archive.namelist()) == count
    assert archive.read(f"{count - 1}") == b""


def test_more_than_4_gib_take_zip64(tmp_path):
    size = 2**32 + 5
    archive = module._Archive([("large", Sized(size)), ("b", b"behind")], is_compressed=False)
    length = archive.length()
    with (tmp_path / "sparse.zip").open("w+b") as file:
        for chunk in archive.chunks():
            if chunk is ZEROS:
                file.seek(len(chunk), os.SEEK_CUR)
            else:
                file.write(chunk)
        assert file.tell() == length
        read = ZipFile(file)
        assert [info.file_size for info in read.infolist()] == [size, 6]
        assert read.getinfo("b").header_offset > 2**32
        assert read.read("b") == b"behind"
        with read.open("large") as large:
            assert large.read(10) == bytes(10)


@pytest.mark.parametrize("url", ["/listed/", "/compressed/"])
async def test_memory_is_flat(url):
    content[:] = [(f"{n}", iter([ZEROS] * 20)) for n in range(10)]
    content.append(("sized", Sized(20 * len(ZEROS))))
    async with StreamClient(timeout=60).stream("GET", url) as stream:
        tracemalloc.start()
        try:
            while await stream.chunk():
                pass
        except AssertionError:
            assert stream.is_complete
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert peak < 12 * 2**20


async def test_a_slow_client_makes_the_files_wait():
    count = 0

    def counted():
        nonlocal count
        count += 1

    content[:] = [("a", Sized(100 * len(ZEROS), counted))]
    async with StreamClient().stream("GET", "/listed/") as stream:
        await stream.chunk()
        await stream.chunk()
        assert count < 10
    assert count < 10


# What goes wrong.


@pytest.mark.parametrize("url", ["/listed/", "/compressed/"])
async def test_a_file_that_fails_breaks_the_body_off(url, caplog):
    last = io.BytesIO(b"last")
    content[:] = [("a", b"a"), ("b", failing()), ("c", last)]
    await broken_off(url)
    assert last.closed
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "the disk is gone" in str(record.exc_info[1])


@pytest.mark.parametrize("client", [Client, AsyncClient])
async def test_a_failure_breaks_off_under_djangos_handlers_too(client):
    content[:] = [("a", b"a"), ("b", failing())]
    if client is Client:
        with pytest.raises(BrokenOff):
            await asyncio.to_thread(lambda: Client().get("/listed/").getvalue())
    else:
        response = await AsyncClient().get("/listed/")
        with pytest.raises(BrokenOff):
            async for _ in response:
                pass


MISSING = {
    "path": lambda folder: folder / "x",
    "folder": lambda folder: folder,
    "FieldFile": lambda folder: field_file(FileSystemStorage(folder), "x"),
    "FieldFile elsewhere": lambda folder: field_file(CloudStorage(folder), "x"),
    "empty FieldFile": lambda folder: field_file(FileSystemStorage(folder), ""),
}


@pytest.mark.parametrize("url", ["/listed/", "/generated-asynchronously/", "/compressed/"])
@pytest.mark.parametrize("kind", MISSING)
async def test_a_file_that_is_not_there_is_404(kind, url, tmp_path):
    first, last = io.BytesIO(b"a"), io.BytesIO(b"b")
    content[:] = [("first", first), ("x", MISSING[kind](tmp_path)), ("last", last)]
    async with StreamClient().stream("GET", url) as stream:
        assert stream.status_code == 404
    assert first.closed
    assert last.closed


@pytest.mark.parametrize("kind", MISSING)
def test_a_file_that_is_not_there_is_404_under_wsgi_too(kind, tmp_path):
    content[:] = [("first", b"a"), ("x", MISSING[kind](tmp_path))]
    assert Client().get("/listed/").status_code == 404


async def test_a_first_file_that_is_found_missing_late_is_404_too(tmp_path):
    content[:] = [("x", field_file(SizelessStorage(tmp_path), "x"))]
    async with StreamClient().stream("GET", "/listed/") as stream:
        assert stream.status_code == 404


async def test_a_file_that_is_found_missing_in_between_breaks_the_body_off(tmp_path):
    [file] = fill(tmp_path, 1)
    content[:] = [("a", Sized(10, act=lambda: file.unlink(missing_ok=True))), ("x", file)]
    await broken_off()


@pytest.mark.parametrize("size", [0, 10, 2000, 2 * SLICE_BYTES])
@pytest.mark.parametrize("kind", ["Path", "FieldFile", "FieldFile elsewhere"])
async def test_a_file_that_changes_its_size_breaks_the_body_off(kind, size, tmp_path):
    [file] = fill(tmp_path, 1)
    acting = Sized(10, act=lambda: file.write_bytes(bytes(size)))
    content[:] = [("a", acting), ("b", KINDS[kind](file)), ("c", b"c")]
    await broken_off()


async def test_an_empty_file_that_grows_breaks_the_body_off(tmp_path):
    file = tmp_path / "empty"
    file.touch()
    content[:] = [("a", Sized(10, act=lambda: file.write_bytes(b"x"))), ("b", file)]
    await broken_off()


@pytest.mark.parametrize("size", [0, 10, 2000])
async def test_without_a_length_a_file_may_change_until_its_turn(size, tmp_path):
    [file] = fill(tmp_path, 1)
    content[:] = [("a", Sized(10, act=lambda: file.write_bytes(bytes(size)))), ("b", file)]
    body, _ = await fetched("/compressed/")
    assert unpacked(body)["b"] == bytes(size)


def test_a_file_that_shrinks_while_it_is_sent_breaks_the_archive_off(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(bytes(3 * SLICE_BYTES))
    archive = module._Archive([("a", file)], is_compressed=False)
    chunks = archive.chunks()
    assert len(next(chunks)) + len(next(chunks)) > SLICE_BYTES
    os.truncate(file, SLICE_BYTES)
    with pytest.raises(FileShrunk):
        list(chunks)


async def test_disconnect_closes_the_open_file_and_those_left():
    first, last = Sized(1000 * len(ZEROS)), io.BytesIO(b"last")
    content[:] = [("first", first), ("last", last)]
    async with StreamClient().stream("GET", "/listed/") as stream:
        assert len(await stream.chunk()) > 0
        assert not first.is_closed
        await stream.disconnect()
        stream.assert_closed()
    assert first.is_closed
    assert last.closed


async def test_disconnect_closes_a_file_of_a_storage(tmp_path):
    (tmp_path / "a").write_bytes(bytes(20 * SLICE_BYTES))
    storage = CountingStorage(tmp_path)
    content[:] = [("a", field_file(storage, "a")), ("b", field_file(storage, "a"))]
    async with StreamClient().stream("GET", "/listed/") as stream:
        await stream.chunk()
        assert storage.now == 1
    assert (storage.now, storage.ever) == (0, 1)


async def test_the_event_loop_is_left_alone():
    threads = []
    content[:] = [("a", Sized(10, act=lambda: threads.append(threading.current_thread())))]
    await fetched()
    assert threads
    assert threading.main_thread() not in threads
    # As get_files() may use the ORM, a view that has nothing else decides in a thread, too.
    assert not hasattr(Listed.as_view(), "decides_without_thread")


# The request.


@pytest.mark.parametrize("url", ["/listed/", "/compressed/"])
@pytest.mark.parametrize("is_async", [True, False])
async def test_head_has_the_headers_and_opens_nothing(is_async, url, tmp_path):
    fill(tmp_path)
    storage, given = CountingStorage(tmp_path), io.BytesIO(b"a")
    content[:] = [("0", field_file(storage, "0.txt")), ("a", given)]
    if is_async:
        async with StreamClient().stream("HEAD", url) as stream:
            assert stream.status_code == 200
            assert await stream.read() == b""
            headers = stream.headers
    else:
        response = await asyncio.to_thread(Client().head, url)
        assert response.getvalue() == b""
        headers = response.headers
        response.close()
    assert storage.ever == 0
    assert given.closed
    content[1] = ("a", b"a")
    _, expected = await fetched(url)
    for name in ("Content-Length", "Content-Type", "Content-Disposition"):
        assert headers.get(name) == expected.get(name)


@pytest.mark.parametrize("client", [Client, AsyncClient])
async def test_it_works_under_djangos_handlers_too(client, tmp_path):
    content[:] = [("0", fill(tmp_path)[0]), ("b", b"b")]
    if client is Client:
        response = await asyncio.to_thread(Client().get, "/generated/")
        body = await asyncio.to_thread(response.getvalue)
    else:
        response = await AsyncClient().get("/generated-asynchronously/")
        body = b"".join([chunk async for chunk in response])
    assert unpacked(body) == {"0": b"0" * 1000, "b": b"b"}
    assert response.headers["Content-Length"] == str(len(body))


async def test_a_method_that_is_named_is_answered():
    content[:] = [("a", b"a")]
    async with StreamClient().stream("POST", "/posted/", data={}) as stream:
        assert unpacked(await stream.read()) == {"a": b"a"}
    async with StreamClient().stream("GET", "/posted/") as stream:
        assert stream.status_code == 405


@pytest.mark.django_db(transaction=True)
async def test_a_mixin_refuses_before_any_file_is_looked_at():
    content[:] = [("a", object())]
    async with StreamClient().stream("GET", "/private/") as stream:
        assert stream.status_code == 302


async def test_get_files_decides():
    async with StreamClient().stream("GET", "/refusing/") as stream:
        assert stream.status_code == 404


def test_a_view_without_files_says_so():
    with pytest.raises(NotImplementedError, match=r"WithoutFiles has no get_files\(\)"):
        Client().get("/without-files/")


def test_what_a_storage_finds_no_file_at_is_not_found(monkeypatch, tmp_path):
    storage = FileSystemStorage(tmp_path)
    monkeypatch.setattr(Listed, "get_files", lambda self: [("a", storage.open("."))])
    assert Client().get("/listed/").status_code == 404


def test_a_view_that_forgets_to_return_its_files_says_so(monkeypatch):
    monkeypatch.setattr(Listed, "get_files", lambda self: None)
    with pytest.raises(TypeError, match=r"Listed.get_files\(\) gives pairs .* not None"):
        Client().get("/listed/")


@pytest.mark.parametrize("entry", ["ab", ("a",), ("a", b"b", "c"), None])
def test_what_is_no_pair_is_refused(entry):
    first = io.BytesIO()
    with pytest.raises(TypeError, match=r"get_files\(\) gives pairs of a name"):
        written([("a", first), entry])
    assert first.closed


def test_what_is_no_file_is_refused():
    with pytest.raises(TypeError, match="A file to send is a path"):
        written([("a", 5)])


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "zipstream", None)
    with pytest.raises(ImproperlyConfigured, match=r"application/zip: .*stream-views\[zip\]"):
        Client().get("/listed/")


def test_without_the_library_the_check_finds_it(monkeypatch):
    urls = type("urls", (), {"urlpatterns": [path("x/", Listed.as_view())]})
    with override_settings(ROOT_URLCONF=urls):
        assert check_views() == []
        monkeypatch.setitem(sys.modules, "zipstream", None)
        [error] = check_views()
    assert (error.id, error.obj) == ("streams.E002", Listed)
    assert "Listed cannot stream application/zip" in error.msg
    assert "django-stream-views[zip]" in error.msg
