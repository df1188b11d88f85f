"""`postcard`: the bytes are those of the specification, and hostile input is refused."""

import dataclasses
import datetime as dt
import enum
import json
import re
import sys
import tracemalloc
import typing
import uuid
from collections import UserDict
from collections import namedtuple as untyped_namedtuple
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Required,
    TypedDict,
)

import attrs
import msgspec
import pydantic
import pytest
import typing_extensions
from django.utils.functional import SimpleLazyObject, lazystr
from django.utils.safestring import mark_safe
from hypothesis import given
from hypothesis import strategies as st

from django_streams import DecodeError, EncodeError, postcard
from django_streams.postcard import (
    F32,
    F64,
    I8,
    I16,
    I128,
    U8,
    U16,
    U64,
    U128,
    Char,
    Postcard,
)

VECTORS = json.loads((Path(__file__).parent / "vectors" / "postcard.json").read_text())


def encode(type, value):
    return Postcard().encoder(type)(value)


def decode(type, data, **options):
    return Postcard().decoder(type, **options)(data)


# The types of the vectors, which are Rust's.

SCALARS = {
    **{name.lower(): Annotated[int, getattr(postcard, name)] for name in ("U8", "U16", "U32")},
    **{name.lower(): Annotated[int, getattr(postcard, name)] for name in ("U64", "I8", "I16")},
    "f32": Annotated[float, F32],
    "f64": Annotated[float, F64],
    "char": Annotated[str, Char],
    "string": str,
    "bytes": bytes,
    "bool": bool,
    "unit": None,
}


def hint_of(rust):
    """Returns the Python type for a type of the vectors, in which brackets do not nest."""
    if rust in SCALARS:
        return SCALARS[rust]
    name, inner = re.fullmatch(r"(\w+)[<({](.*)[>)}]", rust).groups()
    parts = inner.split(",")
    if name == "enum":
        return enum.Enum("Vector", parts)
    if name == "struct":
        fields = [part.split(":") for part in parts]
        return msgspec.defstruct("Vector", [(field, hint_of(kind)) for field, kind in fields])
    hints = tuple(map(hint_of, parts))
    if name == "option":
        return hints[0] | None
    return {"seq": list, "tuple": tuple, "map": dict}[name][hints]


def value_of(row, hint):
    if "value_hex" in row:
        return bytes.fromhex(row["value_hex"])
    value = row["value"]
    if isinstance(value, str) and value.startswith("0x"):
        return int(value, 16)
    if row["type"].startswith("struct"):
        return hint(*(int(v, 16) if str(v).startswith("0x") else v for v in value))
    if row["type"].startswith("enum"):
        return hint[value]
    if row["type"].startswith("map"):
        return dict(value)
    return tuple(value) if row["type"].startswith("tuple") else value


def named(row):
    return f"{row['type']} {row['hex'][:20]}"


@pytest.mark.parametrize("row", VECTORS["encode_and_decode"], ids=named)
def test_a_value_of_the_vectors_is_written_and_read_as_they_say(row):
    hint, data = hint_of(row["type"]), bytes.fromhex(row["hex"])
    value = value_of(row, hint)
    assert encode(hint, value) == data
    assert decode(hint, data) == value


REASONS = {
    "varint longer than 3 bytes": "longer than the 3 bytes of 16 bits",
    "overflows 16 bits": "overflows 16 bits",
    "bool is 00 or 01": "expected 00 or 01 for a bool, got 02",
    "option is 00 or 01": "expected 00 or 01 for an option, got 02",
    "trailing byte": "1 bytes follow the item",
    "truncated": "its length is 5, and 2 bytes are left",
    "length beyond the input": "its length is 18446744073709551615, and 0 bytes are left",
}


@pytest.mark.parametrize("row", VECTORS["reject"], ids=named)
def test_input_that_the_vectors_reject_is_refused_for_their_reason(row):
    (reason,) = (ours for theirs, ours in REASONS.items() if row["why"].startswith(theirs))
    with pytest.raises(DecodeError, match=reason):
        decode(hint_of(row["type"]), bytes.fromhex(row["hex"]))


@pytest.mark.parametrize("row", VECTORS["accept_non_canonical"], ids=named)
def test_a_varint_that_is_padded_is_read(row):
    assert decode(hint_of(row["type"]), bytes.fromhex(row["hex"])) == row["value"]


# Types of every kind.


