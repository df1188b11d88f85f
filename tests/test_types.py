"""Item types and values of every kind: what one format takes, and makes of it, others do too."""

import dataclasses
import datetime as dt
import enum
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, NamedTuple, NotRequired, TypedDict, TypeVar

import attrs
import cbor2
import markupsafe
import msgpack
import msgspec
import pydantic
import pytest
from django.core.exceptions import ImproperlyConfigured

from django_streams import (
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
    DecodeError,
    EncodeError,
)
from django_streams.encodings.base import first_twice
from django_streams.encodings.json import _refuse_depth

from .test_formats import read, written

TYPED = [JSONL, MSGPACK, CBOR_SEQ, DIOXUS_MSGPACK, CSV]


class Owner(msgspec.Struct):
    name: str


@dataclasses.dataclass
class Dog:
    name: str
    owner: Owner | None = None


class Lost(Exception):
    pass


class Stray:
    """An object whose owner cannot be asked for."""

    name = "Rex"

    @property
    def owner(self):
        raise Lost


@pytest.mark.parametrize("format", [*TYPED, DIOXUS_POSTCARD], ids=str)
def test_what_an_attribute_raises_is_not_taken_for_its_absence(format):
    class Flat(msgspec.Struct):
        name: str
        owner: str | None = None

    with pytest.raises(Lost):
        format.encode(Stray(), Flat)


def test_an_attribute_is_read_once():
    class Counted:
        reads = 0

        @property
        def name(self):
            self.reads += 1
            return "Rex"

    item = Counted()
    assert JSONL.encode(item, Owner) == b'{"name":"Rex"}\n'
    assert item.reads == 1


def test_objects_within_objects_become_the_types_of_their_fields():
    class Person:
        name = "Ada"

    class Held:
        name, owner = "Rex", Person()

    expected = b'{"name":"Rex","owner":{"name":"Ada"}}\n'
    assert JSONL.encode(Held(), Dog) == expected
    assert JSONL.encode({"name": "Rex", "owner": Person()}, Dog) == expected
    assert JSONL.encode([Held()], list[Dog]) == b"[" + expected[:-1] + b"]\n"
    assert JSONL.encode({"x": Held()}, dict[str, Dog]) == b'{"x":' + expected[:-1] + b"}\n"

    class Nameless:
        owner = None

    with pytest.raises(EncodeError, match="missing required field `name`"):
        JSONL.encode(Nameless(), Dog)


class Tag(TypedDict):
    zip: str
    city: str


def test_the_keys_of_a_typed_dict_keep_their_order():
    paris = {"zip": "1000A", "city": "Paris"}
    assert written(CSV, [paris], Tag) == b"zip,city\r\n1000A,Paris\r\n"
    assert read(DIOXUS_MSGPACK, b"\x82\x0d\x92\xa51000A\xa5Paris", Tag) == [paris]

    class Place:
        zip, city = "1000A", "Paris"

    for format in (JSONL, MSGPACK, CBOR_SEQ, CSV):
        assert read(format, written(format, [Place()], Tag), Tag) == [paris]


class Pair(NamedTuple):
    owner: Owner
    age: int


def test_a_named_tuple_may_hold_structs():
    pair = Pair(Owner("Ada"), 3)
    for format in (JSONL, MSGPACK, CBOR_SEQ, DIOXUS_JSON, DIOXUS_CBOR, DIOXUS_MSGPACK):
        assert read(format, format.encode(pair), Pair) == [pair], format


# Ints, and other values at the edge of what an encoding has.


@pytest.mark.parametrize("number", [2**64, -(2**64) - 1, 2**70, -(2**200), 10**4290])
@pytest.mark.parametrize("format", [JSONL, JSON_SEQ, CBOR_SEQ, DIOXUS_CBOR], ids=str)
def test_ints_beyond_64_bits_come_back(format, number):
    assert read(format, format.encode({"n": number})) == [{"n": number}]


@pytest.mark.parametrize("format", [JSONL, MSGPACK, CBOR_SEQ, CSV, DIOXUS_MSGPACK], ids=str)
def test_an_int_that_no_reader_takes_is_refused(format):
    for item in (10**5000, [10**5000], {"n": 10**5000}):
        with pytest.raises(EncodeError):
            format.encode(item)


