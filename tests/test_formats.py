"""`formats`: the table, the choice by Accept, errors in a format, and reading a stream back."""

import csv
import datetime as dt
import enum
import io
import json
import random
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import cbor2
import msgpack
import msgspec
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from django_streams import (
    BYTES,
    CBOR_SEQ,
    CSV,
    DIOXUS_CBOR,
    DIOXUS_JSON,
    DIOXUS_MSGPACK,
    DIOXUS_POSTCARD,
    EVENT_STREAM,
    JSON_ARRAY,
    JSON_SEQ,
    JSONL,
    MSGPACK,
    TEXT,
    DecodeError,
    EncodeError,
    Event,
    ItemTooLarge,
    NotAcceptable,
    TruncatedStream,
    decode,
)
from django_streams.formats import FORMATS, choose_format, find_by_name, find_format

VECTORS = Path(__file__).parent / "vectors"
STRUCTURED = [format for format in FORMATS if format not in (TEXT, BYTES, EVENT_STREAM)]


def written(format, items, item_type=None):
    """A whole stream, as a response sends it."""
    encode = format.encoder(item_type)
    return format.opening(item_type) + b"".join(map(encode, items)) + format.tail


def read(format, data, type=Any, size=None, **limits):
    """What a decoder makes of a stream that comes in chunks of a size."""
    decoder, items = format.decoder(type, **limits), []
    size = size or max(len(data), 1)
    for start in range(0, len(data), size):
        items += decoder.feed(data[start : start + size])
    return [*items, *decoder.close()]


class Colour(str, enum.Enum):  # noqa: UP042 - As older projects have them.
    RED = "red"


class Dog(msgspec.Struct):
    name: str
    age: int


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/jsonl"),
        ("", "application/jsonl"),
        ("*/*", "application/jsonl"),
        ("application/*", "application/jsonl"),
        ("text/event-stream", "text/event-stream"),
        ("TEXT/Event-Stream", "text/event-stream"),
        ("text/*", "text/event-stream"),
        ("application/vnd.msgpack, application/jsonl", "application/jsonl"),
        ("application/vnd.msgpack, application/jsonl;q=0.9", "application/vnd.msgpack"),
        ("application/vnd.msgpack;q=0.1, */*;q=0.2", "application/jsonl"),
        ("application/jsonl;q=0, */*", "application/vnd.msgpack"),
        ("application/jsonl;q=0.1, */*;q=0.5", "application/vnd.msgpack"),
        ("application/jsonl;q=0, application/x-ndjson, */*;q=0.1", "application/x-ndjson"),
        ("application/x-msgpack;q=0.3, application/msgpack;q=0.4", "application/msgpack"),
        ("application/x-msgpack, application/msgpack", "application/msgpack"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/x-msgpack, text/html", "application/x-msgpack"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/jsonl"),
        ("text/event-stream; charset=utf-8", "text/event-stream"),
        ("application/jsonl;q=nonsense", "application/jsonl"),
    ],
)
def test_the_accept_header_chooses(accept, chosen):
    assert choose_format(accept, (JSONL, MSGPACK, EVENT_STREAM)).content_type == chosen


def test_a_charset_is_no_reason_to_refuse_text():
    for accept in ("text/plain", "text/plain; charset=UTF-8", "text/plain;charset=iso-8859-1"):
        assert choose_format(accept, [TEXT]) is TEXT


@pytest.mark.parametrize("accept", ["image/png", "application/jsonl;q=0", "nonsense", ";;,,"])
def test_what_admits_no_format_is_not_acceptable_and_the_error_lists_them(accept):
    with pytest.raises(NotAcceptable) as caught:
        choose_format(accept, [JSONL, MSGPACK])
    assert caught.value.status == 406
    assert accept in str(caught.value)
    assert "application/jsonl, application/vnd.msgpack" in str(caught.value)


def test_no_format_to_choose_from_is_a_mistake_of_the_project():
    with pytest.raises(ImproperlyConfigured, match=r"formats is \(\)"):
        choose_format(None, ())


def test_an_event_stream_takes_events_text_and_values():
    encode = EVENT_STREAM.encoder()
    assert encode(Event("x", id="1")) == b"id: 1\ndata: x\n\n"
    assert encode(Colour.RED) == b"data: red\n\n"
    assert encode("a\nb") == b"data: a\ndata: b\n\n"
    assert encode({"a": 1}) == b'data: {"a":1}\n\n'
    assert encode(Dog("Rex", 3)) == b'data: {"name":"Rex","age":3}\n\n'
    assert encode(None) == b"data: null\n\n"


