"""`formats`: the table, the choice by Accept, errors in a format, and reading a stream back."""

import enum
import json

import msgspec
import pytest
from django.core.exceptions import ImproperlyConfigured

from django_streams import (
    BYTES,
    EVENT_STREAM,
    JSONL,
    MSGPACK,
    TEXT,
    DecodeError,
    Event,
    NotAcceptable,
    TruncatedStream,
    decode,
)
from django_streams.formats import FORMATS, choose_format, find_format


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
        ("application/jsonl;q=0, */*", "application/x-ndjson"),
        ("application/jsonl;q=0, application/x-ndjson;q=0, */*", "application/vnd.msgpack"),
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


@pytest.mark.parametrize("format", [JSONL, MSGPACK], ids=str)
async def test_a_stream_is_decoded_to_a_type_from_any_chunks(format):
    dogs = [Dog("Rex", 3), Dog("Ada", 5)]
    data = b"".join(map(format.encode, dogs))
    for size in (1, 7, len(data)):
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        assert [dog async for dog in decode(aiterate(chunks), format, Dog)] == dogs


async def test_a_damaged_item_is_named_after_those_before_it_were_delivered():
    data = JSONL.encode({"name": "Rex", "age": 3}) * 2 + b'{"name": "Ada", "age": "x"}\n'
    dogs = []
    with pytest.raises(DecodeError, match=r"item 2: Expected `int`, got `str` - at `\$.age`"):
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
