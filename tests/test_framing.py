"""`framing`: items are found again, however the bytes are cut, and within bounds."""

import csv
import io
import itertools
import json
import pathlib
import re
import tracemalloc

import cbor2
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_streams import DecodeError, EncodeError, ItemTooLarge, TruncatedStream
from django_streams.encodings import JSON, Bytes
from django_streams.framing import (
    CBORSequence,
    CodePoints,
    Concatenated,
    Elements,
    Frames,
    Lines,
    Records,
    RecordSeparated,
    Unframed,
    cbor,
    json_array,
    json_seq,
    json_text,
)

VECTORS = pathlib.Path(__file__).parent / "vectors"
FRAMES = json.loads((VECTORS / "dioxus_frames.json").read_text())["frames"]


def chunked(data, sizes):
    """Cuts `data` into chunks of these sizes, over and over."""
    sizes = itertools.cycle([sizes] if isinstance(sizes, int) else sizes)
    position, chunks = 0, []
    while position < len(data):
        size = next(sizes)
        chunks.append(data[position : position + size])
        position += size
    return chunks


def outcome(framing, chunks, max_item=1000):
    """Returns the items, and the error they end with or None."""
    splitter, items = framing.splitter(max_item), []
    try:
        for chunk in chunks:
            for item in splitter.feed(chunk):
                items.append(item)
        for item in splitter.close():
            items.append(item)
    except DecodeError as error:
        return items, type(error), str(error)
    return items, None, ""


def split(framing, data, sizes=10**9, max_item=10**6):
    items, error, message = outcome(framing, chunked(data, sizes), max_item)
    assert error is None, message
    return items


def in_all_ways(read, data):
    """Returns what `read` makes of chunks, having seen that all cuts come to the same."""
    whole = read([data])
    assert read(chunked(data, 1)) == whole
    for cut in range(len(data) + 1):
        assert read([data[:cut], data[cut:]]) == whole, cut
    return whole


def frame(payload):
    return Frames().encoder(Bytes())(payload)


