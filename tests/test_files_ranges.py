"""`files.ranges`: a Range header selects what it says, or everything, and costs nothing."""

import sys
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_streams.exceptions import StreamError
from django_streams.files.ranges import (
    MAX_RANGES,
    ByteRange,
    RangeNotSatisfiable,
    content_range,
    parse_range,
)
from tests.costs import FAR_TOO_LONG

UNSATISFIABLE = "416"

# Go, net/http/fs_test.go, ServeFileRangeTests: a header, and the ranges of a file of 11 bytes
# (None: status 200, UNSATISFIABLE: 416).
GO_SIZE = 11
GO = [
    ("", None),
    ("bytes=0-4", [(0, 5)]),
    ("bytes=2-", [(2, 11)]),
    ("bytes=-5", [(6, 11)]),
    ("bytes=3-7", [(3, 8)]),
    ("bytes=0-0,-2", [(0, 1), (9, 11)]),
    ("bytes=0-1,5-8", [(0, 2), (5, 9)]),
    ("bytes=0-1,5-", [(0, 2), (5, 11)]),
    ("bytes=5-1000", [(5, 11)]),
    ("bytes=0-,1-,2-,3-,4-", None),
    ("bytes=0-9", [(0, 10)]),
    ("bytes=0-10", [(0, 11)]),
    ("bytes=0-11", [(0, 11)]),
    ("bytes=10-11", [(10, 11)]),
    ("bytes=10-", [(10, 11)]),
    ("bytes=11-", UNSATISFIABLE),
    ("bytes=11-12", UNSATISFIABLE),
    ("bytes=12-12", UNSATISFIABLE),
    ("bytes=11-100", UNSATISFIABLE),
    ("bytes=12-100", UNSATISFIABLE),
    ("bytes=100-", UNSATISFIABLE),
    ("bytes=100-1000", UNSATISFIABLE),
]

# RFC 9110 14.1.2, its examples for a representation of 10,000 bytes.
RFC_SIZE = 10_000
RFC = [
    ("bytes=0-499", [(0, 500)]),
    ("bytes=500-999", [(500, 1000)]),
    ("bytes=-500", [(9500, 10000)]),
    ("bytes=9500-", [(9500, 10000)]),
    ("bytes=0-0,-1", [(0, 1), (9999, 10000)]),
    ("bytes= 0-999, 4500-5499, -1000", [(0, 1000), (4500, 5500), (9000, 10000)]),
    ("bytes=500-600,601-999", [(500, 1000)]),
    ("bytes=500-700,601-999", [(500, 1000)]),
]

SELECTED = [
    ("BYTES=0-0", [(0, 1)]),
    ("ByTeS=0-0", [(0, 1)]),
    (" bytes=0-0\t", [(0, 1)]),
    ("bytes=,0-0", [(0, 1)]),
    ("bytes=0-0,", [(0, 1)]),
    ("bytes=, ,\t, 0-0 ,\t,, 5-5 ,", [(0, 1), (5, 6)]),
    ("bytes=-1000", [(0, 100)]),
    ("bytes=-100", [(0, 100)]),
    ("bytes=00000-00009", [(0, 10)]),
    ("bytes=-" + "0" * 1000 + "5", [(95, 100)]),
    # Those that lie behind the end are dropped; one is left.
    ("bytes=100-,5-9,200-300,-0", [(5, 10)]),
    # The order of the request, and a merged range where its first part was asked for.
    ("bytes=50-59,0-9", [(50, 60), (0, 10)]),
    ("bytes=90-99,0-9,50-54,10-19,55-59", [(90, 100), (0, 20), (50, 60)]),
    ("bytes=10-19,50-59,0-9", [(0, 20), (50, 60)]),
    ("bytes=10-,0-9", [(0, 100)]),
    ("bytes=0-49,10-19", [(0, 50)]),
    ("bytes=10-19,0-49", [(0, 50)]),
    ("bytes=0-0,2-2", [(0, 1), (2, 3)]),
    ("bytes=0-9,0-9", [(0, 10)]),
    # Together as many bytes as there are, and one more.
    ("bytes=0-49,50-99", [(0, 100)]),
    ("bytes=0-49,49-98", [(0, 99)]),
    ("bytes=0-49,49-99", None),
    ("bytes=0-,-1", None),
]

