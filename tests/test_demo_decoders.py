"""The demo's decoders in a real browser: they read what the package writes, however it is cut."""

import base64
import csv
import io
import json
import math
from datetime import UTC, datetime
from pathlib import Path

import cbor2
import msgpack
import msgspec
import pytest

from django_streams import formats

from .browser import chromium, new_page
from .demo import running_demo

pytestmark = [pytest.mark.browser, pytest.mark.server]

VECTORS = Path(__file__).parent / "vectors"
EVENTS = json.loads((VECTORS / "sse.json").read_text())["parse"]

DECODED = """async ([name, type, base64, size]) => {
    const { DECODERS } = await import("/static/demo/formats/formats.js");
    const postcard = await import("/static/demo/formats/postcard.js");
    const plain = (key, value) => {
        if (typeof value === "bigint") return { bigint: `${value}` };
        if (value instanceof Uint8Array) return { bytes: [...value] };
        if (value === undefined) return { undefined: true };
        return value;
    };
    const read = new Function(...Object.keys(postcard), `return ${type}`);
    const decoder = DECODERS[name](read(...Object.values(postcard)));
    const items = [];
    const all = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    try {
        for (let at = 0; at < all.length; at += size) {
            items.push(...decoder.decode(all.slice(at, at + size)));
        }
        items.push(...decoder.end());
    } catch (error) {
        items.push(error.message);
    }
    return JSON.stringify(items, plain);
}"""

VALUES = [
    *(None, False, True, 0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1),
    *(-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**53) + 1),
    *(0.0, -0.5, math.pi, 1e300, 5e-324),
    *("", "a", "é日本🐕", 'a"b\\c\n[{', "x" * 31, "x" * 32, "x" * 255, "x" * 256, "x" * 65536),
    *([], [1, [2, [3]]], [0] * 15, [0] * 16, [0] * 70000),
    *({}, {"a": {"b": None}}, {f"{n}": n for n in range(20)}, {f"{n}": n for n in range(66000)}),
    {"__proto__": 1, "constructor": 2},
]
SMALL = [value for value in VALUES if len(json.dumps(value)) < 100]


@pytest.fixture(scope="module")
def decoded(request):
    """Returns the items that a decoder makes of bytes that come `size` at a time.

    `type` is what Postcard needs to know. What JSON has not is {"bigint": ...}, {"bytes": ...} or
    {"undefined": true}. The last item is the message of the error, if there is one.
    """
    with (
        chromium() as browser,
        running_demo(request) as demo,
        new_page(browser, str(demo.base_url)) as page,
    ):
        page.goto("/")

        def decode(name, data, size=2**30, type=None):
            arguments = [name, type, base64.b64encode(data).decode(), size]
            return json.loads(page.evaluate(DECODED, arguments))

        yield decode


def written(format, items):
    """Returns a whole stream of the package's."""
    encode = format.encoder()
    return b"".join((format.opening(), *map(encode, items), format.tail))


@pytest.mark.parametrize(
    "format",
    [
        formats.JSONL,
        formats.JSON_SEQ,
        formats.JSON_ARRAY,
        formats.MSGPACK,
        formats.CBOR_SEQ,
        formats.DIOXUS_JSON,
        formats.DIOXUS_CBOR,
        formats.DIOXUS_MSGPACK,
    ],
    ids=lambda format: format.name,
)
def test_values_are_decoded_as_the_package_writes_them_however_they_are_cut(decoded, format):
    assert decoded(format.name, written(format, VALUES)) == VALUES
    assert decoded(format.name, written(format, VALUES), 40_009) == VALUES
    for size in (1, 3):
        assert decoded(format.name, written(format, SMALL), size) == SMALL
    assert decoded(format.name, written(format, [])) == []


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_text_is_decoded_by_lines(decoded, size):
    data = "é日本🐕\n\nlast".encode()
    assert decoded("text", data, size) == ["é日本🐕", "last"]


def test_bytes_are_rows_of_sixteen(decoded):
    data = bytes(range(40))
    rows = [data[:16], data[16:32], data[32:]]
    for size in (1, 7, 100):
        assert decoded("bytes", data, size) == [{"bytes": list(row)} for row in rows]
    assert decoded("bytes", b"") == []


# JSON.


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_json_lines_are_decoded_with_blank_lines_and_any_line_end(decoded, size):
    values = [None, 1.5, "é日本🐕\n", {"a": [1, 2]}, "\u2028"]
    text = "\n\r\n".join(json.dumps(value, ensure_ascii=False) for value in values)
    for data in (text.encode(), f"{text}\n".encode()):
        assert decoded("jsonl", data, size) == values


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_json_array_is_decoded_with_white_space(decoded, size):
    data = b' [ 1 , "a,]\\"" ,\n{ "b" : [ ] }, true ] \n'
    assert decoded("json", data, size) == [1, 'a,]"', {"b": []}, True]
    assert decoded("json", b" [ ] ", size) == []