LINES = [
    (b"", [], None),
    (b"a\nbb\n", [b"a", b"bb"], None),
    (b"a\r\n\r\n\n bb\r\n", [b"a", b" bb"], None),
    (b"a\nb", [b"a", b"b"], None),
    (b"a\nb\r", [b"a", b"b"], None),
    (b"a\rb\r\r\n", [b"a\rb\r"], None),
    ("é\u2028\x85\n".encode(), ["é\u2028\x85".encode()], None),
    (b"a\n" + b"x" * 50 + b"\r\n" + b"y" * 50, [b"a", b"x" * 50, b"y" * 50], None),
    (b"a\n" + b"x" * 51 + b"\nb\n", [b"a"], ItemTooLarge),
    (b"a\n" + b"x" * 51, [b"a"], ItemTooLarge),
    (b"a\nb\n" + b"x" * 50 + b"\r\r\n", [b"a", b"b"], ItemTooLarge),
]
RECORDS = [
    (b"", [], None),
    (b"a,b\r\n1,2\r\n", [b"a,b", b"1,2"], None),
    (b"a,b\n1,2", [b"a,b", b"1,2"], None),
    (b"\r\na\n\n\r\nb\r\n", [b"a", b"b"], None),
    (b'"a\r\nb",1\r\n2\r\n', [b'"a\r\nb",1', b"2"], None),
    (b'"a""\n""","\n"\n2\n', [b'"a""\n""","\n"', b"2"], None),
    (b'""\r\n"\n\n"', [b'""', b'"\n\n"'], None),
    (b'a\n"b\nc\n', [b"a"], TruncatedStream),
    (b'a\n"b""\r\n', [b"a"], TruncatedStream),
    (b'"' + b"x\r\n" * 16 + b'"\r\na\n', [b'"' + b"x\r\n" * 16 + b'"', b"a"], None),
    (b'a\n"' + b"x\r\n" * 17 + b'"\r\n', [b"a"], ItemTooLarge),
    (b'a\n"' + b"\n" * 50, [b"a"], ItemTooLarge),
]
ELEMENTS = [
    (b"[]", [], None),
    (b" [\n] \r\n\t", [], None),
    (b'[1,"a",{"b":[2]},[],null]', [b"1", b'"a"', b'{"b":[2]}', b"[]", b"null"], None),
    (b' [ 1 , "]" ,{} ] ', [b"1", b'"]"', b"{}"], None),
    (b'["\\"","\\\\",{"\\\\\\"]":"}"}]', [b'"\\""', b'"\\\\"', b'{"\\\\\\"]":"}"}'], None),
    ('["é😀",-1.5e+3,true\t]'.encode(), ['"é😀"'.encode(), b"-1.5e+3", b"true"], None),
    (b"[[[[[[[1]]]]]],2]", [b"[[[[[[1]]]]]]", b"2"], None),
    (b"", [], TruncatedStream),
    (b" ", [], TruncatedStream),
    (b"[", [], TruncatedStream),
    (b"[1", [], TruncatedStream),
    (b"[1,", [b"1"], TruncatedStream),
    (b"[1,2 ", [b"1", b"2"], TruncatedStream),
    (b'[{},"a', [b"{}"], TruncatedStream),
    (b'["\\', [], TruncatedStream),
    (b'["\\"]', [], TruncatedStream),
    (b"[[1]", [b"[1]"], TruncatedStream),
    (b"[1,]", [b"1"], DecodeError),
    (b"[{},]", [b"{}"], DecodeError),
    (b"[,1]", [], DecodeError),
    (b"[1,,2]", [b"1"], DecodeError),
    (b"[1 2]", [b"1"], DecodeError),
    (b"[{}{}]", [b"{}"], DecodeError),
    (b'[{}, "a""b"]', [b"{}", b'"a"'], DecodeError),
    (b"[1]]", [b"1"], DecodeError),
    (b"[1] x", [b"1"], DecodeError),
    (b"[}]", [], DecodeError),
    (b"[1,}", [b"1"], DecodeError),
    (b"[x]", [], DecodeError),
    (b"[1\x1e]", [b"1"], DecodeError),
    (b'["\x1e"]', [b'"\x1e"'], None),  # The decoder refuses it.
    (b"[1x{]", [b"1x{"], None),  # So here.
    (b"[[},{}]", [b"[}", b"{}"], None),
    (b"{}", [], DecodeError),
    (b"1", [], DecodeError),
    (b"\xef\xbb\xbf[1]", [], DecodeError),
    (b'["' + b"x" * 48 + b'",1]', [b'"' + b"x" * 48 + b'"', b"1"], None),
    (b'[1,"' + b"x" * 49 + b'",1]', [b"1"], ItemTooLarge),
    (b"[1," + b" " * 99 + b"1" * 51 + b"]", [b"1"], ItemTooLarge),
    (b'["a",' + b"[" * 51, [b'"a"'], ItemTooLarge),
    (b"[{}," + b"9" * 51 + b"\x1e", [b"{}"], ItemTooLarge),
]
MESSAGES = [  # MessagePack; 0xC1 is never used in it.
    (b"", [], None),
    (b"\x01\xa1a\x93\x01\x02\x90", [b"\x01", b"\xa1a", b"\x93\x01\x02\x90"], None),
    (b"\xc0\xc4\x01", [b"\xc0"], TruncatedStream),
    (b"\xc0\xda\x00", [b"\xc0"], TruncatedStream),
    (b"\x01\xc1", [b"\x01"], DecodeError),
    (b"\x01\x93\x01\xc1\x01\x01", [b"\x01"], DecodeError),
    (msgpack.packb("x" * 48), [msgpack.packb("x" * 48)], None),
    (b"\x01" + msgpack.packb("x" * 49), [b"\x01"], ItemTooLarge),
    (b"\x01\xc6\xff\xff\xff\xff" + b"x" * 60, [b"\x01"], ItemTooLarge),
    (b"\x01\xdd\xff\xff\xff\xff" + b"\x01" * 45 + b"\xc1", [b"\x01"], DecodeError),
    (b"\x01\xdd\xff\xff\xff\xff" + b"\x01" * 46 + b"\xc1", [b"\x01"], ItemTooLarge),
    (b"\x01" + b"\x91" * 60, [b"\x01"], ItemTooLarge),
]
CBOR_ITEMS = [
    (b"", [], None),
    (bytes.fromhex("01 6161 830102a0 f6"), ["01", "6161", "830102a0", "f6"], None),
    (bytes.fromhex("1864 190100 1a00010000 1b0000000100000000"), None, None),
    (bytes.fromhex("20 3903e7 f4 f820 f93c00 fa47c35000 fb3ff199999999999a"), None, None),
    (bytes.fromhex("c11a514b67b0 d818456449455446 d9d9f700"), None, None),
    (bytes.fromhex("a26161016162820203 a0 80 40 60"), None, None),
    (bytes.fromhex("5f42010243030405ff 7f657374726561646d696e67ff 5fff"), None, None),
    (bytes.fromhex("9fff 9f018202039f0405ffff bf61610161629f0203ffff bfff"), None, None),
    (bytes.fromhex("83018202039f0405ff 9fc1015f4101ffff bf9fff0101bfffff"), None, None),
    (bytes.fromhex("01 82"), ["01"], TruncatedStream),
    (bytes.fromhex("01 19ff"), ["01"], TruncatedStream),
    (bytes.fromhex("01 4401"), ["01"], TruncatedStream),
    (bytes.fromhex("01 9f01"), ["01"], TruncatedStream),
    (bytes.fromhex("01 5f"), ["01"], TruncatedStream),
    (bytes.fromhex("01 c1"), ["01"], TruncatedStream),
    (bytes.fromhex("01 1c00"), ["01"], DecodeError),  # Reserved: 28, 29 and 30.
    (bytes.fromhex("01 9d"), ["01"], DecodeError),
    (bytes.fromhex("01 82fe"), ["01"], DecodeError),
    (bytes.fromhex("01 1f"), ["01"], DecodeError),  # Nothing indefinite: integers and tags.
    (bytes.fromhex("01 3f"), ["01"], DecodeError),
    (bytes.fromhex("01 df00ff"), ["01"], DecodeError),
    (bytes.fromhex("01 ff"), ["01"], DecodeError),  # A stray break.
    (bytes.fromhex("01 82ff"), ["01"], DecodeError),
    (bytes.fromhex("01 9f8201ff"), ["01"], DecodeError),
    (bytes.fromhex("01 9fc1ff"), ["01"], DecodeError),
    (bytes.fromhex("01 bf01ff"), ["01"], DecodeError),
    (bytes.fromhex("01 bf010203"), ["01"], TruncatedStream),
    (bytes.fromhex("01 bf0102bfffff"), ["01"], DecodeError),
    (bytes.fromhex("01 bf010203ff"), ["01"], DecodeError),
    (bytes.fromhex("01 5f6161ff"), ["01"], DecodeError),  # Chunks of another type.
    (bytes.fromhex("01 7f4161ff"), ["01"], DecodeError),
    (bytes.fromhex("01 5f01ff"), ["01"], DecodeError),
    (bytes.fromhex("01 5f5f4161ffff"), ["01"], DecodeError),
    (bytes.fromhex("01 7f8061ff"), ["01"], DecodeError),
    (bytes.fromhex("01 f800"), ["01"], DecodeError),  # Simple values below 32 in two bytes.
    (bytes.fromhex("01 81f81f"), ["01"], DecodeError),
    (cbor2.dumps(b"x" * 48), None, None),
    (cbor2.dumps([1] * 48), None, None),
    (b"\x9f" + b"\x01" * 48 + b"\xff", None, None),
    (b"\x01" + cbor2.dumps(b"x" * 49), ["01"], ItemTooLarge),
    (b"\x01" + cbor2.dumps([1] * 49), ["01"], ItemTooLarge),
    (b"\x01\x9f" + b"\x01" * 49 + b"\xff", ["01"], ItemTooLarge),
    (b"\x01\x9f" + b"\x01" * 48 + b"\xff", ["01", (b"\x9f" + b"\x01" * 48 + b"\xff").hex()], None),
    (b"\x01\x9f" + b"\x01" * 48 + b"\x1c", ["01"], DecodeError),
    (b"\x01\x9f" + b"\x01" * 49 + b"\x1c", ["01"], ItemTooLarge),
    (b"\x01\x97" + b"\x97" * 9 + b"\x1c", ["01"], ItemTooLarge),
    (b"\x01\x98\x28\x82\x81\x1c", ["01"], DecodeError),
]
FRAMED = [
    (b"", [], None),
    (b"\x82\x00\x82\x01a" + frame(b"x" * 126), [b"", b"a", b"x" * 126], None),
    (b"\x82\x00" + frame(b"x" * 500)[:-1], [b""], TruncatedStream),
    (b"\x82\x00\x82", [b""], TruncatedStream),
    (b"\x82\x00\x82\x7f\x00", [b""], TruncatedStream),
    (b"\x82\x00\x02\x00", [b""], DecodeError),  # No FIN.
    (b"\x82\x00\x81\x01a", [b""], DecodeError),  # Opcode 1.
    (b"\x82\x00\xc2\x00", [b""], DecodeError),  # RSV1.
    (b"\x82\x00\x88\x00", [b""], DecodeError),  # A close.
    (b"\x82\x00\x82\x81aaaaa", [b""], DecodeError),  # A mask.
    (b"\x82\x00\x82\x7e\x00\x7d" + b"x" * 125, [b""], DecodeError),
    (b"\x82\x00\x82\x7f" + (65535).to_bytes(8, "big"), [b""], DecodeError),
    (b"\x82\x00" + frame(b"x" * 500), [b"", b"x" * 500], None),
    (b"\x82\x00" + frame(b"x" * 501), [b""], ItemTooLarge),
    (b"\x82\x00\x82\x7f" + b"\xff" * 8, [b""], ItemTooLarge),
]
STREAMS = [
    *((Lines(), 50, *stream) for stream in LINES),
    *((Records(), 50, *stream) for stream in RECORDS),
    *((Elements(), 50, *stream) for stream in ELEMENTS),
    *((Concatenated(), 50, *stream) for stream in MESSAGES),
    *(
        (CBORSequence(), 50, data, items and [*map(bytes.fromhex, items)], error)
        for data, items, error in CBOR_ITEMS
    ),
    *((Frames(), 500, *stream) for stream in FRAMED),
]