IGNORED = [
    "",
    "bytes",
    "bytes=",
    "bytes= , ,",
    "=0-1",
    "0-1",
    "bytes 0-1",
    "bytes:0-1",
    "bits=0-1",
    "items=0-1",
    "octets=0-1",
    "bytes=-",
    "bytes=--1",
    "bytes=-1-",
    "bytes=-1-2",
    "bytes=1--2",
    "bytes=+1-2",
    "bytes=1",
    "bytes=1-2-3",
    "bytes=5-4",
    "bytes=0-1,5-4",
    "bytes=0-1,x",
    "bytes=0-1;2-3",
    "bytes=0-1 2-3",
    "bytes=0 -1",
    "bytes=0- 1",
    "bytes=0-1,bytes=2-3",
    "bytes==0-1",
    "bytes=0x0-0x1",
    "bytes=1_0-20",
    "bytes=1.0-2",
    "bytes=1e1-",
    "bytes=a-b",
    "bytes=0-1\n",
    "bytes=0-1\0",
    "bytes=0-1\x0b",
    "bytes=0-1\xa0",
    "bytes=\xb2-\xb3",
    "bytes=٠-١",
    "bytes=0\u20131",  # A dash that is not a hyphen.
    "bytes=*",
    "bytes */100",
    "bytes 0-1/100",
    "none",
]

HUGE = "9" * 1000


def selected(header, size):
    try:
        return parse_range(header, size)
    except RangeNotSatisfiable:
        return UNSATISFIABLE


@pytest.mark.parametrize(("header", "ranges"), GO)
def test_the_cases_of_go_hold(header, ranges):
    assert selected(header, GO_SIZE) == ranges


@pytest.mark.parametrize(("header", "ranges"), RFC)
def test_the_examples_of_the_rfc_hold(header, ranges):
    assert selected(header, RFC_SIZE) == ranges


@pytest.mark.parametrize(("header", "ranges"), SELECTED)
def test_a_header_selects_what_it_says(header, ranges):
    assert selected(header, 100) == ranges


@pytest.mark.parametrize("header", IGNORED)
@pytest.mark.parametrize("size", [0, 1, 100])
def test_a_malformed_header_is_ignored(header, size):
    assert parse_range(header, size) is None


@pytest.mark.parametrize("header", ["bytes=-0", "bytes=100-", "bytes=100-100,-0,200-"])
def test_ranges_that_all_lie_behind_the_end_are_not_satisfiable(header):
    with pytest.raises(RangeNotSatisfiable) as raised:
        parse_range(header, 100)
    assert isinstance(raised.value, StreamError)
    assert raised.value.status == 416
    assert raised.value.headers == {"Content-Range": "bytes */100"}


# Go answers so since its issue 54794: players ask for the beginning of whatever there is.
@pytest.mark.parametrize("header", ["bytes=0-128", "bytes=1-", "bytes=0-", "bytes=-5", "bytes=-0"])
def test_an_empty_file_is_sent_whole(header):
    assert parse_range(header, 0) is None


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        (f"bytes=0-{HUGE}", [(0, 100)]),
        (f"bytes=-{HUGE}", [(0, 100)]),
        (f"bytes={HUGE}-", UNSATISFIABLE),
        (f"bytes={HUGE}-{HUGE}", UNSATISFIABLE),
        (f"bytes={HUGE}-,7-7", [(7, 8)]),
        (f"bytes=0-{2**63}", [(0, 100)]),
        (f"bytes=0-{2**64 - 1}", [(0, 100)]),
        (f"bytes={2**64}-", UNSATISFIABLE),
        (f"bytes={HUGE}-0", None),
    ],
)
def test_huge_numbers_are_behind_the_end(header, ranges):
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)  # The smallest there is.
    try:
        assert selected(header, 100) == ranges
    finally:
        sys.set_int_max_str_digits(limit)


def test_sizes_beyond_four_gigabytes_are_exact():
    size = 2**63 - 1
    assert parse_range(f"bytes={size - 2}-{size - 1}", size) == [(size - 2, size)]
    assert parse_range("bytes=-1,0-0", size) == [(size - 1, size), (0, 1)]


def every_other(count):
    return "bytes=" + ",".join(f"{2 * index}-{2 * index}" for index in range(count))


def test_sixteen_ranges_are_sent():
    assert len(parse_range(every_other(MAX_RANGES), 1000)) == 16


def test_more_ranges_are_ignored():
    assert parse_range(every_other(MAX_RANGES + 1), 1000) is None