class Colour(enum.Enum):
    BROWN = "brown"
    BLACK = "black"
    BAY = "brown"  # noqa: PIE796 - An alias has no index.


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Dog(msgspec.Struct):
    name: str
    age: Annotated[int, U8]


class Litter(msgspec.Struct, rename="camel"):
    the_mother: Dog
    born: dt.date
    puppies: list[Dog] = []
    the_note: str | None = None


class Late(msgspec.Struct, kw_only=True):
    first: str = ""
    second: int


@dataclasses.dataclass
class ADataclass:
    name: str
    ages: list[Annotated[int, U8]] = dataclasses.field(default_factory=lambda: [7])
    colour: Colour = dataclasses.field(default=Colour.BROWN, kw_only=True)


@attrs.define
class AnAttrs:
    _name: str
    ages: list[int] = attrs.field(factory=lambda: [7])
    age: int = 3


class ATypedDict(TypedDict):
    name: Required[str]
    age: Annotated[int, U8]


class ANamedTuple(NamedTuple):
    name: str
    dog: Dog


class Node(msgspec.Struct):
    children: "list[Node]" = []


class Chain(msgspec.Struct):
    next: "Chain | None" = None


class Branch(msgspec.Struct):
    leaves: "dict[str, Branch | Leaf]"


@dataclasses.dataclass
class Leaf:
    number: int
    branch: Branch | None = None


T = typing.TypeVar("T")


class Box(msgspec.Struct, Generic[T]):
    content: T
    more: list[T] = []


@dataclasses.dataclass
class DataBox(Generic[T]):
    content: T
    more: Annotated[dict[str, T], "all of it"]


class Empty(msgspec.Struct):
    pass


class Cat(msgspec.Struct):
    lives: int = 9


Tag = NewType("Tag", Annotated[str, msgspec.Meta(max_length=3)])
Pair = typing_extensions.TypeAliasType("Pair", tuple[T, T], type_params=(T,))
Animal = typing_extensions.TypeAliasType("Animal", Dog | Cat)
REX = Dog("Rex", 3)

WRITTEN = [
    (int, 64, "8001"),
    (int, -(2**63), "ff" * 9 + "01"),
    (Annotated[int, U64], 2**64 - 1, "ff" * 9 + "01"),
    (Annotated[int, U128], 2**128 - 1, "ff" * 18 + "03"),
    (Annotated[int, I128], -(2**127), "ff" * 18 + "03"),
    (Annotated[int, I8, "years"], 127, "7f"),
    (float, 1.0, "000000000000f03f"),
    (str, "é" * 100, "c801" + "c3a9" * 100),
    (
        Litter,
        Litter(REX, dt.date(2026, 1, 2), [REX]),
        "0352657803 0a323032362d30312d3032 01 0352657803 00",
    ),
    (Late, Late(first="a", second=1), "0161 02"),
    (ADataclass, ADataclass("Rex", [1, 2], colour=Colour.BLACK), "03526578 020102 01"),
    (AnAttrs, AnAttrs("Rex", [1], 2), "03526578 0102 04"),
    (ATypedDict, {"name": "Rex", "age": 3}, "0352657803"),
    (ANamedTuple, ANamedTuple("x", REX), "0178 0352657803"),
    (tuple[()], (), ""),
    (tuple[int, ...], (1, 2), "020204"),
    (set[str], {"a"}, "010161"),
    (frozenset[str], frozenset("a"), "010161"),
    (dict[str, dict[str, bool]], {"a": {"b": True}}, "01 0161 01 0162 01"),
    (dict[None, bool], {None: True}, "0101"),
    (Dog | Cat, Cat(1), "0102"),
    (Cat | Dog, Cat(1), "0002"),
    (Animal | Empty, Empty(), "02"),
    (Dog | Cat | None, None, "00"),
    (Dog | Cat | None, REX, "0100 0352657803"),
    (list[Empty | Cat], [Empty(), Cat(0)], "02 00 0100"),
    (Literal["a", 1, True, None], True, "02"),
    (Literal["a", 1, True, None], 1, "01"),
    (Literal["a"] | None, "a", "0100"),
    (Size, Size.LARGE, "01"),
    (None, None, ""),
    (Node, Node([Node(), Node([Node()])]), "02 00 01 00"),
    (Chain, Chain(Chain()), "0100"),
    (Branch, Branch({"x": Leaf(1, Branch({}))}), "01 0178 01 02 0100"),
    (Box[Annotated[int, U8]], Box(1, [2, 3]), "01 020203"),
    (Box[str], Box("a"), "0161 00"),
    (DataBox[bool], DataBox(True, {"a": False}), "01 01016100"),
    (Pair[bool], (True, False), "0100"),
    (Tag, "abc", "03616263"),
    (uuid.UUID, uuid.UUID(int=7), "24" + b"00000000-0000-0000-0000-000000000007".hex()),
    (Decimal, Decimal("1.10"), "04" + b"1.10".hex()),
    (dt.timedelta, dt.timedelta(days=1, seconds=2), "06" + b"P1DT2S".hex()),
    (dt.time, dt.time(3, 4, 5), "08" + b"03:04:05".hex()),
    (
        dt.datetime,
        dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        "14" + b"2026-01-02T03:04:05Z".hex(),
    ),
]