def named(value):
    return type(value).__name__ if not isinstance(value, bytes) else repr(value)[:40]


@pytest.mark.parametrize(("framing", "max_item", "data", "items", "error"), STREAMS, ids=named)
def test_a_stream_comes_to_the_same_whole_byte_by_byte_and_split_anywhere(
    framing, max_item, data, items, error
):
    found = in_all_ways(lambda chunks: outcome(framing, chunks, max_item), data)
    assert found[1] is error, found
    if items is None:
        assert b"".join(found[0]) == data
        assert found[0] == by_cbor2(data)
    else:
        assert found[0] == items


SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("framing", "alphabet"),
    [
        (Lines(), b"ab\r\n"),
        (Records(), b'ab"\r\n'),
        (Elements(), b'[]{},"\\1 \n\x1e'),
        (Concatenated(), b"\x01\x80\x81\x90\x92\xa2\xc1\xc4\xcd\xdc"),
        (
            CBORSequence(),
            b"\x00\x01\x18\x19\x1c\x41\x5f\x61\x7f\x81\x82\x98\x9f\xa1\xbf\xc1\xf8\xff",
        ),
        (Frames(), b"\x82\x00\x01\x02\x7e\x7f\x80"),
    ],
    ids=named,
)
@given(data=st.data())
def test_any_bytes_come_to_the_same_through_any_chunks(framing, alphabet, data):
    stream = bytes(data.draw(st.lists(st.sampled_from(alphabet), max_size=60)))
    sizes, max_item = data.draw(SIZES), data.draw(st.integers(1, 20))
    whole = outcome(framing, [stream], max_item)
    assert outcome(framing, chunked(stream, 1), max_item) == whole
    assert outcome(framing, chunked(stream, sizes), max_item) == whole
    assert all(len(item) <= max_item for item in whole[0])


