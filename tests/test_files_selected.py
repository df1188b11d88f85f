"""`files.selected`: one file and one request make a status, headers, and pieces to send."""

import io
import os

import pytest
from django.core.files import File

from django_streams.files import open_file, select

CONTENT = b"0123456789"
MODIFIED = 1_700_000_000
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
TEXT = "text/plain"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(CONTENT)
    os.utime(path, (MODIFIED, MODIFIED))
    opened = open_file(path)
    yield opened
    opened.close()


def body(selection, file):
    return b"".join(
        segment if isinstance(segment, bytes) else b"".join(file.slices(*segment))
        for segment in selection.segments
    )


def test_without_conditions_everything_is_sent(file):
    selection = select("GET", {}, file, TEXT)
    assert selection.status == 200
    assert selection.is_whole
    assert selection.headers == {
        "ETag": file.etag,
        "Last-Modified": DATE,
        "Content-Type": TEXT,
        "Accept-Ranges": "bytes",
        "Content-Length": "10",
    }
    assert body(selection, file) == CONTENT


class Passing(File):
    """Knows its size, and can be read once."""

    size = len(CONTENT)

    def seekable(self):
        return False

    def read(self, *args):
        return self.file.read(*args)


class Untouched(Passing):
    """Of a storage that would download it to answer anything."""

    file = property(lambda self: pytest.fail("it was downloaded"), lambda self, value: None)
    seekable = property(lambda self: self.file)


def test_ranges_are_offered_unless_it_is_known_that_there_are_none():
    for kind, accepted in ((Passing, "none"), (Untouched, "bytes")):
        opened = open_file(kind(io.BytesIO(CONTENT), "a.txt"))
        headers = select("GET", {}, opened, TEXT).headers
        assert headers["Accept-Ranges"] == accepted
        assert headers["Content-Length"] == "10"


@pytest.mark.parametrize(
    ("header", "content_range", "part"),
    [
        ("bytes=0-0", "bytes 0-0/10", b"0"),
        ("bytes=2-4", "bytes 2-4/10", b"234"),
        ("bytes=7-", "bytes 7-9/10", b"789"),
        ("bytes=-3", "bytes 7-9/10", b"789"),
        ("bytes=0-", "bytes 0-9/10", CONTENT),
        ("bytes=5-999999999999999999999", "bytes 5-9/10", b"56789"),
        ("bytes=-999999999999999999999", "bytes 0-9/10", CONTENT),
        ("bytes=0-1,1-3", "bytes 0-3/10", b"0123"),
    ],
)
def test_one_range_is_sent_as_it_is(file, header, content_range, part):
    selection = select("GET", {"Range": header}, file, TEXT)
    assert selection.status == 206
    assert not selection.is_whole
    assert selection.headers == {
        "ETag": file.etag,
        "Last-Modified": DATE,
        "Accept-Ranges": "bytes",
        "Content-Type": TEXT,
        "Content-Range": content_range,
        "Content-Length": str(len(part)),
    }
    assert body(selection, file) == part


def test_several_ranges_are_parts_of_one_body(file):
    selection = select("GET", {"Range": "bytes=0-1,-2,4-5"}, file, TEXT)
    assert selection.status == 206
    assert "Content-Range" not in selection.headers
    media_type, boundary = selection.headers["Content-Type"].split("; boundary=")
    assert media_type == "multipart/byteranges"
    sent = body(selection, file)
    assert len(sent) == int(selection.headers["Content-Length"])
    parts = sent.split(b"--" + boundary.encode())
    assert [part.split(b"\r\n\r\n")[1].removesuffix(b"\r\n") for part in parts[1:-1]] == [
        b"01",
        b"89",
        b"45",
    ]
    assert parts[-1] == b"--\r\n"


@pytest.mark.parametrize(
    "header",
    [
        "bytes",
        "bytes=",
        "bytes=a-b",
        "bytes=5-2",
        "lines=1-2",
        "bytes=--1",
        "bytes=1-2-3",
        "bytes=0x1-",
        "",
    ],
)
def test_a_range_that_makes_no_sense_is_ignored(file, header):
    selection = select("GET", {"Range": header}, file, TEXT)
    assert selection.status == 200
    assert body(selection, file) == CONTENT


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_size(file, header):
    selection = select("GET", {"Range": header}, file, TEXT)
    assert selection.status == 416
    assert not selection.is_whole
    assert selection.headers == {
        "Content-Range": "bytes */10",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body(selection, file))),
    }
    assert b"10 bytes" in body(selection, file)


def test_what_the_client_has_is_not_sent_again(file):
    for headers in ({"If-None-Match": file.etag}, {"If-Modified-Since": DATE}):
        selection = select("GET", headers | {"Range": "bytes=0-1"}, file, TEXT)
        assert selection.status == 304
        assert selection.headers == {"ETag": file.etag, "Last-Modified": DATE}
        assert selection.segments == ()
        assert not selection.is_whole


def test_what_the_client_does_not_expect_is_not_sent_at_all(file):
    selection = select("GET", {"If-Match": '"other"', "Range": "bytes=0-1"}, file, TEXT)
    assert selection.status == 412
    assert selection.headers == {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body(selection, file))),
    }


def test_if_range_decides_between_the_part_and_the_whole(file):
    def status(if_range):
        return select("GET", {"Range": "bytes=0-1", "If-Range": if_range}, file, TEXT).status

    assert status(file.etag) == status(DATE) == 206
    assert status('"other"') == status(f"W/{file.etag}") == status("yesterday") == 200
    assert status("Tue, 14 Nov 2023 22:13:21 GMT") == 200


def test_only_get_has_ranges(file):
    whole = select("GET", {}, file, TEXT)
    assert select("HEAD", {"Range": "bytes=0-1"}, file, TEXT) == whole
    assert select("POST", {"Range": "bytes=99-"}, file, TEXT) == whole


def test_a_size_that_nobody_knows_is_not_said():
    file = open_file(iter([b"abc", b"def"]))
    selection = select("GET", {"Range": "bytes=0-1"}, file, TEXT)
    assert selection.status == 200
    assert selection.is_whole
    assert selection.headers == {"Content-Type": TEXT, "Accept-Ranges": "none"}
    assert body(selection, file) == b"abcdef"


def test_an_empty_file_is_sent_whole_whatever_the_range():
    file = open_file(b"")
    for header in ("bytes=0-", "bytes=-1", "bytes=5-9"):
        selection = select("GET", {"Range": header}, file, TEXT)
        assert selection.status == 200
        assert selection.headers["Content-Length"] == "0"
        assert body(selection, file) == b""


def test_what_cannot_seek_has_no_ranges():
    class Tape:
        size = 3
        name = "tape"

        def read(self, count):
            return b""

    file = open_file(Tape())
    assert not file.can_seek
    assert select("GET", {"Range": "bytes=0-1"}, file, TEXT).status == 200