def test_an_element_of_an_array_does_not_wait_for_the_next(decoded):
    *elements, message = decoded("json", b'[{"a":1},"b",3')
    assert (elements, message) == ([{"a": 1}, "b"], "The stream ends within its array.")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("jsonl", b'{"a": ', "JSON"),
        ("json-seq", b"1\n", "A JSON text has no record separator in front."),
        ("json-seq", b'\x1e{"a": ', "JSON"),
        ("json", b"", "The stream ends within its array."),
        ("json", b"[1]x", "The stream ends within its array."),
        ("json", b"[1,", "The stream ends within its array."),
        ("json", b"[", "The stream ends within its array."),
        ("json", b"1", "something else"),
        ("json", b'[{"a":1}{"b":2}]', "something else"),
        ("json", b"[1,]", "JSON"),
        ("jsonl", b"\xff\n", "not valid"),
        ("jsonl", b"1" * (2**20 + 1), "An item has more than 1048576 bytes."),
    ],
)
def test_wrong_json_is_an_error(decoded, name, data, message):
    assert message in decoded(name, data)[-1]


# MessagePack and CBOR.


def test_messagepack_that_json_has_not(decoded):
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    early = datetime(1900, 1, 2, 3, 4, 5, tzinfo=UTC)
    values = [2**53, -(2**63), 2**64 - 1, b"", b"\0\xff", b"x" * 300, msgpack.ExtType(5, b"ab")]
    data = b"".join(msgpack.packb(value) for value in values)
    data += b"".join(msgpack.packb(value, datetime=True) for value in (moment, early))
    data += msgpack.packb(0.5, use_single_float=True)
    for size in (1, 1000):
        assert decoded("msgpack", data, size) == [
            {"bigint": str(2**53)},
            {"bigint": str(-(2**63))},
            {"bigint": str(2**64 - 1)},
            {"bytes": []},
            {"bytes": [0, 255]},
            {"bytes": [120] * 300},
            {"type": 5, "data": {"bytes": [97, 98]}},
            "2026-01-02T03:04:05.678Z",
            "1900-01-02T03:04:05.000Z",
            0.5,
        ]


CBOR_ROWS = [
    # RFC 8949, appendix A.
    ("1bffffffffffffffff", {"bigint": str(2**64 - 1)}),
    ("3bffffffffffffffff", {"bigint": str(-(2**64))}),
    ("3903e7", -1000),
    ("f90000", 0),
    ("f93c00", 1),
    ("f93e00", 1.5),
    ("f97bff", 65504),
    ("f90001", 5.960464477539063e-8),
    ("f90400", 0.00006103515625),
    ("f9c400", -4),
    ("fa47c35000", 100000),
    ("fb3ff199999999999a", 1.1),
    ("f7", {"undefined": True}),
    ("4401020304", {"bytes": [1, 2, 3, 4]}),
    ("5f42010243030405ff", {"bytes": [1, 2, 3, 4, 5]}),
    ("7f657374726561646d696e67ff", "streaming"),
    ("9fff", []),
    ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
    ("83018202039f0405ff", [1, [2, 3], [4, 5]]),
    ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
    ("bf6346756ef563416d7421ff", {"Fun": True, "Amt": -2}),
    ("a201020304", {"1": 2, "3": 4}),
]


@pytest.mark.parametrize("size", [1, 1000])
def test_cbor_of_the_standard_is_decoded(decoded, size):
    data = bytes.fromhex("".join(digits for digits, _ in CBOR_ROWS))
    assert decoded("cbor-seq", data, size) == [value for _, value in CBOR_ROWS]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("msgpack", b"\x01\x92\x02", "The stream ends within an item."),
        ("msgpack", b"\x01\xc1", "0xc1 begins no MessagePack value."),
        ("msgpack", b"\x91" * 100, "Nested over 64 deep."),
        ("msgpack", b"\xdd\xff\xff\xff\xff", "The stream ends within an item."),
        ("msgpack", b"\xc6\xff\xff\xff\xff" + b"x" * 2**20, "An item has more than 1048576 bytes."),
        ("cbor-seq", b"\x01\x82\x02", "The stream ends within an item."),
        ("cbor-seq", b"\x5b" + b"\xff" * 8, "The stream ends within an item."),
        ("cbor-seq", b"\xff", "A CBOR break ends nothing."),
        ("cbor-seq", b"\x82\x01\xff", "A CBOR break ends nothing."),
        ("cbor-seq", cbor2.dumps(datetime(2026, 1, 1, tzinfo=UTC)), "A CBOR tag"),
        ("cbor-seq", b"\x81" * 100, "Nested over 64 deep."),
        ("cbor-seq", b"\x9f" * 100, "Nested over 64 deep."),
        ("cbor-seq", b"\x5f" * 100, "Nested over 64 deep."),
        ("cbor-seq", b"\x1c", "additional information 28"),
        ("cbor-seq", b"\xe0", "no meaning: 0"),
        ("cbor-seq", b"\xbf\x01\xff", "A CBOR map ends with a key."),
        ("cbor-seq", b"\x7f\x41a\xff", "A CBOR text of no texts."),
        ("cbor-seq", b"\x5f\x61a\xff", "A CBOR string of no bytes."),
    ],
)
def test_wrong_binary_is_an_error(decoded, name, data, message):
    assert message in decoded(name, data)[-1]