def by_cbor2(data):
    """Returns the items of a CBOR sequence as cbor2 cuts them."""
    stream, items = io.BytesIO(data), []
    while stream.tell() < len(data):
        start = stream.tell()
        cbor2.CBORDecoder(stream, read_size=1).decode()
        items.append(data[start : stream.tell()])
    return items


# JSON text sequences


def resumed(chunks, max_item=1000):
    """Returns items and errors in their order, of a reader that goes on after each error."""
    splitter, found = RecordSeparated().splitter(max_item), []

    def read(items):
        try:
            for item in items:
                found.append(item)
        except DecodeError as error:
            found.append((type(error), str(error)))
            return True
        return False

    for chunk in chunks:
        read(splitter.feed(chunk))
    while read(splitter.close()):
        pass
    return found


TEXTS = [
    ("", []),
    (" \n", []),
    ("␞1\n", ["1"]),
    ("␞{}\n␞[1, 2]\n␞\"a\"\n␞true\n␞null \n", ["{}", "[1, 2]", '"a"', "true", "null"]),
    ("␞{\n  \"a\": [\n    1\n  ]\n}\n␞2\n", ['{\n  "a": [\n    1\n  ]\n}', "2"]),
    ("␞\"\\\"\\\\\"\n␞{\"\\\\\": \"}\\\"\"}\n", ['"\\"\\\\"', '{"\\\\": "}\\""}']),
    ("␞[[[[[1]]]]]\n␞\"é😀\"\n", ["[[[[[1]]]]]", '"é😀"']),
    (" \n␞ \t\r\n1 \r\n \n␞2\n\n", ["1", "2"]),
    ("␞␞ ␞\n␞1\n␞␞", ["1"]),
    ("␞[1]␞{}␞\"a\" ␞1 ␞", ["[1]", "{}", '"a"', "1"]),
    ("␞{}", ["{}"]),
    ("␞[1]", ["[1]"]),
    ("␞\"a\"", ['"a"']),
    ("␞1 ", ["1"]),
    ("␞123␞1\n", [TruncatedStream, "1"]),
    ("␞true␞null␞-0␞1\n", [TruncatedStream, TruncatedStream, TruncatedStream, "1"]),
    ("␞123", [TruncatedStream]),
    ("␞1\n␞false", ["1", TruncatedStream]),
    ("␞{\"a\":1\n␞1\n", [TruncatedStream, "1"]),
    ("␞\"a␞\"b\\␞1\n", [TruncatedStream, TruncatedStream, "1"]),
    ("␞\"\\\"␞\"\n␞1\n", [TruncatedStream, TruncatedStream, "1"]),
    ("␞[1␞]\n␞1\n", [TruncatedStream, DecodeError, "1"]),
    ("␞[1,\n", [TruncatedStream]),
    ("␞1\n␞\"a\\", ["1", TruncatedStream]),
    ("x␞1\n", [DecodeError, "1"]),
    ("{}\n␞1\n", [DecodeError, "1"]),
    ("1\n", [DecodeError]),
    ("\ufeff␞1\n", [DecodeError, "1"]),
    ("␞x\n␞1\n", [DecodeError, "1"]),
    ("␞}\n␞1\n", [DecodeError, "1"]),
    ("␞{} x\n␞1\n", [DecodeError, "1"]),
    ("␞{}{}\n␞1\n", [DecodeError, "1"]),
    ("␞1,2\n␞1\n", [DecodeError, "1"]),
    ("␞{}\nx\n␞1\n", ["{}", DecodeError, "1"]),
    ("␞{}\n2\n", ["{}", DecodeError]),
    ("␞truefoo\n␞[}\n", ["truefoo", "[}"]),  # The decoder refuses these.
    ("␞" + "9" * 50 + "\n", ["9" * 50]),
    ("␞" + "9" * 51 + "\n␞1\n", [ItemTooLarge, "1"]),
    ("␞" + "9" * 51 + "␞1\n", [ItemTooLarge, "1"]),
    ("␞[" + " " * 50 + "]\n␞1\n", [ItemTooLarge, "1"]),
    ("␞[" + " " * 60, [ItemTooLarge]),
    ("␞" + " " * 60 + "1" + " " * 60 + "\n␞", ["1"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TEXTS, ids=repr)
def test_a_reader_of_a_json_text_sequence_goes_on_after_an_error(text, expected):
    found = in_all_ways(lambda chunks: resumed(chunks, 50), text.replace("␞", "\x1e").encode())
    assert [item.decode() if isinstance(item, bytes) else item[0] for item in found] == expected


@given(
    st.lists(st.sampled_from(b'\x1e\x1e\x1e[]{},"\\1 \n\nx'), max_size=60),
    SIZES,
    st.integers(1, 20),
)
def test_any_json_text_sequence_comes_to_the_same_through_any_chunks(data, sizes, max_item):
    data = bytes(data)
    whole = resumed([data], max_item)
    assert resumed(chunked(data, 1), max_item) == whole
    assert resumed(chunked(data, sizes), max_item) == whole


@pytest.mark.parametrize("text", ["123", "-1.5e3", "true", "false", "null"])
def test_rfc_7464_2_4_a_number_true_false_or_null_without_white_space_is_truncated(text):
    data = b"\x1e" + text.encode()
    for end in (b"", b"\x1e", b"\x1e1\n"):
        items, error, _ = outcome(RecordSeparated(), [data + end])
        assert (items, error) == ([], TruncatedStream)
    for space in b" \t\n\r":
        assert split(RecordSeparated(), data + bytes([space])) == [text.encode()]


def test_rfc_7464_2_1_separators_in_a_row_denote_no_texts():
    assert split(RecordSeparated(), b"\x1e\x1e\x1e1\n\x1e\x1e") == [b"1"]


def test_a_json_text_is_delivered_when_its_line_feed_comes_and_not_before():
    splitter = RecordSeparated().splitter(100)
    assert list(splitter.feed(b'\x1e{"a":\n[1,\n2]}')) == []
    assert list(splitter.feed(b"\n")) == [b'{"a":\n[1,\n2]}']
    assert list(splitter.feed(b"\x1e7\n")) == [b"7"]


def test_a_reader_that_gives_an_item_up_goes_on_with_those_behind_it():
    splitter = RecordSeparated().splitter(100)
    given_up = splitter.feed(b"\x1e[}\n\x1e1\n\x1e2\n\x1e3")
    assert next(given_up) == b"[}"
    given_up.close()
    given_up = splitter.feed(b"\n")
    assert next(given_up) == b"1"
    del given_up
    assert list(splitter.close()) == [b"2", b"3"]


def test_closing_goes_on_after_each_error():
    splitter = RecordSeparated().splitter(100)
    with pytest.raises(DecodeError):
        list(splitter.feed(b"x\x1e1\n\x1e2\x1e3\n\x1e4"))
    items = []
    for _ in range(2):
        with pytest.raises(TruncatedStream):
            for item in splitter.close():
                items.append(item)
    assert items == [b"1", b"3"]
    assert list(splitter.close()) == []


# The elements of an array


def test_containers_and_strings_are_delivered_when_they_end_and_numbers_with_what_follows():
    splitter = Elements().splitter(100)
    assert list(splitter.feed(b'[{"a":[1]}')) == [b'{"a":[1]}']
    assert list(splitter.feed(b',"a"')) == [b'"a"']
    assert list(splitter.feed(b",12")) == []
    assert list(splitter.feed(b"3 ")) == [b"123"]
    assert list(splitter.feed(b",null,")) == [b"null"]


def by_json(data):
    """Returns what the json module makes of an array, None if it makes nothing."""
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, list) else None


def by_elements(data, sizes):
    items, error, _ = outcome(Elements(), chunked(data, sizes))
    try:
        return None if error else [json.loads(item) for item in items]
    except ValueError:
        return None


@given(
    st.lists(st.sampled_from([*'[]{},:"\\ \n0-', "[1", ',"a"', '{"b":', "1}", "]", "true"])),
    st.integers(1, 9),
)
def test_elements_and_json_agree_on_what_is_an_array(parts, size):
    for text in ("".join(parts), f"[{''.join(parts)}]"):
        assert by_elements(text.encode(), size) == by_json(text)


# Encoding


@pytest.mark.parametrize(
    ("framing", "expected"),
    [
        (Lines(), b'{"a":1}\n2\n'),
        (RecordSeparated(), b'\x1e{"a":1}\n\x1e2\n'),
        (Elements(), b'{"a":1},2'),
        (Concatenated(), b'{"a":1}2'),
        (CBORSequence(), b'{"a":1}2'),
        (Records(), b'{"a":1}2'),
        (Frames(), b'\x82\x07{"a":1}\x82\x012'),
    ],
    ids=named,
)
def test_an_encoder_lays_items_end_to_end_and_each_stream_has_its_own(framing, expected):
    for _ in range(2):
        encode = framing.encoder(JSON())
        assert encode({"a": 1}) + encode(2) == expected


def test_items_become_their_type_in_every_framing():
    for framing in (Lines(), RecordSeparated(), Elements(), Frames()):
        with pytest.raises(EncodeError):
            framing.encoder(JSON(), int)("a")


def test_an_element_that_was_refused_has_not_been_the_first():
    encode = Elements().encoder(JSON())
    with pytest.raises(EncodeError):
        encode(object())
    assert encode(1) == b"1"
    with pytest.raises(EncodeError):
        encode(object())
    assert encode(2) + encode(3) == b",2,3"


# Frames


@pytest.mark.parametrize("row", FRAMES, ids=lambda row: next(iter(row.values())))
def test_frames_are_those_of_dioxus(row):
    payload = row.get("payload_utf8", "").encode() or b"x" * row.get("payload_length", 0)
    framed = bytes.fromhex(row.get("frame_hex") or row["header_hex"])
    if "header_hex" in row:
        framed += payload
    assert frame(payload) == framed
    assert split(Frames(), framed) == [payload]
    assert split(Frames(), framed * 2, 1000) == [payload] * 2


# Round trips through any chunks

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(VALUES), SIZES, st.sampled_from([None, 0, 2]))
def test_json_comes_back_through_any_chunks(items, sizes, indent):
    texts = [json.dumps(item, indent=indent, ensure_ascii=False).encode() for item in items]
    assert split(RecordSeparated(), b"".join(b"\x1e%b\n" % t for t in texts), sizes) == texts
    assert split(Elements(), b"[" + b",".join(texts) + b"]", sizes) == texts
    assert split(Elements(), json.dumps(items, indent=indent).encode(), sizes) == [
        json.dumps(item, indent=indent).encode().replace(b"\n", indentation(indent))
        for item in items
    ]
    if indent is None:
        assert split(Lines(), b"".join(text + b"\n" for text in texts), sizes) == texts