def brief(value):
    return repr(value)[:40]


@pytest.mark.parametrize(("hint", "value", "data"), WRITTEN, ids=brief)
def test_a_value_of_a_type_is_written_and_read(hint, value, data):
    assert encode(hint, value) == bytes.fromhex(data)
    read = decode(hint, bytes.fromhex(data))
    assert (read, type(read)) == (value, type(value))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="The type statement is new in 3.12")
def test_an_alias_of_a_type_statement_may_contain_itself():
    names = {}
    exec("type Tree = list[Tree]; type Pair[T] = tuple[T, T]; type Hollow = tuple[Hollow]", names)
    tree, pair, hollow = names["Tree"], names["Pair"], names["Hollow"]
    assert encode(tree, [[], [[]]]) == b"\x02\x00\x01\x00"
    assert decode(tree, b"\x02\x00\x01\x00") == [[], [[]]]
    assert encode(list[pair[bool]], [(True, False)]) == b"\x01\x01\x00"
    for hint in (tree, hollow):
        with pytest.raises(DecodeError, match="nested"):
            decode(hint, b"\x01" * 10_000, max_depth=10**6)


@pytest.mark.parametrize(
    ("hint", "value", "same"),
    [
        (Dog, {"name": "Rex", "age": 3, "more": None}, REX),
        (Dog, UserDict(name="Rex", age=3), REX),
        (Dog, SimpleNamespace(name="Rex", age=3), REX),
        (Dog, SimpleLazyObject(lambda: REX), REX),
        (
            Litter,
            {"theMother": {"name": "Rex", "age": 3}, "born": dt.date.min},
            Litter(REX, dt.date.min),
        ),
        (ADataclass, {"name": "Rex"}, ADataclass("Rex")),
        (AnAttrs, {"_name": "Rex", "age": 1}, AnAttrs("Rex", age=1)),
        (ATypedDict, REX, {"name": "Rex", "age": 3}),
        (ANamedTuple, ["a", {"name": "Rex", "age": 3}], ANamedTuple("a", REX)),
        (Colour, "black", Colour.BLACK),
        (Size, 2, Size.LARGE),
        (Literal["a"], mark_safe("a"), "a"),
        (str, lazystr("lazy"), "lazy"),
        (str, mark_safe("<b>"), "<b>"),
        (bytes, bytearray(b"a"), b"a"),
        (bytes, memoryview(b"a"), b"a"),
        (list[int], (1, 2), [1, 2]),
        (tuple[int, str], [1, "a"], (1, "a")),
        (Annotated[int, U8], Size.LARGE, 2),
        (Annotated[float, F32], 3, 3.0),
        (dict[str, int], UserDict(a=1), {"a": 1}),
    ],
    ids=brief,
)
def test_what_stands_for_a_value_is_written_as_the_value(hint, value, same):
    assert encode(hint, value) == encode(hint, same)


def test_a_subclass_of_a_member_is_written_as_the_member_nearest_to_it():
    class Puppy(Dog):
        toy: str

    class Pup(Puppy):
        pass

    assert encode(Dog | Puppy, Puppy("Rex", 1, "ball"))[0] == 1
    assert encode(Dog | Puppy, Pup("Rex", 1, "ball"))[0] == 1
    assert encode(Cat | Dog, Pup("Rex", 1, "ball")) == b"\x01\x03Rex\x01"