def test_the_largest_int_that_cbor_writes_is_one_that_it_reads():
    largest = 2 ** (8 * 1785) - 1
    for number in (largest, -largest - 1):
        assert read(CBOR_SEQ, CBOR_SEQ.encode([{"n": number}])) == [[{"n": number}]]
        with pytest.raises(EncodeError, match="more than the 1785 bytes"):
            CBOR_SEQ.encode([{"n": number * 2}])
    for item in ({b"k": b"\xc2\x59"}, {"flag": False, "n": -2.81474976710656e16}):
        assert read(CBOR_SEQ, CBOR_SEQ.encode(item)) == [item]  # Their bytes look like a long int.


def test_a_huge_int_in_cbor_is_refused_by_its_size():
    with pytest.raises(DecodeError, match="an int of 65536 bytes; 1785 are allowed"):
        read(CBOR_SEQ, b"\xc2\x5a\x00\x01\x00\x00" + b"\xff" * 65536)


def test_values_of_one_encoding_alone_do_not_hide_in_the_search_for_floats():
    ext = msgspec.msgpack.Ext(5, b"\xcb\x7f\xf0abc")
    assert read(MSGPACK, MSGPACK.encode(ext)) == [ext]
    raw = {"a": msgspec.Raw(b'{"x":null}'), "b": 2**70}
    assert JSONL.encode(raw) == b'{"a":{"x":null},"b":%d}\n' % 2**70
    with pytest.raises(EncodeError, match="nan at"):
        MSGPACK.encode([ext, float("nan")])
    with pytest.raises(EncodeError, match="inf at"):
        CBOR_SEQ.encode({float("inf"): 1})


@pytest.mark.parametrize(
    "data",
    [
        msgpack.packb({float("nan"): 2}),
        msgpack.packb([msgpack.ExtType(5, b"\xcb\x7f\xf0"), float("inf")]),
    ],
)
def test_floats_that_are_not_finite_are_found_in_keys_and_beside_extensions(data):
    with pytest.raises(DecodeError, match="not allowed"):
        read(MSGPACK, data)


def test_markup_of_another_library_is_text():
    markup = markupsafe.Markup("<b>")
    assert JSONL.encode({"html": markup}) == b'{"html":"<b>"}\n'
    assert MSGPACK.encode(markup) == b"\xa3<b>"
    assert CBOR_SEQ.encode(markup) == b"\x63<b>"
    assert CSV.encode([markup]) == b"<b>\r\n"
    assert EVENT_STREAM.encode(markup) == b"data: <b>\n\n"


class Rude:
    def __repr__(self):
        raise KeyError


def endless():
    items: list = []
    items.append(items)
    return items


@pytest.mark.parametrize("format", [JSONL, MSGPACK, CBOR_SEQ, CSV, DIOXUS_MSGPACK], ids=str)
@pytest.mark.parametrize(
    "item", [Rude(), [Rude()], {"a": endless()}, [endless()]], ids=["a", "b", "c", "d"]
)
def test_an_error_does_not_fail_over_the_value_that_it_names(format, item):
    for item_type in (None, Dog, list[int]):
        with pytest.raises(EncodeError):
            format.encode(item, item_type)


# What is received, and types that look at less or at more of it.


class Sparse(msgspec.Struct):
    a: int
    b: int = 0


@pytest.mark.parametrize(
    ("format", "data", "type"),
    [
        (JSONL, b'{"a":1,"x":"\xff"}\n', Sparse),
        (JSONL, b'{"a":1,"b":2,"x":{"c":1,"c":2}}\n', Sparse),
        (MSGPACK, b"\x81\xa1k\x82\xa1a\x01\xa1a\x02", dict[str, msgspec.Raw]),
        (MSGPACK, b"\x81\xa1k\xa1\xff", dict[str, msgspec.Raw]),
        (MSGPACK, b"\xcb\x7f\xf0" + bytes(6), msgspec.Raw),
        (CBOR_SEQ, cbor2.dumps({"x": cbor2.undefined}), dict[str, Any]),
        (CBOR_SEQ, cbor2.dumps([cbor2.undefined, b"\xfb\x7f\xf0"]), Any),
        (CBOR_SEQ, cbor2.dumps({"x": cbor2.CBORSimpleValue(9)}), dict[str, Any]),
    ],
)
def test_what_a_type_passes_over_is_looked_at_all_the_same(format, data, type):
    with pytest.raises(DecodeError):
        read(format, data, type)