def indentation(indent):
    return b"\n" + b" " * (indent or 0)


@given(st.lists(VALUES), SIZES)
def test_messagepack_comes_back_through_any_chunks(items, sizes):
    data = b"".join(map(msgpack.packb, items))
    assert [msgpack.unpackb(item) for item in split(Concatenated(), data, sizes)] == items


@given(st.lists(VALUES | st.binary() | st.decimals(allow_nan=False)), SIZES, st.booleans())
def test_cbor_comes_back_through_any_chunks(items, sizes, indefinite):
    data = [cbor2.dumps(item, indefinite_containers=indefinite) for item in items]
    assert split(CBORSequence(), b"".join(data), sizes) == data


def cbor_items():
    """Builds items out of their parts, in every form that RFC 8949 has."""

    def head(major, number):
        shortest = cbor2.dumps(number)
        forms = [bytes([major << 5 | shortest[0]]) + shortest[1:]]
        forms += [
            bytes([major << 5 | info]) + number.to_bytes(size, "big")
            for info, size in ((24, 1), (25, 2), (26, 4), (27, 8))
            if number < 256**size
        ]
        return st.sampled_from(forms)

    def string(major):
        return st.binary(max_size=30).flatmap(
            lambda data: head(major, len(data)).map(lambda start: start + data)
        )

    def chunks(major):
        return st.lists(string(major), max_size=3).map(
            lambda parts: bytes([major << 5 | 31]) + b"".join(parts) + b"\xff"
        )

    def containers(inner):
        def of(major, parts, count):
            body = b"".join(parts)
            return head(major, count).map(lambda start: start + body) | st.just(
                bytes([major << 5 | 31]) + body + b"\xff"
            )

        arrays = st.lists(inner, max_size=4).flatmap(lambda parts: of(4, parts, len(parts)))
        maps = st.lists(st.tuples(inner, inner), max_size=3).flatmap(
            lambda pairs: of(5, [*itertools.chain(*pairs)], len(pairs))
        )
        tagged = st.tuples(st.integers(0, 2**64 - 1).flatmap(lambda n: head(6, n)), inner)
        return arrays | maps | tagged.map(b"".join)

    numbers = st.tuples(st.sampled_from([0, 1]), st.integers(0, 2**64 - 1))
    leaves = (
        numbers.flatmap(lambda pair: head(*pair))
        | string(2)
        | string(3)
        | chunks(2)
        | chunks(3)
        | st.sampled_from([b"\xf6", b"\xf8\x20", b"\xf9\x3c\x00", b"\xfb" + bytes(8), b"\xe0"])
    )
    return st.recursive(leaves, containers, max_leaves=8)