def test_a_model_of_pydantic_is_written_where_its_fields_fit():
    class Model(pydantic.BaseModel):
        name: str
        age: int

    assert encode(list[Dog], [Model(name="Rex", age=3)]) == encode(list[Dog], [REX])


def test_what_plain_makes_a_dict_of_is_written_where_it_fits():
    class Row:
        def model_dump(self):
            return {"name": "Rex", "age": 3}

    assert encode(list[Dog], [Row()]) == encode(list[Dog], [REX])


def test_a_default_that_needs_its_object_stands_in_for_nothing():
    @attrs.define
    class Doubled:
        age: int
        twice: int = attrs.field(default=attrs.Factory(lambda self: self.age * 2, takes_self=True))

    assert encode(Doubled, Doubled(1)) == b"\x02\x04"
    with pytest.raises(EncodeError, match=r"\$\.twice: missing in the dict for Doubled"):
        encode(Doubled, {"age": 1})


def test_what_is_framed_stands_between_prefix_and_suffix():
    assert Postcard().encoder(str, prefix=b"100%", suffix=b"\n")("a") == b"100%\x01a\n"


class DateOfItsOwn(dt.date):
    pass


LOOP = Node()
LOOP.children.append(LOOP)


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (Dog, Dog("Rex", 300), "$.age: expected an int from 0 to 255, got 300"),
        (Dog, Dog("Rex", True), "$.age: expected an int from 0 to 255, got bool"),
        (Dog, Dog("Rex", "3"), "$.age: expected an int from 0 to 255, got str"),
        (Dog, {"name": "Rex"}, "$.age: missing in the dict for Dog"),
        (list[Dog], [REX, 5], "$[1]: expected Dog, got int"),
        (list[Dog], [REX, Cat()], "$[1]: expected Dog, got Cat"),
        (Dog, None, "$: expected Dog, got NoneType"),
        (dict[str, list[str]], {"tags": ["a", "b", "c", 5]}, "$.tags[3]: expected str, got int"),
        (dict[str, int], {"a b": "x"}, "$['a b']: expected an int from -9223372036854775808"),
        (dict[str, int], {5: 5}, "$[5]: expected str, got int"),
        (dict[str, int], [], "$: expected dict, got list"),
        (Litter, Litter({"name": "a"}, dt.date.min), "$.theMother.age: missing in the dict"),
        (ANamedTuple, ("a", Dog(None, 3)), "$.dog.name: expected str, got NoneType"),
        (ANamedTuple, ("a",), "$: expected ANamedTuple of 2 elements, got 1"),
        (tuple[int, str], (1, 2), "$[1]: expected str, got int"),
        (tuple[int, str], {1, 2}, "$: expected tuple, got set"),
        (list[int], "ab", "$: expected list, got str"),
        (set[int], [1], "$: expected set, got list"),
        (Annotated[int, I8], -129, "$: expected an int from -128 to 127, got -129"),
        (Annotated[int, U16], -1, "$: expected an int from 0 to 65535, got -1"),
        (Annotated[int, I16], 2**15, "$: expected an int from -32768 to 32767, got 32768"),
        (int, 1.0, "got float"),
        (float, True, "$: expected float, got bool"),
        (float, "1", "$: expected float, got str"),
        (float, 10**400, "$: expected a float from -1.7976931e+308 to 1.7976931e+308, got 1000"),
        (Annotated[float, F32], 1e39, "$: expected a float from -3.4028235e+38 to 3.4028235e+38"),
        (list[float], [float("nan")], "nan at $[0] has no form in JSON, so no format carries it"),
        (Annotated[float, F32], float("-inf"), "-inf at $ has no form in JSON"),
        (bool, 1, "$: expected bool, got int"),
        (None, 0, "$: expected None, got int"),
        (str, b"a", "$: expected str, got bytes"),
        (str, "\ud800", "surrogates not allowed"),
        (bytes, "a", "$: expected bytes, got str"),
        (Annotated[str, Char], "ab", "$: expected one character, got 'ab'"),
        (Annotated[str, Char], "", "$: expected one character, got ''"),
        (Annotated[str, Char], 5, "$: expected str, got int"),
        (dt.date, dt.datetime.min, "$: expected date, got datetime"),
        (dt.date, DateOfItsOwn(1, 2, 3), "cannot be written: Encoding objects of type DateOf"),
        (uuid.UUID, "a", "$: expected UUID, got str"),
        (Colour, "green", "$: expected Colour, got 'green'"),
        (Size, True, "$: expected Size, got bool"),
        (Literal["a", 1], True, "$: expected one of 'a', 1, got True"),
        (Dog | Cat, {"name": "Rex", "age": 3}, "$: expected Dog or Cat, got dict"),
        (Dog | Cat | None, {"a": 1}, "$: expected Dog or Cat, got dict"),
        (Node, LOOP, "nested too deeply to be encoded as Postcard, or contains itself"),
    ],
    ids=brief,
)
def test_a_value_that_does_not_fit_is_refused_with_its_place(hint, value, message):
    with pytest.raises(EncodeError, match=re.escape(message)):
        encode(hint, value)