def test_a_format_is_found_by_its_name_or_the_error_lists_the_names():
    assert find_by_name("csv", [JSONL, CSV]) is CSV
    with pytest.raises(NotAcceptable, match=r"'xml' is none of those there are: jsonl, csv"):
        find_by_name("xml", [JSONL, CSV])


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_an_error_is_told_in_the_format_or_not_at_all(format):
    told = format.encode_error({"error": "x"})
    if not format.tells_errors:
        assert told == b""
    elif format is EVENT_STREAM:
        assert told == b'event: error\ndata: {"error":"x"}\n\n'
    else:
        assert list(format.decoder().feed(told)) == [{"error": "x"}]


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_every_format_is_found_by_each_of_its_names(format):
    for name in format.media_types:
        assert find_format(name.upper() + "; x=y") is format
    assert find_format("image/png") is None


@pytest.mark.parametrize("format", STRUCTURED, ids=str)
async def test_a_stream_is_decoded_to_a_type_from_any_chunks(format):
    dogs = [Dog('Rex, "the" dog\n', 3), Dog("Ada", 5)]
    data = written(format, dogs, Dog)
    for size in (1, 7, len(data)):
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        assert [dog async for dog in decode(aiterate(chunks), format, Dog)] == dogs


async def test_a_damaged_item_is_named_after_those_before_it_were_delivered():
    data = JSONL.encode({"name": "Rex", "age": 3}) * 2 + b'{"name": "Ada", "age": "x"}\n'
    dogs = []
    with pytest.raises(DecodeError, match=r"item 2: \$\.age: expected `int`, got `str`$"):
        async for dog in decode(aiterate([data]), JSONL, Dog):
            dogs.append(dog)
    assert len(dogs) == 2


async def test_a_truncated_stream_says_so():
    with pytest.raises(TruncatedStream, match="item 1: "):
        [item async for item in decode(aiterate([MSGPACK.encode("ok"), b"\xa5ab"]), MSGPACK)]


async def test_text_and_bytes_are_decoded_too():
    assert [item async for item in decode(aiterate([b"\xc3", b"\xa9"]), TEXT)] == ["é"]
    assert [item async for item in decode(aiterate([b"\xc3", b"\xa9"]), BYTES)] == [
        b"\xc3",
        b"\xa9",
    ]


def test_json_lines_are_lines_of_json():
    data = b"".join(map(JSONL.encode, [{"text": "a\nb\u2028"}, [1]]))
    assert [json.loads(line) for line in data.split(b"\n")[:-1]] == [{"text": "a\nb\u2028"}, [1]]


async def aiterate(chunks):
    for chunk in chunks:
        yield chunk


# What goes in comes out, whatever the chunks.

finite = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | finite | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner)
)
SCHEMALESS = [
    JSONL,
    JSON_SEQ,
    JSON_ARRAY,
    MSGPACK,
    CBOR_SEQ,
    DIOXUS_JSON,
    DIOXUS_CBOR,
    DIOXUS_MSGPACK,
]


@pytest.mark.parametrize("format", SCHEMALESS, ids=str)
@given(items=st.lists(values, max_size=5), seed=st.integers())
def test_values_come_back_through_any_chunks(format, items, seed):
    data, chance = written(format, items), random.Random(seed)
    decoder, received, start = format.decoder(), [], 0
    while start < len(data):
        end = start + chance.randint(1, 9)
        received += decoder.feed(data[start:end])
        start = end
    assert [*received, *decoder.close()] == items


class Cells(msgspec.Struct):
    name: str
    age: int
    weight: float
    is_good: bool
    owner: int | None


cells = st.builds(Cells, st.text(), st.integers(), finite, st.booleans(), st.none() | st.integers())


@given(st.lists(cells, max_size=5), st.integers(1, 20))
def test_rows_come_back_through_any_chunks(rows, size):
    # msgspec reads lone surrogates nowhere, and csv's reader takes no NUL before Python 3.11.4.
    data = written(CSV, rows, Cells)
    assert read(CSV, data, Cells, size) == rows