@given(st.lists(cbor_items(), max_size=4), SIZES)
def test_every_form_of_cbor_is_found_through_any_chunks(items, sizes):
    assert split(CBORSequence(), b"".join(items), sizes) == items


@given(
    st.binary(max_size=12)
    | st.lists(st.sampled_from(b"\x00\x61\x41\x5f\x7f\x81\x9f\xa1\xbf\xc6\xff")).map(bytes)
)
def test_what_cbor2_takes_for_an_item_is_found(data):
    stream = io.BytesIO(data)
    try:
        cbor2.CBORDecoder(stream, read_size=1).decode()
    except BaseException as error:  # Of its own too, for what is invalid though well-formed.
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
    else:
        assert outcome(CBORSequence(), [data])[0][0] == data[: stream.tell()]


@given(
    st.lists(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1)),
    SIZES,
    st.sampled_from(["\r\n", "\n"]),
)
def test_csv_comes_back_through_any_chunks(rows, sizes, line_end):
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    records = split(Records(), text.getvalue().encode(), sizes)
    assert [read_record(record) for record in records] == rows


def read_record(record):
    [row] = csv.reader(io.StringIO(record.decode(), newline=""))
    return row


@given(st.lists(st.lists(st.text('a"\n,\r '), min_size=1)), SIZES)
def test_csv_with_as_few_quotes_as_needed_comes_back_too(rows, sizes):
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    records = split(Records(), text.getvalue().encode(), sizes)
    assert [read_record(record) for record in records] == rows


@given(st.lists(st.binary(max_size=300)), SIZES)
def test_frames_come_back_through_any_chunks(payloads, sizes):
    assert split(Frames(), b"".join(map(frame, payloads)), sizes) == payloads


