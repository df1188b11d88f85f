"""`framing`: items are found again, however the bytes are cut, and within bounds."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_streams import DecodeError, ItemTooLarge, TruncatedStream
from django_streams.framing import CodePoints, Concatenated, Lines, Unframed


def split(framing, data, size=None, max_item=1000):
    splitter, items = framing.splitter(max_item), []
    size = size or max(len(data), 1)
    for start in range(0, len(data), size):
        items += splitter.feed(data[start : start + size])
    return [*items, *splitter.close()]


STREAMS = [
    (Lines(), b"a\nbb\n", [b"a", b"bb"]),
    (Lines(), b"a\r\n\r\n\n bb\r\n", [b"a", b" bb"]),
    (Lines(), b"a\nb", [b"a", b"b"]),
    (Lines(), b"", []),
    (Lines(), "é\u2028\x85\n".encode(), ["é\u2028\x85".encode()]),
    (Concatenated(), msgpack.packb([1, {"a": b"x"}]) + msgpack.packb("é") + b"\xc0", None),
]


@pytest.mark.parametrize(
    ("framing", "data", "expected"), STREAMS, ids=lambda value: repr(value)[:30]
)
def test_a_stream_gives_the_same_items_whole_byte_by_byte_and_split_anywhere(
    framing, data, expected
):
    whole = split(framing, data)
    assert expected is None or whole == expected
    assert split(framing, data, size=1) == whole
    for cut in range(len(data) + 1):
        splitter = framing.splitter(1000)
        items = [*splitter.feed(data[:cut]), *splitter.feed(data[cut:]), *splitter.close()]
        assert items == whole, cut


@given(
    st.lists(st.dictionaries(st.text(), st.integers().filter(lambda n: abs(n) < 2**63))),
    st.integers(1, 9),
)
def test_messagepack_items_come_back_through_any_chunks(items, size):
    data = b"".join(map(msgpack.packb, items))
    assert [msgpack.unpackb(item) for item in split(Concatenated(), data, size, 10**6)] == items


@given(st.text(), st.integers(1, 5))
def test_text_comes_back_in_whole_code_points(text, size):
    pieces = split(CodePoints(), text.encode(), size)
    assert "".join(piece.decode() for piece in pieces) == text


def test_unframed_bytes_come_as_they_are():
    assert split(Unframed(), b"abc", size=2) == [b"ab", b"c"]


@pytest.mark.parametrize("framing", [Lines(), Concatenated()])
@pytest.mark.parametrize("size", [None, 1, 7])
def test_an_item_that_is_too_large_is_refused_after_those_before_it(framing, size):
    suffix = framing.suffix
    data = msgpack.packb("ok") + suffix + msgpack.packb("x" * 100) + suffix
    splitter, items = framing.splitter(50), []
    with pytest.raises(ItemTooLarge, match="50 bytes"):
        for start in range(0, len(data), size or len(data)):
            for item in splitter.feed(data[start : start + (size or len(data))]):
                items.append(item)
    assert items == [msgpack.packb("ok")]


def test_a_line_as_large_as_allowed_is_taken():
    assert split(Lines(), b"x" * 50 + b"\r\n" + b"y" * 50, max_item=50) == [b"x" * 50, b"y" * 50]


def test_a_stream_that_ends_inside_an_item_is_truncated():
    with pytest.raises(TruncatedStream, match="2 bytes into it"):
        split(Concatenated(), msgpack.packb("abc")[:2])
    with pytest.raises(TruncatedStream, match="inside a code point"):
        split(CodePoints(), "é".encode()[:1])


def test_bytes_that_are_no_messagepack_are_refused():
    with pytest.raises(DecodeError, match="invalid MessagePack"):
        split(Concatenated(), b"\x01\xc1")


def test_bytes_that_are_no_utf8_are_refused():
    with pytest.raises(DecodeError, match="invalid UTF-8"):
        split(CodePoints(), b"a\xff")


@pytest.mark.parametrize("framing", [Lines(), Concatenated()])
def test_work_grows_with_the_size_of_an_item_and_not_with_its_square(framing, monkeypatch):
    """A 3 MB item in 1 KiB pieces: what is held is looked at once, not once per piece."""
    data = msgpack.packb(b"x" * 3_000_000)
    [item] = split(framing, data, size=1024, max_item=4_000_000)
    assert item == data
    if isinstance(framing, Concatenated):
        splitter = framing.splitter(4_000_000)
        steps = []
        skip = splitter._skip
        monkeypatch.setattr(
            splitter, "_skip", lambda: steps.append(splitter._unpacker.tell()) or skip()
        )
        for start in range(0, len(data), 1024):
            list(splitter.feed(data[start : start + 1024]))
        assert len(steps) <= len(data) // 1024 + 2
        assert steps == sorted(steps)