@pytest.mark.parametrize("format", STRUCTURED, ids=str)
def test_a_stream_split_at_any_position_gives_the_same_items(format):
    dogs = [Dog('Rex, "the" dög\n', 3), Dog("", -70000)]
    data = written(format, dogs, Dog)
    for cut in range(len(data) + 1):
        decoder = format.decoder(Dog)
        items = [*decoder.feed(data[:cut]), *decoder.feed(data[cut:]), *decoder.close()]
        assert items == dogs, cut


def test_an_empty_stream_has_no_items():
    for format in STRUCTURED:
        assert read(format, written(format, [], Dog), Dog) == []
    assert written(JSON_ARRAY, []) == b"[]"


# Against independent implementations.

MIXED = [1, -1, 2**63, 1.5, "é\u2028", None, True, [1, [2]], {"a": {"b": []}}, b"\x00", {}]
JSON_VALUES = [item for item in MIXED if not isinstance(item, bytes)]


def test_msgpacks_own_decoder_reads_ours_and_we_read_its():
    assert list(msgpack.Unpacker(io.BytesIO(written(MSGPACK, MIXED)))) == MIXED
    assert read(MSGPACK, b"".join(map(msgpack.packb, MIXED)), size=3) == MIXED
    singles = b"".join(msgpack.packb(item, use_single_float=True) for item in MIXED)
    assert read(MSGPACK, singles) == MIXED


def test_cbor2s_own_decoder_reads_ours_and_we_read_its():
    file = io.BytesIO(written(CBOR_SEQ, MIXED))
    assert [cbor2.CBORDecoder(file).decode() for _ in MIXED] == MIXED
    assert read(CBOR_SEQ, b"".join(map(cbor2.dumps, MIXED)), size=3) == MIXED
    indefinite = b"".join(cbor2.dumps(item, indefinite_containers=True) for item in MIXED)
    assert read(CBOR_SEQ, indefinite, size=1) == MIXED


def test_the_standard_library_reads_our_json():
    assert json.loads(written(JSON_ARRAY, JSON_VALUES)) == JSON_VALUES
    assert read(JSON_ARRAY, json.dumps(JSON_VALUES, indent=2).encode(), size=5) == JSON_VALUES
    texts = written(JSON_SEQ, JSON_VALUES).split(b"\x1e")
    assert [json.loads(text) for text in texts[1:]] == JSON_VALUES


def test_the_standard_library_reads_our_csv():
    rows = [{"name": 'Rex, "the\r\ndog', "age": "3"}, {"name": "", "age": "é"}]
    text = written(CSV, rows).decode()
    assert list(csv.DictReader(io.StringIO(text, newline=""))) == rows
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, ["name", "age"])
    writer.writeheader()
    writer.writerows(rows)
    assert read(CSV, file.getvalue().encode(), size=1) == rows


# The rules on what is cut off.


@pytest.mark.parametrize("text", [b"12", b"true", b"null", b"-0.5"])
def test_rfc_7464_2_4_a_number_or_name_that_no_white_space_follows_is_dropped(text):
    whole = b'\x1e{"a":1}\n'
    for data in (whole + b"\x1e" + text, whole + b"\x1e" + text + whole):
        decoder, items = JSON_SEQ.decoder(), []
        with pytest.raises(TruncatedStream, match="item 1: "):
            for item in decoder.feed(data):
                items.append(item)
            for item in decoder.close():
                items.append(item)
        assert items == [{"a": 1}]
    assert read(JSON_SEQ, b"\x1e" + text + b"\n") == [json.loads(text)]


def test_rfc_7464_2_1_a_reader_may_go_on_behind_a_damaged_text():
    decoder, items = JSON_SEQ.decoder(), []
    with pytest.raises(DecodeError):
        for item in decoder.feed(b'\x1e{"a":1}\n\x1e{"a":\x1e{"a":3}\n'):
            items.append(item)
    assert [*items, *decoder.feed(b""), *decoder.close()] == [{"a": 1}, {"a": 3}]


def test_rfc_8742_a_sequence_that_ends_inside_an_item_is_truncated_after_the_others():
    data = cbor2.dumps({"a": 1}) + cbor2.dumps([1, 2, 3])[:-1]
    decoder = CBOR_SEQ.decoder()
    assert list(decoder.feed(data)) == [{"a": 1}]
    with pytest.raises(TruncatedStream, match="item 1: "):
        list(decoder.close())


# Hostile input: each a DecodeError, and the items before it were delivered.