def test_an_int_too_long_to_be_shown_is_refused():
    with pytest.raises(
        EncodeError, match="expected an int from 0 to 255, got an int without a repr"
    ):
        encode(Dog, Dog("Rex", 10**5000))
    with pytest.raises(EncodeError, match=r"\$\[an int without a repr\]: expected an int from"):
        encode(dict[int, int], {10**5000: 1})


def test_an_encoder_goes_on_after_a_value_that_it_refused():
    to_dog = Postcard().encoder(Dog)
    with pytest.raises(EncodeError):
        to_dog(Dog("Rex", 300))
    assert to_dog(REX) == b"\x03Rex\x03"


# Input that is refused.

LONG = "ff" * 9 + "01"


@pytest.mark.parametrize(
    ("hint", "data", "message"),
    [
        (Dog, "", "$.name: the input ends inside it"),
        (Dog, "03526578", "$.age: the input ends inside it"),
        (Dog, "0352", "$.name: its length is 3, and 1 bytes are left"),
        (Dog, "02c328 03", "$.name: invalid UTF-8: invalid continuation byte at byte 0"),
        (Dog, "0352657803 0000", "2 bytes follow the item"),
        (list[Dog], "01 0178", "$[0].age: the input ends inside it"),
        (ATypedDict, "0178", "$.age: the input ends inside it"),
        (ANamedTuple, "00 01", "$.dog.name: its length is 1, and 0 bytes are left"),
        (tuple[bool, bool], "0102", "$[1]: expected 00 or 01 for a bool, got 02"),
        (int, "", "$: the input ends inside it"),
        (int, "80", "$: the input ends inside it"),
        (int, "ff" * 10, "$: the varint is longer than the 10 bytes of 64 bits"),
        (int, "ff" * 9 + "02", "$: the varint overflows 64 bits"),
        (Annotated[int, U128], "ff" * 18 + "04", "$: the varint overflows 128 bits"),
        (Annotated[int, I8], "", "$: the input ends inside it"),
        (float, "00" * 7, "$: the input ends inside it"),
        (list[float], "01 000000000000f07f", "$[0]: inf is not allowed"),
        (Annotated[float, F32], "0000c07f", "$: nan is not allowed"),
        (bool, "", "$: the input ends inside it"),
        (bool | None, "", "$: the input ends inside it"),
        (Annotated[str, Char], "00", "$: expected one character, got 0"),
        (Annotated[str, Char], "026161", "$: expected one character, got 2"),
        (bytes, LONG, "$: its length is 18446744073709551615, and 0 bytes are left"),
        (dict[str, bool], "02 016100 016100", "$.a: the key is a duplicate"),
        (dict[str, bool], "01 016102", "$.a: expected 00 or 01"),
        (dict[str, bool], "01 01ff", "$[0]: invalid UTF-8"),
        (dict[None, bool], "02 0000", "$[None]: the key is a duplicate"),
        (dict[Dog, bool], "01 000000", "$[Dog(name='', age=0)]: cannot be a key: unhashable"),
        (set[int], "02 0202", "$: 1 elements are duplicates"),
        (frozenset[int], "02 0202", "$: 1 elements are duplicates"),
        (set[Dog], "01 0000", "$: cannot be a set: unhashable type"),
        (Colour, "02", "$: 2 is no index of Colour, which has 2"),
        (Literal["a"], "01", "$: 1 is no index of"),
        (Dog | Cat, "02", "$: 2 is no index of Dog or Cat"),
        (Dog | Cat, "ffffffff7f", "$: the varint overflows 32 bits"),
        (dt.date, "0161", "$: Invalid RFC3339 encoded date"),
        (uuid.UUID, "0161", "$: Invalid UUID"),
        (Decimal, "0161", "$: Invalid decimal string"),
        (Chain, "01" * 64 + "00", "nested more than 64 levels deep"),
    ],
    ids=brief,
)
def test_input_that_is_not_of_the_type_is_refused_with_its_place(hint, data, message):
    with pytest.raises(DecodeError, match=re.escape(message)):
        decode(hint, bytes.fromhex(data))


