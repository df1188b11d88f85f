"""`files.byteranges`: a body with several ranges is as long as it says, and can be taken apart."""

import re
from email import policy
from email.parser import BytesParser

import pytest
from django.http import BadHeaderError
from hypothesis import given, settings
from hypothesis import strategies as st

from django_streams.files.byteranges import ByteRanges
from django_streams.files.opened import open_file
from django_streams.files.ranges import ByteRange, parse_range

CONTENT = bytes(range(256)) * 4
TWO = [ByteRange(0, 5), ByteRange(100, 1024)]


def body_of(made, content):
    segments = made.segments()
    return b"".join(
        segment if isinstance(segment, bytes) else content[slice(*segment)] for segment in segments
    )


def boundary_of(made):
    return re.fullmatch(r"multipart/byteranges; boundary=([0-9a-f]{32})", made.content_type)[1]


def parsed(made, content):
    """What Python's parser of mail makes of it: the parts' headers and contents."""
    head = f"MIME-Version: 1.0\r\nContent-Type: {made.content_type}\r\n\r\n".encode()
    message = BytesParser(policy=policy.HTTP).parsebytes(head + body_of(made, content))
    assert message.is_multipart()
    assert not message.defects
    return [(dict(part.items()), part.get_payload(decode=True)) for part in message.iter_parts()]


def test_the_body_has_the_form_of_the_rfc():
    made = ByteRanges(TWO, size=1024, content_type="application/pdf")
    boundary = boundary_of(made).encode()
    assert body_of(made, CONTENT) == (
        b"--" + boundary + b"\r\n"
        b"Content-Type: application/pdf\r\n"
        b"Content-Range: bytes 0-4/1024\r\n"
        b"\r\n" + CONTENT[0:5] + b"\r\n"
        b"--" + boundary + b"\r\n"
        b"Content-Type: application/pdf\r\n"
        b"Content-Range: bytes 100-1023/1024\r\n"
        b"\r\n" + CONTENT[100:1024] + b"\r\n"
        b"--" + boundary + b"--\r\n"
    )


def test_ranges_are_segments_that_nobody_has_read():
    made = ByteRanges(TWO, size=1024, content_type="a/b")
    assert [segment for segment in made.segments() if not isinstance(segment, bytes)] == TWO
    assert list(made.segments()) == list(made.segments())


def test_the_length_is_known_without_reading():
    size = 2**62
    ranges = [ByteRange(0, 2**61), ByteRange(2**61 + 1, size)]
    made = ByteRanges(ranges, size=size, content_type="a/b")
    literal = sum(len(segment) for segment in made.segments() if isinstance(segment, bytes))
    assert made.content_length == size - 1 + literal


def test_the_order_of_the_ranges_is_kept():
    ranges = [ByteRange(100, 200), ByteRange(0, 10), ByteRange(50, 60)]
    parts = parsed(ByteRanges(ranges, size=1024, content_type="a/b"), CONTENT)
    assert [head["Content-Range"] for head, _ in parts] == [
        "bytes 100-199/1024",
        "bytes 0-9/1024",
        "bytes 50-59/1024",
    ]


def test_every_body_has_a_boundary_of_its_own():
    boundaries = {boundary_of(ByteRanges(TWO, size=1024, content_type="a/b")) for _ in range(100)}
    assert len(boundaries) == 100


@pytest.mark.parametrize(
    "content_type",
    ["a/b\r\nSet-Cookie: a=b", "a/b\r\n\r\n<script>", "a/b\n", "\ra/b", "a/b\r"],
)
def test_a_media_type_with_a_line_break_is_refused(content_type):
    with pytest.raises(BadHeaderError, match="line breaks"):
        ByteRanges(TWO, size=1024, content_type=content_type)


def test_a_media_type_that_no_header_can_carry_is_refused():
    with pytest.raises(UnicodeEncodeError):
        ByteRanges(TWO, size=1024, content_type="text/日本")


@st.composite
def files_and_ranges(draw):
    content = draw(st.binary(min_size=1, max_size=200))
    offsets = st.integers(0, len(content))
    pairs = st.tuples(offsets, offsets).filter(lambda pair: pair[0] < pair[1])
    return content, [ByteRange(*pair) for pair in draw(st.lists(pairs, min_size=1, max_size=16))]


@settings(deadline=None)
@given(files_and_ranges(), st.sampled_from(["text/plain; charset=utf-8", "video/mp4", "a/\xe9"]))
def test_the_length_is_the_real_one(drawn, content_type):
    content, ranges = drawn
    made = ByteRanges(ranges, size=len(content), content_type=content_type)
    assert made.content_length == len(body_of(made, content))


@settings(deadline=None)
@given(files_and_ranges())
def test_the_parts_can_be_taken_apart_again(drawn):
    content, ranges = drawn
    made = ByteRanges(ranges, size=len(content), content_type="application/octet-stream")
    assert parsed(made, content) == [
        (
            {
                "Content-Type": "application/octet-stream",
                "Content-Range": f"bytes {start}-{stop - 1}/{len(content)}",
            },
            content[start:stop],
        )
        for start, stop in ranges
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 100)), min_size=2, max_size=10))
def test_what_a_header_asks_for_comes_out_of_a_file(pairs):
    header = "bytes=" + ",".join(f"{start}-{start + more}" for start, more in pairs)
    ranges = parse_range(header, len(CONTENT))
    if ranges is None:
        return
    opened = open_file(CONTENT)
    made = ByteRanges(ranges, size=opened.size, content_type=opened.content_type)
    pieces = []
    for segment in made.segments():
        pieces += [segment] if isinstance(segment, bytes) else opened.slices(*segment)
    body = b"".join(pieces)
    assert len(body) == made.content_length
    assert body == body_of(made, CONTENT)