DEEP = 10_000
HOSTILE = {
    "deep JSON": (JSONL, b"[" * DEEP + b"]" * DEEP + b"\n"),
    "unclosed JSON": (JSONL, b'{"a":' * DEEP + b"\n"),
    "deep element": (JSON_ARRAY, b"[" * DEEP),
    "deep MessagePack": (MSGPACK, b"\x91" * DEEP + b"\xc0"),
    "deep map": (MSGPACK, b"\x81\xa1a" * DEEP + b"\xc0"),
    "deep CBOR": (CBOR_SEQ, b"\x81" * DEEP + b"\xf6"),
    "deep indefinite CBOR": (CBOR_SEQ, b"\x9f" * DEEP),
    "deep tags": (CBOR_SEQ, b"\xc1" * DEEP + b"\x00"),
    "65 levels": (JSONL, b"[" * 65 + b"]" * 65 + b"\n"),
    "huge int in JSON": (JSONL, b"9" * 5000 + b"\n"),
    "huge float in JSON": (JSONL, b"1e999\n"),
    "huge int in CBOR": (CBOR_SEQ, b"\xc2\x5a\x00\x01\x00\x00" + b"\xff" * 65536),
    "equal names": (JSONL, b'{"a":1,"a":2}\n'),
    "equal names, spelt apart": (JSONL, b'{"a":1,"\\u0061":2}\n'),
    "equal names below": (JSONL, b'[{"a":"x:y","a" :2}]\n'),
    "equal names in an array": (JSON_ARRAY, b'[{"a":1,"a":2}]'),
    "equal keys in MessagePack": (MSGPACK, b"\x82\xa1a\x01\xa1a\x02"),
    "equal keys in CBOR": (CBOR_SEQ, b"\xa2\x61a\x01\x61a\x02"),
    "invalid UTF-8 in JSON": (JSONL, b'"\xff"\n'),
    "invalid UTF-8 in MessagePack": (MSGPACK, b"\xa1\xff"),
    "invalid UTF-8 in CBOR": (CBOR_SEQ, b"\x61\xff"),
    "invalid UTF-8 in CSV": (CSV, b"\xff\r\n"),
    "invalid UTF-8 in text": (TEXT, b"\xff"),
    "NaN in JSON": (JSONL, b"NaN\n"),
    "Infinity in JSON": (JSONL, b"[-Infinity]\n"),
    "NaN in MessagePack": (MSGPACK, msgpack.packb([float("nan")])),
    "small NaN in MessagePack": (MSGPACK, msgpack.packb(float("-inf"), use_single_float=True)),
    "NaN in CBOR": (CBOR_SEQ, cbor2.dumps({"a": float("nan")})),
    "small Infinity in CBOR": (CBOR_SEQ, b"\xfa\x7f\x80\x00\x00"),
    "big Infinity in CBOR": (CBOR_SEQ, b"\xfb\xff\xf0" + b"\x00" * 6),
    "undefined in CBOR": (CBOR_SEQ, b"\xf7"),
    "simple value in CBOR": (CBOR_SEQ, b"\x81\xe3"),
    "forged string in MessagePack": (MSGPACK, b"\xdb\xff\xff\xff\xff"),
    "forged array in MessagePack": (MSGPACK, b"\xdd\xff\xff\xff\xff"),
    "forged string in CBOR": (CBOR_SEQ, b"\x5b" + b"\xff" * 8),
    "forged array in CBOR": (CBOR_SEQ, b"\x9b" + b"\xff" * 8),
    "forged frame": (DIOXUS_JSON, b"\x82\x7f" + b"\xff" * 8),
    "masked frame": (DIOXUS_JSON, b"\x82\x81\x00\x00\x00\x001"),
    "two values in a frame": (DIOXUS_JSON, b"\x82\x031 2"),
    "two values in a CBOR frame": (DIOXUS_CBOR, b"\x82\x02\x01\x02"),
    "two values in a MessagePack frame": (DIOXUS_MSGPACK, b"\x82\x02\x01\x02"),
    "half a value in a CBOR frame": (DIOXUS_CBOR, b"\x82\x01\x61"),
    "a quote that never ends": (CSV, b'a\r\n"b'),
    "a quote in the middle": (CSV, b'a\r\n"b"c"\r\n'),
    "too many cells": (CSV, b"a\r\nb,c\r\n"),
    "equal columns": (CSV, b"a,a\r\n"),
    "ends inside JSON": (JSONL, b'{"a":'),
    "ends inside an array": (JSON_ARRAY, b"[1,"),
    "ends inside MessagePack": (MSGPACK, b"\xa5ab"),
    "ends inside CBOR": (CBOR_SEQ, b"\x45ab"),
    "ends inside a frame": (DIOXUS_JSON, b"\x82\x05ab"),
    "ends inside a code point": (TEXT, b"\xc3"),
    **{
        f"tag {tag}": (CBOR_SEQ, cbor2.dumps(cbor2.CBORTag(tag, "x")))
        for tag in (4, 5, 25, 28, 29, 30, 35, 36, 37, 256, 258, 260, 261, 100, 1004, 99, 2**40)
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_refused_whole_and_byte_by_byte(name):
    format, data = HOSTILE[name]
    for size in (None, 1):
        with pytest.raises(DecodeError):
            read(format, data, size=size)


@pytest.mark.parametrize("name", [name for name in HOSTILE if "UTF" in name or "tag" in name])
def test_the_items_before_the_damage_are_delivered(name):
    format, data = HOSTILE[name]
    before = written(format, [{"a": "b"}] if format is not TEXT else ["b"])
    decoder, items = format.decoder(), []
    with pytest.raises(DecodeError):
        for item in decoder.feed(before + data):
            items.append(item)
        items += decoder.close()
    assert items == ([{"a": "b"}] if format is not TEXT else ["b"])


OVERSIZED = {
    JSONL: json.dumps("x" * 2000).encode(),
    JSON_SEQ: b"\x1e" + json.dumps("x" * 2000).encode(),
    JSON_ARRAY: json.dumps(["x" * 2000]).encode(),
    MSGPACK: msgpack.packb("x" * 2000),
    CBOR_SEQ: cbor2.dumps("x" * 2000),
    CSV: b"a\r\n" + b"x" * 2000,
    DIOXUS_JSON: b"\x82\x7e\x07\xd0" + b"1" * 2000,
}


@pytest.mark.parametrize("format", OVERSIZED, ids=str)
def test_an_item_over_max_item_is_refused_before_it_has_come_whole(format):
    data = OVERSIZED[format]
    for size in (len(data), 100, 1):
        decoder = format.decoder(max_item=1000)
        with pytest.raises(ItemTooLarge):
            for start in range(0, 1200, size):
                list(decoder.feed(data[start : start + size]))
    assert len(read(format, data, max_item=4000)) == 1 or format is JSONL


def test_depth_is_a_limit_of_its_own():
    nested = json.loads("[" * 70 + "1" + "]" * 70)
    for format in SCHEMALESS:
        data = written(format, [nested])
        assert read(format, data, max_depth=70) == [nested]
        with pytest.raises(DecodeError, match="item 0: "):
            read(format, data, max_depth=69)
    brackets = "[{" * 500
    assert read(JSONL, written(JSONL, [{"a": brackets}])) == [{"a": brackets}]


NAMED = [
    ({"a": 1, "b": {"a": 1}}, b'{"a":1,"b":{"a":1}}'),
    ([{"a": 1}, {"a": 2}], b'[{"a":1},{"a":2}]'),
    ({"at": "12:00:00", "x": '": '}, rb'{"at" : "12:00:00", "x": "\": "}'),
    ({"a": 1, "A": 2, "": 3}, b'{"a":1,"A":2,"":3}'),
]


@pytest.mark.parametrize(("value", "text"), NAMED)
def test_names_that_differ_or_stand_in_different_objects_are_no_damage(value, text):
    assert read(JSONL, text + b"\n") == [value]
    assert read(MSGPACK, msgpack.packb(value)) == [value]
    assert read(CBOR_SEQ, cbor2.dumps(value)) == [value]


@given(st.text(alphabet='{}[]":,ab\\ 1', max_size=30))
def test_equal_names_are_found_exactly_where_the_standard_library_finds_them(text):
    def unique(pairs):
        assert len(dict(pairs)) == len(pairs), "twice"
        return dict(pairs)

    line = f'{{"a":{json.dumps(text)},"b" :1,{text}'.encode()
    try:
        expected = json.loads(line, object_pairs_hook=unique)
    except (ValueError, AssertionError):
        expected = None
    try:
        received = read(JSONL, line)
    except DecodeError:
        received = [None]
    assert received == [expected]


# Types.


def test_an_item_type_makes_one_of_mappings_and_of_objects():
    class Stray:
        name, age, secret = "Rex", 3, "x"

    expected = b'{"name":"Rex","age":3}\n'
    for item in (Dog("Rex", 3), Stray(), {"name": "Rex", "age": 3, "secret": "x"}):
        assert JSONL.encode(item, Dog) == expected
        assert read(CBOR_SEQ, CBOR_SEQ.encode(item, Dog), Dog) == [Dog("Rex", 3)]
        assert read(MSGPACK, MSGPACK.encode(item, Dog), Dog) == [Dog("Rex", 3)]
        assert CSV.encode(item, Dog) == b"Rex,3\r\n"
        assert EVENT_STREAM.encode(item, Dog) == b"data: " + expected + b"\n"
    assert EVENT_STREAM.encode(Event("x"), Dog) == b"data: x\n\n"


@pytest.mark.parametrize("format", [JSONL, MSGPACK, CBOR_SEQ, CSV, DIOXUS_MSGPACK], ids=str)
def test_an_item_that_does_not_fit_its_type_is_refused_with_the_place(format):
    with pytest.raises(EncodeError, match=r"is no Dog: \$\.age: expected `int`, got `str`"):
        format.encode({"name": "Rex", "age": "old"}, Dog)


def test_lazy_text_fits_a_type_too():
    item = {"name": gettext_lazy("Monday"), "age": 3}
    assert JSONL.encode(item, Dog) == b'{"name":"Monday","age":3}\n'


def test_a_type_that_nothing_can_be_decoded_to_is_a_mistake_of_the_project():
    with pytest.raises(ImproperlyConfigured, match="application/jsonl: "):
        JSONL.decoder(int | Dog | list[int] | set[int])


# CSV.


class Pair(NamedTuple):
    name: str
    age: int


def test_the_header_comes_from_columns_the_type_or_the_first_row():
    rex = {"name": "Rex", "age": 3}
    assert written(CSV, [rex]) == b"name,age\r\nRex,3\r\n"
    assert written(replace(CSV, columns=("age",)), [rex]) == b"age\r\n3\r\n"
    assert written(CSV, [], Dog) == b"name,age\r\n"
    assert written(CSV, [], None) == b""
    assert written(CSV, [Pair("Rex", 3)]) == b"name,age\r\nRex,3\r\n"
    assert written(CSV, [["Rex", 3], ("Ada", 5)]) == b"Rex,3\r\nAda,5\r\n"
    with_columns = replace(CSV, columns=("name", "age"))
    assert written(with_columns, [["Rex", 3]]) == b"name,age\r\nRex,3\r\n"
    assert written(replace(CSV, has_header=False), [rex]) == b"Rex,3\r\n"


def test_cells_are_written_as_json_has_them_and_none_is_empty():
    row = [None, True, 1.5, 10**30, dt.date(2026, 1, 2), Decimal("1.10"), Colour.RED]
    assert CSV.encode(row) == b",true,1.5," + b"1" + b"0" * 30 + b",2026-01-02,1.10,red\r\n"
    assert CSV.encode([""]) == b'""\r\n'
    assert CSV.encode(['a"b', "c,d", "e\r\nf"]) == b'"a""b","c,d","e\r\nf"\r\n'


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([[1]], r"a cell cannot carry \[1\], which is a list"),
        ([float("nan")], "nan"),
        ([b"x"], "a cell cannot carry b'x'"),
        ("text", "a row is a mapping.*'text' is a str"),
        (["\ud800"], "cannot be encoded as CSV"),
    ],
)
def test_what_is_no_row_or_no_cell_is_refused(row, message):
    with pytest.raises(EncodeError, match=message):
        CSV.encode(row)