def test_input_is_read_up_to_max_depth():
    assert decode(Chain, b"\x01" * 63 + b"\x00")
    assert decode(list[list[bool]], b"\x01\x01\x01", max_depth=2) == [[True]]
    for hint in (
        list[list[bool]],
        list[dict[None, bool]],
        dict[None, list[bool]],
        tuple[list[bool]],
        Box[list[bool]],
    ):
        with pytest.raises(DecodeError, match="nested more than 1 levels deep"):
            decode(hint, b"\x01\x01\x01", max_depth=1)


@pytest.mark.parametrize("max_depth", [64, 10**6])
@pytest.mark.parametrize(
    ("hint", "level"), [(Chain, b"\x01"), (Node, b"\x01"), (Branch, b"\x01\x00\x00")]
)
def test_ten_thousand_levels_are_refused(hint, level, max_depth):
    with pytest.raises(DecodeError, match="nested"):
        decode(hint, level * 10_000 + b"\x00", max_depth=max_depth)


def test_a_type_without_end_is_refused_when_input_comes():
    class Endless(msgspec.Struct):
        me: "Endless"

    globals()["Endless"] = Endless
    with pytest.raises(DecodeError, match="nested"):
        decode(Endless, b"")


@pytest.mark.parametrize(
    "hint",
    [
        str,
        bytes,
        list[int],
        tuple[int, ...],
        set[int],
        dict[int, int],
        Node,
        list[Empty | Cat],
    ],
    ids=brief,
)
def test_a_forged_length_fails_at_once(hint):
    read = Postcard().decoder(hint)
    length = bytes.fromhex("80" * 8 + "10")  # 2**60
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match=f"its length is {2**60}, and 1000 bytes are left"):
            read(length + bytes(1000))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "hint",
    [list[None], set[tuple[()]], tuple[Empty, ...], dict[None, None], list[tuple[None, Empty]]],
    ids=brief,
)
def test_a_sequence_of_what_takes_no_bytes_is_no_type_of_postcard(hint):
    with pytest.raises(TypeError, match="take no bytes"):
        Postcard().decoder(hint)


# What Python adds: constructors and constraints.


class Checked(msgspec.Struct):
    age: Annotated[int, U8, msgspec.Meta(ge=1)]

    def __post_init__(self):
        if self.age == 13:
            raise ValueError("no dog is 13")


def test_a_constructor_may_refuse_its_fields():
    assert decode(Checked, b"\x0c") == Checked(12)
    with pytest.raises(DecodeError, match=r"\$: no dog is 13"):
        decode(Checked, b"\x0d")


@pytest.mark.parametrize(
    ("constraint", "hint", "good", "bad", "message"),
    [
        ({"gt": 1}, int, 2, 1, "more than 1, got 1"),
        ({"ge": 1}, int, 1, 0, "at least 1, got 0"),
        ({"lt": 1}, int, 0, 1, "less than 1, got 1"),
        ({"le": 1}, float, 1.0, 1.5, "at most 1, got 1.5"),
        ({"multiple_of": 5}, int, 10, 11, "a multiple of 5, got 11"),
        ({"min_length": 2}, str, "ab", "a", "a length of at least 2, got 'a'"),
        ({"max_length": 1}, list[int], [1], [1, 2], "a length of at most 1"),
        ({"pattern": "^a"}, str, "ab", "ba", "a str that matches '^a', got 'ba'"),
        (
            {"tz": True},
            dt.datetime,
            dt.datetime.now(dt.UTC),
            dt.datetime(2026, 1, 1),
            "a time zone",
        ),
        ({"tz": False}, dt.time, dt.time(1), dt.time(1, tzinfo=dt.UTC), "no time zone"),
        ({"ge": 1}, int | None, None, 0, "at least 1, got 0"),
    ],
)
def test_a_constraint_holds_for_what_is_decoded(constraint, hint, good, bad, message):
    hint = Annotated[hint, msgspec.Meta(**constraint)]
    assert decode(hint, encode(hint, good)) == good
    with pytest.raises(DecodeError, match=re.escape(f"$[0]: expected {message}")):
        decode(list[hint], encode(list[hint], [bad]))


