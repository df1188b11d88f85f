"""`encodings`: what values become, and what is refused by name."""

import dataclasses
import datetime as dt
import enum
import json
import uuid
from decimal import Decimal
from typing import NamedTuple, TypedDict

import attrs
import msgpack
import msgspec
import pydantic
import pytest
from django.utils.functional import SimpleLazyObject, lazystr
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from django_streams import DecodeError, EncodeError
from django_streams.encodings import JSON, Bytes, MessagePack, Text, plain
from tests.kennel.models import Dog

to_json, to_msgpack = JSON().encoder(), MessagePack().encoder()


class Colour(enum.Enum):
    BROWN = "brown"


class AStruct(msgspec.Struct):
    name: str
    age: int = 3


@dataclasses.dataclass
class ADataclass:
    name: str
    age: int = 3


@attrs.define
class AnAttrs:
    name: str
    age: int = 3


class ATypedDict(TypedDict):
    name: str
    age: int


class ANamedTuple(NamedTuple):
    name: str
    age: int


class AModel(pydantic.BaseModel):
    name: str
    born: dt.date


REX = {"name": "Rex", "age": 3}
VALUES = [
    (None, None),
    (True, True),
    ("héllo\n\u2028", "héllo\n\u2028"),
    (2**53 + 1, 2**53 + 1),
    (1.5, 1.5),
    ([1, (2, 3)], [1, [2, 3]]),
    (lazystr("lazy"), "lazy"),
    (gettext_lazy("Monday"), "Monday"),
    (mark_safe("<b>"), "<b>"),
    (lazystr(mark_safe("<i>")), "<i>"),
    ({"deep": [lazystr("lazy"), {"safe": mark_safe("<b>")}]}, {"deep": ["lazy", {"safe": "<b>"}]}),
    ({lazystr("key"): 1, mark_safe("safe"): 2}, {"key": 1, "safe": 2}),
    (dt.datetime(2026, 1, 2, 3, 4, 5, 678901), "2026-01-02T03:04:05.678901"),
    (dt.date(2026, 1, 2), "2026-01-02"),
    (dt.time(3, 4, 5), "03:04:05"),
    (dt.timedelta(days=1, seconds=2), "P1DT2S"),
    (Decimal("1.10"), "1.10"),
    (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (Colour.BROWN, "brown"),
    (AStruct("Rex"), REX),
    (ADataclass("Rex"), REX),
    (AnAttrs("Rex"), REX),
    (ATypedDict(name="Rex", age=3), REX),
    (ANamedTuple("Rex", 3), ["Rex", 3]),
    (AModel(name="Rex", born=dt.date(2020, 1, 1)), {"name": "Rex", "born": "2020-01-01"}),
    ([AModel(name="Rex", born=dt.date(2020, 1, 1))], [{"name": "Rex", "born": "2020-01-01"}]),
]


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=lambda value: repr(value)[:40])
def test_json_of_a_value_is_what_the_standard_library_reads(value, expected):
    assert json.loads(to_json(value)) == expected


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=lambda value: repr(value)[:40])
def test_messagepack_of_a_value_is_what_the_reference_implementation_reads(value, expected):
    assert msgpack.unpackb(to_msgpack(value), timestamp=3) == expected


def test_an_aware_datetime_keeps_its_offset_in_json_and_its_instant_in_messagepack():
    aware = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert to_json(aware) == b'"2026-01-02T03:04:05+02:00"'
    assert msgpack.unpackb(to_msgpack(aware), timestamp=3) == aware


@pytest.mark.parametrize("encode", [to_json, to_msgpack], ids=["json", "messagepack"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda n: n, r"\$ "),
        (lambda n: {"a": [None, n]}, r"\$\.a\[1\]"),
        (lambda n: ADataclass("x", n), r"\$\.age"),
        (lambda n: [AStruct("x", n)], r"\$\[0\]\.age"),
        (lambda n: {"big": 2**63, "x": n}, r"\$\.x"),
    ],
)
def test_a_number_that_is_not_finite_is_refused_with_its_place(encode, number, wrap, path):
    with pytest.raises(EncodeError, match=path):
        encode(wrap(number))