def test_rows_that_do_not_fit_the_columns_are_refused():
    encode = CSV.encoder()
    encode({"a": 1})
    with pytest.raises(EncodeError, match="has no 'a'"):
        encode({"b": 1})
    with pytest.raises(EncodeError, match=r"more than the first row's columns, which are a\."):
        encode({"a": 1, "b": 2})
    with pytest.raises(EncodeError, match="has 2 cells, and the others have 1"):
        encode([1, 2])


def test_a_byte_order_mark_and_the_escaping_of_formulas_are_asked_for():
    careful = replace(CSV, bom=True, escapes_formulas=True, columns=("a", "b"))
    rows = [["=1+1", -3], ["@x", "-x"], ["+", "a=b"], ["\tx", ""]]
    data = written(careful, rows)
    assert data == b"\xef\xbb\xbfa,b\r\n'=1+1,-3\r\n'@x,'-x\r\n'+,a=b\r\n'\tx,\r\n"
    assert written(CSV, rows) == b"=1+1,-3\r\n@x,-x\r\n+,a=b\r\n\tx,\r\n"
    assert read(careful, data)[0] == {"a": "'=1+1", "b": "-3"}


def test_rows_are_read_as_dicts_types_and_sequences():
    data = b"age,name\r\n3,Rex\r\n"
    assert read(CSV, data) == [{"age": "3", "name": "Rex"}]
    assert read(CSV, data, Dog) == [Dog("Rex", 3)]
    assert read(CSV, data, Pair) == [Pair("Rex", 3)]
    assert read(CSV, data, tuple[int, str]) == [(3, "Rex")]
    assert read(CSV, data, dict[str, str]) == [{"age": "3", "name": "Rex"}]
    bare = replace(CSV, has_header=False)
    assert read(bare, b"Rex,3\r\n", Dog) == [Dog("Rex", 3)]
    assert read(bare, b"Rex,3\r\n") == [["Rex", "3"]]