def test_a_huge_number_that_a_type_passes_over_is_no_damage():
    assert read(JSONL, b'{"a":1,"x":' + b"9" * 5000 + b"}\n", Sparse) == [Sparse(1)]


@dataclasses.dataclass
class File:
    path: Any
    n: int = 0

    def __post_init__(self):
        self.path = Path(self.path)


@pytest.mark.parametrize("format", [JSONL, MSGPACK, CBOR_SEQ, CSV], ids=str)
def test_a_type_may_make_something_of_a_field_that_no_format_carries(format):
    data = written(format, [{"path": "info/nan", "n": 1}])
    assert read(format, data, File) == [File("info/nan", 1)]


@pytest.mark.parametrize("format", [JSONL, MSGPACK, CBOR_SEQ, CSV, EVENT_STREAM], ids=str)
@pytest.mark.parametrize("wrong", ["Dog", 5, Sparse | Owner])
def test_what_is_no_type_is_named_before_the_first_item(format, wrong):
    with pytest.raises(ImproperlyConfigured, match=str(format)):
        format.encoder(wrong)
    if format is not EVENT_STREAM:
        with pytest.raises(ImproperlyConfigured, match=str(format)):
            format.decoder(wrong)


def test_chunks_may_be_views_of_a_buffer_and_empty():
    for format in (JSONL, JSON_SEQ, JSON_ARRAY, MSGPACK, CBOR_SEQ, CSV, DIOXUS_JSON, EVENT_STREAM):
        data, decoder = written(format, [{"a": "b"}]), format.decoder()
        items = [item for chunk in (b"", data, b"") for item in decoder.feed(memoryview(chunk))]
        assert len([*items, *decoder.close()]) == 1, format


# Linear work.


def test_an_endless_string_is_looked_at_once_for_its_depth():
    data = b"[" * 65 + b'"' + rb"\"" * 100_000
    _refuse_depth(data, 66)  # Quadratic, it would take minutes.
    with pytest.raises(DecodeError, match="nested"):
        _refuse_depth(data, 64)


def test_the_first_of_equal_names_is_found_in_one_pass():
    class Counted(str):
        compared = 0
        __slots__ = ()

        def __eq__(self, other):
            Counted.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    names = [Counted(n) for n in range(10_000)]
    assert first_twice([*names, Counted(9_999)]) == "9999"
    assert Counted.compared < 100
    assert first_twice(names) is None


# CSV of all kinds of records.


class Omitting(msgspec.Struct, omit_defaults=True):
    name: str
    age: int = 3


class Partial(msgspec.Struct):
    name: str
    age: int | msgspec.UnsetType = msgspec.UNSET


class Arrayed(msgspec.Struct, array_like=True):
    name: str
    age: int = 3


class Tagged(msgspec.Struct, tag="dog"):
    name: str
    age: int = 3


@dataclasses.dataclass
class Derived:
    name: str
    age: int = dataclasses.field(init=False, default=3)


@attrs.define
class Attributed:
    name: str
    age: int = 3


class Modelled(pydantic.BaseModel):
    name: str
    age: int = 3


@pytest.mark.parametrize("kind", [Omitting, Arrayed, Tagged, Derived, Attributed, Modelled])
def test_a_record_of_any_kind_is_a_row_of_all_its_fields(kind):
    assert written(CSV, [kind(name="Rex")]) == b"name,age\r\nRex,3\r\n"
    if kind is not Modelled:
        assert written(CSV, [kind(name="Rex")], kind) == b"name,age\r\nRex,3\r\n"


def test_a_field_that_is_not_set_is_an_empty_cell():
    assert written(CSV, [Partial("Rex")]) == b"name,age\r\nRex,\r\n"