def test_a_number_that_is_not_finite_is_found_beside_an_int_that_only_json_has():
    assert json.loads(to_json({"a": None, "big": 2**70})) == {"a": None, "big": 2**70}
    with pytest.raises(EncodeError, match=r"\$\.x"):
        to_json({"x": float("nan"), "big": 2**70})


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.text()
        | st.binary()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    )
)
def test_messagepack_brings_back_what_goes_in(value):
    assert msgpack.unpackb(to_msgpack(value)) == value
    assert MessagePack().decoder()(msgpack.packb(value)) == value


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    )
)
def test_json_brings_back_what_goes_in(value):
    assert b"\n" not in to_json(value)
    assert json.loads(to_json(value)) == JSON().decoder()(to_json(value)) == value


def test_a_model_instance_is_refused_and_the_error_names_to_item():
    with pytest.raises(EncodeError, match=r"kennel\.Dog, pk=7.*to_item\(\)"):
        to_json({"dog": Dog(pk=7, name="Rex")})
    with pytest.raises(EncodeError, match=r"kennel\.Dog, pk=7.*to_item\(\)"):
        to_msgpack(SimpleLazyObject(lambda: Dog(pk=7)))


@pytest.mark.parametrize("encode", [to_json, to_msgpack])
def test_an_unknown_object_is_refused_by_its_value_and_type(encode):
    refused = r"^range\(0, 7\), of type builtins\.range, cannot be encoded.*to_item\(\)"
    with pytest.raises(EncodeError, match=refused):
        encode({"dogs": [range(7)]})


@pytest.mark.parametrize("key", [True, None, (1, 2), ANamedTuple("Rex", 3), frozenset()])
def test_a_key_that_json_does_not_have_is_refused_as_a_key(key):
    with pytest.raises(EncodeError, match=r" is a key of a mapping, and an? \w+ cannot be one"):
        to_json({"dogs": {key: 1}})


def test_a_query_set_is_refused_and_not_evaluated():  # Or it would ask for the database here.
    for encode in (to_json, to_msgpack):
        with pytest.raises(EncodeError, match=r"^a query set \(kennel\.Dog\) is no item"):
            encode({"dogs": Dog.objects.all()})


def test_an_object_whose_repr_fails_is_refused_by_its_type():
    class Broken:
        def __repr__(self):
            raise ValueError

    with pytest.raises(EncodeError, match=r"^a Broken without a repr, of type .*\.Broken, "):
        to_json([Broken()])


def test_a_users_type_can_be_made_known():
    class Money:
        pass

    plain.register(Money, lambda money: "1 EUR")
    assert to_json({"price": Money()}) == b'{"price":"1 EUR"}'


@pytest.mark.parametrize("value", ["\ud800", {"a": "\ud800"}, {(1, 2): 3}])
def test_what_json_cannot_carry_is_refused(value):
    with pytest.raises(EncodeError):
        to_json(value)


def test_a_value_that_contains_itself_is_refused():
    loop: list = []
    loop.append(loop)
    for encode in (to_json, to_msgpack):
        with pytest.raises(EncodeError, match="recursion"):
            encode(loop)


def test_what_is_framed_stands_between_prefix_and_suffix():
    assert JSON().encoder(prefix=b"100%: ", suffix=b"\n%")(1) == b"100%: 1\n%"
    assert Text().encoder(prefix=b"<", suffix=b">")("é") == "<é>".encode()


@pytest.mark.parametrize("value", [b"a\0", bytearray(b"a\0"), memoryview(b"a\0")])
def test_bytes_are_sent_as_they_are(value):
    encoded = Bytes().encoder()(value)
    assert (encoded, type(encoded)) == (b"a\0", bytes)


@pytest.mark.parametrize(
    ("encode", "value", "message"),
    [
        (Bytes().encoder(), "text", "a stream of bytes cannot carry 'text', which is a str"),
        (Text().encoder(), 5, "a stream of text cannot carry 5, which is an int"),
        (Text().encoder(), b"x", "a stream of text cannot carry b'x', which is a bytes"),
        (Text().encoder(), "\ud800", "surrogates not allowed"),
    ],
)
def test_what_a_stream_of_text_or_bytes_cannot_carry_is_refused(encode, value, message):
    with pytest.raises(EncodeError, match=message):
        encode(value)


def test_lazy_and_safe_strings_are_text():
    encode = Text().encoder()
    assert encode(lazystr("hé")) == "hé".encode()
    assert encode(mark_safe("<b>")) == b"<b>"


def test_decoding_to_a_type_says_where_it_fails():
    assert JSON().decoder(AStruct)(b'{"name": "Rex"}') == AStruct("Rex")
    with pytest.raises(DecodeError, match=r"^\$\.age: expected `int`, got `str`"):
        JSON().decoder(AStruct)(b'{"name": "Rex", "age": "x"}')