def test_a_note_that_constrains_nothing_changes_nothing():
    assert decode(Annotated[int, msgspec.Meta(title="Age"), []], b"\x02") == 1


# Types that Postcard cannot carry.


class Lacking(TypedDict, total=False):
    name: str


class MayLack(TypedDict):
    name: "NotRequired[str]"


class Deep(msgspec.Struct):
    rows: list[dict[str, tuple[int, object]]]


class Unresolved(msgspec.Struct):
    dog: "NoSuchDog"  # noqa: F821


@dataclasses.dataclass
class Counted:
    name: str
    count: int = dataclasses.field(init=False)


@dataclasses.dataclass
class Seeded:
    name: str
    seed: dataclasses.InitVar[int]


Untyped = attrs.make_class("Untyped", ["name"])


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        (
            Any,
            "Postcard carries no types, so both sides need to know them: give the view an",
        ),
        (object, "$: Postcard cannot carry object. It carries int, float, bool"),
        (Deep, "$.rows[...][...][1]: Postcard cannot carry object"),
        (dict[complex, int], "$.keys(): Postcard cannot carry complex"),
        (list[Any], "$[...]: Postcard cannot carry Any"),
        (list, "cannot carry list"),
        (typing.List, "cannot carry List"),  # noqa: UP006
        (typing.Dict, "cannot carry Dict"),  # noqa: UP006
        (typing.Tuple, "cannot carry Tuple"),  # noqa: UP006
        (tuple, "cannot carry tuple"),
        (dict, "cannot carry dict"),
        (msgspec.Struct, "cannot carry Struct"),
        ("Dog", "cannot carry 'Dog'"),
        (list[T], "$[...]: Postcard cannot carry ~T"),
        (Box, "$.content: Postcard cannot carry ~T"),
        (int | str, "the union int | str has int, which is no Struct, dataclass"),
        (Dog | ATypedDict, "has ATypedDict, which is no Struct"),
        (Box[int] | Box[str], "has one class twice"),
        (Annotated[str, U8], "$: U8 cannot annotate str: write Annotated[int, U8]"),
        (Annotated[int | None, U8], "$: U8 cannot annotate int | None: write Annotated[int, U8]"),
        (Annotated[int, F32], "F32 cannot annotate int: write Annotated[float, F32]"),
        (Lacking, "Lacking may lack name, and Postcard has no absent fields"),
        (MayLack, "$.name: it may be absent"),
        (enum.Flag("Bits", "A B"), "Bits combines its members"),
        (untyped_namedtuple("Point", "x"), "Point.x has no type hint"),
        (Untyped, "Untyped.name has no type hint"),
        (Counted, "Counted has fields that its constructor does not take"),
        (Seeded, "Seeded() needs seed, which is no field"),
        (Unresolved, "Unresolved has a type hint that cannot be resolved: name 'NoSuchDog'"),
    ],
    ids=brief,
)
def test_a_type_that_postcard_cannot_carry_is_refused_with_its_place(hint, message):
    for build in (Postcard().encoder, Postcard().decoder):
        with pytest.raises(TypeError, match=re.escape(message)):
            build(hint)


def test_no_type_at_all_is_refused():
    with pytest.raises(TypeError, match="carries no types"):
        Postcard().encoder()
    with pytest.raises(TypeError, match="carries no types"):
        Postcard().decoder()


def test_a_recursive_type_that_is_refused_leaves_nothing_behind():
    class Bad(msgspec.Struct):
        inner: "list[Inner]"
        extra: object

    class Inner(msgspec.Struct):
        bad: "Bad | None"

    globals().update(Bad=Bad, Inner=Inner)
    for hint in (Bad, Inner, Bad):
        with pytest.raises(TypeError, match="extra: Postcard cannot carry object"):
            Postcard().encoder(hint)


def test_the_codec_of_a_type_is_built_once():
    for hint in (Dog, list[Dog], Box[str], Dog | Cat):
        assert postcard.hints.codec_for(hint) is postcard.hints.codec_for(hint)


def test_a_type_without_a_hash_has_a_codec_too():
    assert encode(Annotated[Dog, []], REX) == encode(Dog, REX)
    assert encode(Box[Annotated[int, U8, []]], Box(1)) == b"\x01\x00"