# The frames of Dioxus, and Postcard in them.


class Sample(msgspec.Struct):
    number: int
    text: str
    ratio: float
    is_set: bool
    maybe: float | None


SAMPLE = "struct({number: i64, text: string, ratio: f64, is_set: bool, maybe: option(f64)})"


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_postcard_is_decoded_as_the_package_writes_it(decoded, size):
    samples = [
        Sample(number, text, 0.1, number > 0, maybe)
        for number in (0, 1, -1, 63, 64, -64, -65, 2**53 - 1, -(2**53) + 1)
        for text, maybe in (("", None), ("é日本🐕" * 20, -1.5))
    ]
    encode = formats.DIOXUS_POSTCARD.encoder(Sample)
    data = b"".join(map(encode, samples))
    expected = [msgspec.to_builtins(sample) for sample in samples]
    assert decoded("dioxus-postcard", data, size, SAMPLE) == expected


def test_the_longest_integers_of_postcard(decoded):
    most = b"\x82\x0a" + b"\xff" * 9 + b"\x01"
    assert decoded("dioxus-postcard", most, type="u64") == [{"bigint": str(2**64 - 1)}]
    assert decoded("dioxus-postcard", most, type="i64") == [{"bigint": str(-(2**63))}]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("dioxus-json", b"\x81\x011", "0x81 begins no frame."),
        ("dioxus-json", b"\x82\x811", "A frame is masked."),
        ("dioxus-json", b"\x82\x021", "The stream ends within an item."),
        ("dioxus-json", b"\x82\x7f" + b"\xff" * 8, "The stream ends within an item."),
        ("dioxus-msgpack", b"\x82\x01\x92", "The stream ends within an item."),
        ("dioxus-msgpack", b"\x82\x02\x01\x02", "There are 2 items, and not one."),
        ("dioxus-msgpack", b"\x82\x00", "There are 0 items, and not one."),
        ("dioxus-postcard", b"\x82\x0b" + b"\xff" * 11, "more than 10 bytes"),
    ],
)
def test_wrong_frames_are_an_error(decoded, name, data, message):
    assert message in decoded(name, data, type="u64")[-1]


# CSV.


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_csv_is_decoded_as_python_writes_it(decoded, size):
    rows = [["name", "say"], ["a", ""], ['"', 'x, "y"\r\nz\n'], ["é日本🐕", "''"], ["", " b "]]
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    expected = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    for text in (file.getvalue(), file.getvalue().removesuffix("\r\n")):
        assert decoded("csv", text.encode(), size) == expected


def test_csv_is_decoded_as_the_package_writes_it(decoded):
    items = [{"a": 'x"y,\n', "b": 1.5}, {"a": "é", "b": None}]
    data = written(formats.CSV, items)
    assert decoded("csv", data) == [{"a": 'x"y,\n', "b": "1.5"}, {"a": "é", "b": ""}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'a,b\r\n1,"2', "The stream ends within an item."),
        (b"a,b\r\n1\r\n", "A row of CSV has 1 cells for 2 columns."),
        (b'a\r\nx"y"\r\n', "This is no row of CSV"),
        (b'a\r\n"x"y\r\n', "This is no row of CSV"),
    ],
)
def test_wrong_csv_is_an_error(decoded, data, message):
    assert message in decoded("csv", data)[-1]


# Server-Sent Events.


@pytest.mark.parametrize("row", EVENTS, ids=lambda row: repr(row["wire"])[:40])
def test_events_of_the_vectors_are_dispatched_as_they_say(decoded, row):
    expected = [
        {"type": event["type"], "data": event["data"], "lastEventId": event["id"]}
        for event in row["dispatched"]
    ]
    for size in (1, 3, 1000):
        assert decoded("event-stream", row["wire"].encode(), size) == expected


def test_events_are_decoded_as_the_package_writes_them(decoded):
    data = written(formats.EVENT_STREAM, ["text\nof two", {"a": "é"}]) + b": beat\n\n"
    assert [event["data"] for event in decoded("event-stream", data)] == [
        "text\nof two",
        '{"a":"é"}',
    ]