def test_ranges_count_after_they_have_been_merged():
    header = "bytes=" + ",".join(f"{index}-{index}" for index in range(100))
    assert parse_range(header, 1000) == [(0, 100)]


def test_ranges_behind_the_end_do_not_count():
    header = "bytes=5-5" + ",2000-" * 100
    assert parse_range(header, 1000) == [(5, 6)]


@pytest.mark.parametrize(
    "header",
    [
        every_other(10_000),
        "bytes=" + "0-," * 1_000_000,
        "bytes=" + "," * 1_000_000,
        "bytes=0-" + "9" * 1_000_000,
        "bytes=" + "0" * 1_000_000 + "-",
        " " * 1_000_000 + "bytes=0-1",
        "bytes=" + "-" * 1_000_000,
        "=" * 1_000_000,
        "bytes" * 1_000_000,
    ],
    ids=lambda header: header[:12],
)
def test_a_header_that_is_too_long_is_ignored_at_once(header):
    begin = time.process_time()
    for _ in range(10):
        assert parse_range(header, 100_000) is None
    assert time.process_time() - begin < FAR_TOO_LONG


@pytest.mark.parametrize(
    "header",
    [
        "bytes=" + ",".join(["0-"] * 680),
        "bytes=" + ",".join(f"{index}-{index}" for index in range(400, 0, -2)),
        "bytes=" + "0" * 1000 + "-" + "9" * 1000,
        "bytes=" + "1" * 2000,
        "bytes=" + "," * 2000 + "0-0",
    ],
    ids=lambda header: header[:12],
)
def test_the_longest_headers_are_read_quickly(header):
    assert len(header) < 2048
    begin = time.process_time()
    for _ in range(1000):
        selected(header, 1000)
    assert time.process_time() - begin < FAR_TOO_LONG


def test_content_range_names_the_last_byte():
    assert content_range(ByteRange(0, 500), 1234) == "bytes 0-499/1234"
    assert content_range(ByteRange(1233, 1234), 1234) == "bytes 1233-1233/1234"


OFFSETS = st.integers(0, 40)
SPECS = st.tuples(st.none(), OFFSETS) | st.tuples(OFFSETS, OFFSETS | st.none())


def model(specs, size):
    """The offsets that each range selects, one byte after the other; None if one is invalid."""
    selections = []
    for first, last in specs:
        if first is None:
            offsets = range(size)[-last:] if last else range(0)
        elif last is not None and last < first:
            return None
        else:
            offsets = [at for at in range(size) if at >= first and (last is None or at <= last)]
        selections.append(list(offsets))
    return selections


@settings(deadline=None)
@given(st.lists(SPECS, min_size=1, max_size=8), st.integers(0, 45))
def test_what_is_selected_is_what_a_naive_model_selects(specs, size):
    texts = [f"{'' if a is None else a}-{'' if b is None else b}" for a, b in specs]
    result = selected("bytes=" + ", ".join(texts), size)
    selections = model(specs, size)
    if selections is None or size == 0:
        assert result is None
    elif not any(selections):
        assert result == UNSATISFIABLE
    elif sum(map(len, selections)) > size:
        assert result is None
    else:
        assert_is_union(result, [selection for selection in selections if selection])


def assert_is_union(ranges, selections):
    offsets = [at for start, stop in ranges for at in range(start, stop)]
    assert sorted(offsets) == sorted(set().union(*selections))
    # Merged: a gap lies between any two. In order: by when the first of each was asked for.
    ordered = sorted(ranges)
    assert all(one.stop < two.start for one, two in pairwise(ordered))
    asked = [
        min(index for index, selection in enumerate(selections) if selection[0] in range(*found))
        for found in ranges
    ]
    assert asked == sorted(asked)


@settings(deadline=None)
@given(st.text(st.sampled_from("bytes=0123456789-, \t")), st.integers(0, 100))
def test_whatever_is_in_the_header_the_result_lies_in_the_file(text, size):
    for header in (text, "bytes=" + text):
        ranges = selected(header, size)
        if ranges not in (None, UNSATISFIABLE):
            assert all(0 <= start < stop <= size for start, stop in ranges)
            assert sum(stop - start for start, stop in ranges) <= size


@settings(deadline=None)
@given(st.text())
def test_no_header_raises_anything_else(text):
    selected(text, 100)
    selected("bytes=" + text, 100)