def test_a_cell_that_is_no_number_is_named():
    with pytest.raises(DecodeError, match=r"item 1: \$\.age: expected `int`, got `str`"):
        read(CSV, b"name,age\r\nRex,3\r\nAda,old\r\n", Dog)
    with pytest.raises(DecodeError, match=r"item 0: \$\.weight: nan is not allowed"):
        read(CSV, b"name,age,weight,is_good,owner\r\nRex,3,nan,1,\r\n", Cells)


# Dioxus.


def test_each_dioxus_item_is_one_frame():
    for format in (DIOXUS_JSON, DIOXUS_CBOR, DIOXUS_MSGPACK, DIOXUS_POSTCARD):
        frame = format.encode(Dog("Dog 0", 0), Dog)
        assert frame[0] == 0x82
        assert frame[1] == len(frame) - 2
        assert not format.joins_items


def test_structs_are_arrays_in_dioxus_messagepack_and_either_is_read():
    class Record(msgspec.Struct):
        f1: int
        f2: int

    vectors = json.loads((VECTORS / "dioxus_frames.json").read_text())
    for row in vectors["msgpack_struct_as_array"]:
        payload = bytes.fromhex(row["hex"])
        record = msgspec.convert(row["struct"], Record)
        assert DIOXUS_MSGPACK.encode(record)[2:] == payload
        assert DIOXUS_MSGPACK.encode(row["struct"], Record)[2:] == payload
        frame = b"\x82" + bytes([len(payload)]) + payload
        assert read(DIOXUS_MSGPACK, frame, Record) == [record]
    assert read(DIOXUS_MSGPACK, DIOXUS_MSGPACK.encode(row["struct"]), Record) == [record]