# Text and bytes without items


@given(st.text(), st.integers(1, 5))
def test_text_comes_back_in_whole_code_points(text, size):
    pieces = split(CodePoints(), text.encode(), size)
    assert "".join(piece.decode() for piece in pieces) == text


@pytest.mark.parametrize("size", [1, 2, 9])
def test_text_before_bytes_that_are_no_utf8_is_delivered(size):
    items, error, message = outcome(CodePoints(), chunked("aé".encode() + b"\xffb", size))
    assert b"".join(items).decode() == "aé"
    assert (error, message) == (DecodeError, "invalid UTF-8: invalid start byte")


def test_text_that_ends_inside_a_code_point_is_truncated():
    assert outcome(CodePoints(), ["é".encode()[:1]])[1] is TruncatedStream


def test_unframed_bytes_come_as_they_are():
    assert split(Unframed(), b"abc", 2) == [b"ab", b"c"]
    assert list(Unframed().splitter(1).feed(b"")) == []


# Hostile streams


@pytest.mark.parametrize(
    ("framing", "begin", "filling"),
    [
        (Lines(), b"", b"x"),
        (Records(), b"", b"x"),
        (Records(), b'"', b"x\r\n"),
        (RecordSeparated(), b"\x1e[", b"[]"),
        (RecordSeparated(), b'\x1e"', b"\\\\"),
        (RecordSeparated(), b"\x1e", b"1"),
        (Elements(), b'["', b"x"),
        (Elements(), b"[", b"["),
        (Elements(), b"[", b"1"),
        (Concatenated(), b"\xdd\xff\xff\xff\xff", b"\xc0"),
        (Concatenated(), b"\xc6\xff\xff\xff\xff", b"x"),
        (CBORSequence(), b"", b"\x9f"),
        (CBORSequence(), b"\x9f", b"\x01"),
        (CBORSequence(), b"", b"\x81"),
        (CBORSequence(), b"\x5f", b"\x41a"),
        (CBORSequence(), b"", b"\xc1"),
    ],
    ids=named,
)
@pytest.mark.parametrize("size", [1, 100, 10**6])
def test_no_more_is_held_of_an_item_than_is_allowed(framing, begin, filling, size):
    splitter, fed = framing.splitter(10_000), 0
    with pytest.raises(ItemTooLarge, match="10000 bytes"):
        for chunk in chunked(begin + filling * 20_000, size):
            fed += len(chunk)
            list(splitter.feed(chunk))
    assert fed <= 10_002 + size


@pytest.mark.parametrize(
    "head",
    [
        "5b ffffffffffffffff",
        "7b 7fffffffffffffff",
        "5a 00100001",
        "59 ffff",
        "9b ffffffffffffffff",
        "9a 00100001",
        "bb 8000000000000000",  # Twice as many items, which 64 bits cannot count.
        "ba 00008000",
        "82 5bffffffffffffffff",
        "9f 9bffffffffffffffff",
        "5f 5bffffffffffffffff",
        "d9d9f7 9bffffffffffffffff",
        "9a0000fff0 9a0000fff0",  # Each would fit, and both do not.
    ],
)
def test_a_forged_length_or_number_in_cbor_is_refused_at_once_and_nothing_is_allocated(head):
    splitter = CBORSequence().splitter(65_530)
    assert list(splitter.feed(b"\x00")) == [b"\x00"]
    tracemalloc.start()
    try:
        with pytest.raises(ItemTooLarge):
            list(splitter.feed(bytes.fromhex(head)))
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "head", ["82 7e 2711", "82 7f ffffffffffffffff", "82 7f 0000000000010000", "82 7e ffff"]
)
def test_a_forged_length_of_a_frame_is_refused_at_once(head):
    with pytest.raises(ItemTooLarge):
        list(Frames().splitter(10_000).feed(bytes.fromhex(head)))


def test_an_item_is_found_however_deep_it_is():
    for framing, item, head, tail in (
        (CBORSequence(), b"\x81" * 10_000 + b"\x01", b"", b""),
        (CBORSequence(), b"\x9f" * 10_000 + b"\xff" * 10_000, b"", b""),
        (CBORSequence(), b"\xbf\x00" * 10_000 + b"\x00" + b"\xff" * 10_000, b"", b""),
        (RecordSeparated(), b"[" * 10_000 + b"]" * 10_000, b"\x1e", b"\n"),
        (Elements(), b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b"[", b"]"),
    ):
        assert split(framing, head + item + tail) == [item]
        assert split(framing, head + item + tail, 7) == [item]


def test_messagepack_deeper_than_its_library_goes_is_refused():
    for size in (1, 100, 10**6):
        found = outcome(Concatenated(), chunked(b"\x01" + b"\x91" * 10_000, size), 20_000)
        assert found == ([b"\x01"], DecodeError, "invalid MessagePack: StackError")


def test_a_truncated_item_tells_how_much_of_it_came():
    for framing, data in (
        (CBORSequence(), b"\x01\x44ab"),
        (Concatenated(), b"\x01\xa4ab"),
        (Frames(), b"\x82\x00\x82\x04a"),
    ):
        assert "3 bytes into it" in outcome(framing, [data])[2]