def test_the_order_of_a_union_is_its_own_even_where_equal_types_were_seen():
    assert Dog | Cat == Cat | Dog
    for _ in range(2):
        assert encode(list[Dog | Cat], [Cat(0)]) == b"\x01\x01\x00"
        assert encode(list[Cat | Dog], [Cat(0)]) == b"\x01\x00\x00"


def test_a_marker_shows_its_name():
    assert repr(Annotated[int, U8]) == "typing.Annotated[int, U8]"
    assert {name for name in postcard.__all__ if name[1:].isdigit()} == {
        *("U8", "U16", "U32", "U64", "U128", "I8", "I16", "I32", "I64", "I128", "F32", "F64")
    }


# Whatever goes in comes back, and whatever comes is refused at worst.


def ints(bits, low=0):
    return st.integers(low, low + 2**bits - 1)


def floats(width=64):
    return st.floats(allow_nan=False, allow_infinity=False, width=width)


texts = st.text(st.characters(codec="utf-8"))
dogs = st.builds(Dog, texts, ints(8))
nodes = st.recursive(st.just(Node()), lambda children: st.builds(Node, st.lists(children)))
animals = dogs | st.builds(Cat, ints(64, -(2**63)))
datetimes = st.datetimes(timezones=st.none() | st.just(dt.UTC))

GENERATED = [
    *((Annotated[int, getattr(postcard, f"U{bits}")], ints(bits)) for bits in (8, 16, 32, 64, 128)),
    *(
        (Annotated[int, getattr(postcard, f"I{bits}")], ints(bits, -(2 ** (bits - 1))))
        for bits in (8, 16, 32, 64, 128)
    ),
    (Annotated[float, F32], floats(32)),
    (Annotated[float, F64], floats()),
    (Annotated[str, Char], st.characters(codec="utf-8")),
    (str, texts),
    (bytes, st.binary()),
    (bool | None, st.none() | st.booleans()),
    (list[Dog | Cat | None], st.lists(animals | st.none())),
    (tuple[int, ...], st.lists(ints(64, -(2**63))).map(tuple)),
    (tuple[Dog, bool], st.tuples(dogs, st.booleans())),
    (set[Annotated[int, I16]], st.sets(ints(16, -(2**15)))),
    (frozenset[str], st.frozensets(texts)),
    (dict[str, list[float]], st.dictionaries(texts, st.lists(floats()))),
    (dict[tuple[bool, int], Dog], st.dictionaries(st.tuples(st.booleans(), ints(8)), dogs)),
    (Litter, st.builds(Litter, dogs, st.dates(), st.lists(dogs), st.none() | texts)),
    (ADataclass, st.builds(ADataclass, texts, st.lists(ints(8)), colour=st.sampled_from(Colour))),
    (AnAttrs, st.builds(AnAttrs, texts, st.lists(ints(8)), ints(8))),
    (ATypedDict, st.fixed_dictionaries({"name": texts, "age": ints(8)})),
    (ANamedTuple, st.builds(ANamedTuple, texts, dogs)),
    (Node, nodes),
    (Box[Box[str]], st.builds(Box, st.builds(Box, texts, st.lists(texts)))),
    (Literal["a", 1, True, None], st.sampled_from(["a", 1, True, None])),
    (dt.datetime, datetimes),
    (dt.date, st.dates()),
    (dt.time, st.times()),
    (dt.timedelta, st.timedeltas()),
    (uuid.UUID, st.uuids()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
]


@pytest.mark.parametrize(("hint", "values"), GENERATED, ids=brief)
@given(data=st.data())
def test_what_goes_in_comes_back_and_no_part_of_it_is_enough(hint, values, data):
    value = data.draw(values)
    written = encode(hint, value)
    read = decode(hint, written, max_depth=1000)
    assert (read, type(read)) == (value, type(value))
    for cut in {0, len(written) // 2, len(written) - 1}:
        with pytest.raises(DecodeError):
            decode(hint, written[:cut])
    with pytest.raises(DecodeError):
        decode(hint, written + b"\0")


@pytest.mark.parametrize("hint", [hint for hint, _ in GENERATED], ids=brief)
@given(data=st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(hint, data):
    try:
        value = decode(hint, data)
    except DecodeError:
        return
    assert decode(hint, encode(hint, value)) == value