class Kennel(msgspec.Struct):
    dogs: list[Dog]
    best: Dog | None = None
    by_name: dict[str, Dog] = {}


def test_structs_within_structs_are_arrays_too():
    kennel = Kennel([Dog("Rex", 3)], Dog("Ada", 5), {"x": Dog("Rex", 3)})
    data = DIOXUS_MSGPACK.encode(kennel)
    assert msgpack.unpackb(data[2:]) == [[["Rex", 3]], ["Ada", 5], {"x": ["Rex", 3]}]
    assert read(DIOXUS_MSGPACK, data, Kennel) == [kennel]
    with pytest.raises(DecodeError, match="a Dog has 2 fields; an array of 3 came"):
        read(DIOXUS_MSGPACK, b"\x82\x05\x93\xa1x\x01\x02", Dog)


def test_postcard_needs_a_type():
    with pytest.raises(ImproperlyConfigured, match=r"application/stream\+postcard: .*item_type"):
        DIOXUS_POSTCARD.encoder()
    with pytest.raises(ImproperlyConfigured, match=r"application/stream\+postcard: "):
        DIOXUS_POSTCARD.decoder()


def test_a_format_whose_library_is_missing_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cbor2", None)
    for use in (CBOR_SEQ.encoder, CBOR_SEQ.decoder):
        with pytest.raises(ImproperlyConfigured, match=r"django-stream-views\[cbor\]"):
            use()