def test_without_a_header_the_first_row_still_says_the_order():
    bare = replace(CSV, has_header=False)
    rows = [{"first": "Ada", "last": "L"}, {"last": "H", "first": "Bob"}]
    assert written(bare, rows) == b"Ada,L\r\nBob,H\r\n"
    with pytest.raises(EncodeError, match="has no 'first'"):
        written(bare, [rows[0], {"x": 1, "y": 2}])
    assert written(CSV, [{1: "a"}, {1: "b"}]) == b"1\r\na\r\nb\r\n"


class Named(NamedTuple):
    name: str
    age: int | None


@pytest.mark.parametrize(
    ("item", "item_type"),
    [
        (["Rex", "old"], Omitting),
        (("Rex", "old"), Named),
        ({"name": "Rex", "age": "old"}, Named),
        ({"a": "bad"}, dict[str, int]),
        (["x"], list[int]),
    ],
)
def test_rows_of_every_kind_are_checked_by_the_item_type(item, item_type):
    with pytest.raises(EncodeError, match="expected `int"):
        CSV.encode(item, item_type)


def test_rows_by_place_become_the_item_type():
    assert written(CSV, [["Rex", 3], ("Ada", 5)], Omitting) == b"name,age\r\nRex,3\r\nAda,5\r\n"
    turned = replace(CSV, columns=("age", "name"))
    assert written(turned, [[3, "Rex"]], Omitting) == b"age,name\r\n3,Rex\r\n"
    with pytest.raises(EncodeError, match="has 1 cells, and the others have 2"):
        CSV.encode(["Rex"], Omitting)
    assert CSV.encode({"age": None, "name": "Rex"}, Named) == b"Rex,\r\n"


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        (Named, Named("Rex", None)),
        (tuple[str, int | None], ("Rex", None)),
        (dict[str, str | None], {"name": "Rex", "age": None}),
        (list[str | None], ["Rex", None]),
        (Annotated[Named, "note"], Named("Rex", None)),
    ],
)
def test_an_empty_cell_is_none_wherever_that_may_be(type, expected):
    assert read(CSV, b"name,age\r\nRex,\r\n", type) == [expected]


def test_a_type_may_be_annotated_or_optional():
    class Aged(msgspec.Struct):
        name: str
        age: Annotated[int | None, msgspec.Meta(description="years")] = 7

    class Maybe(TypedDict):
        name: str
        age: NotRequired[int | None]

    data = b"name,age\r\nRex,\r\n"
    assert read(CSV, data, Annotated[Aged, "note"]) == [Aged("Rex", None)]
    assert read(CSV, data, Aged | None) == [Aged("Rex", None)]
    assert read(CSV, data, Maybe) == [{"name": "Rex", "age": None}]


def test_formulas_are_text_and_numbers_are_none():
    careful = replace(CSV, escapes_formulas=True)

    class Sign(enum.Enum):
        MINUS = "-x"

    row = [Decimal("-5.00"), -5, -5.5, "-5", Sign.MINUS, dt.date(2026, 1, 2)]
    assert careful.encode(row) == b"-5.00,-5,-5.5,'-5,'-x,2026-01-02\r\n"


def test_a_byte_order_mark_is_no_part_of_the_first_cell():
    bare = replace(CSV, has_header=False, bom=True)
    assert read(bare, written(bare, [["Rex", 1]])) == [["Rex", "1"]]


# Postcard.

T = TypeVar("T")


@dataclasses.dataclass
class Box(Generic[T]):
    inside: T


@dataclasses.dataclass
class IntBox(Box[int]):
    pass


def test_postcard_fills_the_type_variables_of_a_base():
    assert DIOXUS_POSTCARD.encode(IntBox(3), IntBox) == b"\x82\x01\x06"
    assert read(DIOXUS_POSTCARD, b"\x82\x01\x06", IntBox) == [IntBox(3)]


def test_json_of_every_format_is_the_same():
    item = {"at": dt.datetime(2026, 1, 2), "d": Decimal("1.10")}
    expected = json.loads(JSONL.encode(item))
    assert read(CBOR_SEQ, CBOR_SEQ.encode(item)) == [expected]