# Work: it is counted, in calls or in bytes looked at, and never timed.


class Pattern:
    """A compiled pattern that counts the bytes it may have looked at."""

    seen = 0

    def __init__(self, pattern):
        self._pattern = pattern

    def match(self, *arguments):
        return self._counted(self._pattern.match(*arguments), *arguments)

    def search(self, *arguments):
        return self._counted(self._pattern.search(*arguments), *arguments)

    def _counted(self, match, data, position, stop=None):
        Pattern.seen += (match.end() if match else stop or len(data)) - position
        return match


@pytest.fixture
def seen(monkeypatch):
    """Returns a function to how many bytes the patterns of the JSON splitters looked at."""
    for module in (json_text, json_seq, json_array):
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                monkeypatch.setattr(module, name, Pattern(value))
    monkeypatch.setattr(Pattern, "seen", 0)
    return lambda: Pattern.seen


@pytest.mark.parametrize(
    ("framing", "head", "tail"),
    [(RecordSeparated(), b"\x1e", b"\n"), (Elements(), b"[", b"]"), (Elements(), b"[1,", b"]")],
    ids=named,
)
@pytest.mark.parametrize("size", [1, 1000, 10**6])
@pytest.mark.parametrize(
    "item",
    [
        b'"' + b"x" * 30_000 + b'"',
        b'"' + b'\\"' * 15_000 + b'"',
        b"[" + b'{"a":["]\\""]},' * 2000 + b"1]",
        b"[" * 15_000 + b"]" * 15_000,
        b"1" * 30_000,
        b"[" + b" " * 30_000 + b"]",
    ],
    ids=named,
)
def test_no_byte_of_json_is_looked_at_more_often_for_coming_in_small_pieces(
    framing, head, tail, size, item, seen
):
    assert split(framing, head + item + tail, size)[-1] == item
    assert seen() <= 4 * len(item) + 100


@pytest.mark.parametrize("size", [1, 5, 1000, 10**6])
def test_the_heads_of_cbor_are_read_once_and_strings_are_not_looked_at(size, monkeypatch):
    items = [b"x" * 200_000, [1000] * 1000, dict.fromkeys(range(500), "é" * 50)]
    data, heads = cbor2.dumps(items), 4 + 1000 + 1000
    looked_at = []

    class Sizes(tuple):
        __slots__ = ()

        def __getitem__(self, initial):
            looked_at.append(initial)
            return super().__getitem__(initial)

    pass_head = cbor._CBORSplitter._pass_head
    monkeypatch.setattr(cbor, "_SMALL_SIZES", Sizes(cbor._SMALL_SIZES))
    monkeypatch.setattr(
        cbor._CBORSplitter,
        "_pass_head",
        lambda *arguments: looked_at.append(None) or pass_head(*arguments),
    )
    assert split(CBORSequence(), data, size) == [data]
    # Twice is a head of several bytes looked at, and once more for each piece that it comes in.
    assert len(looked_at) <= 2 * heads * (4 if size == 1 else 2)


@pytest.mark.parametrize("size", [1, 1024])
def test_messagepack_is_not_started_again_with_each_chunk(size):
    class Counted:
        def __init__(self, unpacker):
            self.feed, self.tell, self._skip = unpacker.feed, unpacker.tell, unpacker.skip
            self.positions = []

        def skip(self):
            self.positions.append(self.tell())
            self._skip()

    for value in (b"x" * 100_000, [1] * 100_000, [[["a"]]] * 20_000):
        data = msgpack.packb(value)
        splitter, items = Concatenated().splitter(10**6), []
        splitter._unpacker = counted = Counted(splitter._unpacker)
        for chunk in chunked(data, size):
            items += splitter.feed(chunk)
        assert items == [data]
        assert len(counted.positions) <= len(data) // size + 2
        assert counted.positions == sorted(counted.positions)
        if value[0] != 120:  # Bytes are passed over in one step, items one by one.
            assert counted.positions[-1] >= len(data) - size - 5


@pytest.mark.parametrize("size", [1, 1024])
def test_a_frame_is_asked_for_its_end_once_for_each_chunk(size, monkeypatch):
    data, asked = frame(b"x" * 100_000) * 2, []
    splitter = Frames().splitter(10**6)
    end = splitter._end
    monkeypatch.setattr(splitter, "_end", lambda *arguments: asked.append(1) or end(*arguments))
    items = [item for chunk in chunked(data, size) for item in splitter.feed(chunk)]
    assert items == [b"x" * 100_000] * 2
    assert len(asked) <= len(data) // size + 4


@pytest.mark.parametrize("framing", [Lines(), Records()], ids=named)
@pytest.mark.parametrize("size", [1, 1024])
def test_what_is_held_of_a_line_is_not_cut_again(framing, size, monkeypatch):
    data, cut = b'"' + b"x" * 100_000 + b'"\r\n' + b"y" * 100_000, []
    splitter = framing.splitter(10**6)
    cut_chunk = splitter._cut
    monkeypatch.setattr(splitter, "_cut", lambda chunk: cut.append(len(chunk)) or cut_chunk(chunk))
    items = [item for chunk in chunked(data, size) for item in splitter.feed(chunk)]
    items += splitter.close()
    assert items == data.split(b"\r\n")
    assert sum(cut) == len(data)
