"""`files.conditions`: a request's conditions are evaluated in the order of RFC 9110 13.2.2."""

import itertools
import time

import pytest
from django.http import HttpRequest
from django.utils.http import http_date
from hypothesis import example, given, settings
from hypothesis import strategies as st

from django_streams.files.conditions import Outcome, evaluate
from tests.costs import FAR_TOO_LONG

WHOLE = Outcome.WHOLE
RANGES = Outcome.RANGES
NOT_MODIFIED = Outcome.NOT_MODIFIED
FAILED = Outcome.PRECONDITION_FAILED

# RFC 9110 5.6.7: one moment in the three formats.
MOMENT = 784111777
IMF = "Sun, 06 Nov 1994 08:49:37 GMT"
RFC_850 = "Sunday, 06-Nov-94 08:49:37 GMT"
ASCTIME = "Sun Nov  6 08:49:37 1994"
EARLIER = http_date(MOMENT - 1)
LATER = http_date(MOMENT + 1)

NO_DATES = [
    "",
    "yesterday",
    "784111777",
    "1994-11-06T08:49:37Z",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 25:49:37 GMT",
    "Sun, 31 Feb 1994 08:49:37 GMT",
    "Sun, 06 Now 1994 08:49:37 GMT",
    "Sun, 06 Nov 99999 08:49:37 GMT",
    "Sun, ٠٦ Nov 1994 08:49:37 GMT",
    f"{IMF}, {IMF}",
    f"{IMF}; length=100",
    '"etag"',
    "*",
    "9" * 100_000,
]


def outcome(method="GET", etag='"a"', last_modified=MOMENT, **fields):
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return evaluate(method, headers, etag=etag, last_modified=last_modified)


def test_without_conditions_everything_is_sent():
    assert outcome() is WHOLE
    assert outcome(etag=None, last_modified=None) is WHOLE


def test_a_range_without_conditions_is_sent():
    assert outcome(Range="bytes=0-1") is RANGES


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "PATCH"])
def test_only_get_has_ranges(method):
    assert outcome(method, Range="bytes=0-1") is WHOLE
    assert outcome(method, Range="bytes=0-1", If_Range='"a"') is WHOLE


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT"])
def test_methods_that_select_nothing_have_no_conditions(method):
    fields = {"If_Match": '"x"', "If_None_Match": "*", "Range": "bytes=0-1"}
    assert outcome(method, **fields) is WHOLE


TAGS = [
    # The field, whether "a" is in it, and whether W/"a" is by the weak comparison.
    ('"a"', True),
    ('"b"', False),
    ('"A"', False),
    ('"a", "b"', True),
    ('"b", "a"', True),
    ('"b","a"', True),
    (' \t"b" ,\t "a" \t', True),
    (',, ,"b",, ,"a",,', True),
    ('"b,c", "a"', True),
    ('"b,"a",c"', False),
    ('"b, "a""', False),
    ('W/"b", "a"', True),
    ('"\xe9", "a"', True),
    ('"", "a"', True),
    ("a", False),
    ("'a'", False),
    ('"a', False),
    ('a"', False),
    ('"a" "b"', False),
    ('"a"; "b"', False),
    ('"a", b', False),
    ('"a", "b', False),
    ('"a", *', False),
    ('*, "a"', False),
    ('**, "a"', False),
    ('"b c", "a"', False),
    ('"b\0", "a"', False),
    ('"b\n", "a"', False),
    ('"日", "a"', False),
    (r'"b\"", "a"', False),
    ('W / "a"', False),
    ('W/ "a"', False),
    ("", False),
    (", ,", False),
    ('"b", ' * 2000 + '"a"', False),
]


@pytest.mark.parametrize(("field", "matches"), TAGS)
def test_if_match_is_a_list_of_entity_tags(field, matches):
    assert outcome(If_Match=field) is (WHOLE if matches else FAILED)


@pytest.mark.parametrize(("field", "matches"), TAGS)
def test_if_none_match_is_a_list_of_entity_tags(field, matches):
    assert outcome(If_None_Match=field) is (NOT_MODIFIED if matches else WHOLE)


# RFC 9110 8.8.3.2, its table: two entity tags, and whether they match strongly and weakly.
COMPARISONS = [
    ('W/"1"', 'W/"1"', False, True),
    ('W/"1"', 'W/"2"', False, False),
    ('W/"1"', '"1"', False, True),
    ('"1"', '"1"', True, True),
    ('"1"', 'w/"1"', False, False),
    ('"1"', 'W/"1"', False, True),
    ('"W/1"', 'W/"W/1"', False, True),
    ('"W/1"', '"1"', False, False),
]


@pytest.mark.parametrize(("ours", "theirs", "strongly", "weakly"), COMPARISONS)
def test_if_match_and_if_range_compare_strongly_and_if_none_match_weakly(
    ours, theirs, strongly, weakly
):
    assert outcome(etag=ours, If_Match=theirs) is (WHOLE if strongly else FAILED)
    assert outcome(etag=ours, If_None_Match=theirs) is (NOT_MODIFIED if weakly else WHOLE)
    ranged = outcome(etag=ours, If_Range=theirs, Range="bytes=0-1")
    assert ranged is (RANGES if strongly else WHOLE)


@pytest.mark.parametrize("star", ["*", " *\t"])
@pytest.mark.parametrize("etag", ['"a"', 'W/"a"', None])
def test_a_star_matches_whatever_is_there(etag, star):
    assert outcome(etag=etag, If_Match=star) is WHOLE
    assert outcome(etag=etag, If_None_Match=star) is NOT_MODIFIED
    assert outcome("PUT", etag=etag, If_None_Match=star) is FAILED


@pytest.mark.parametrize("field", ['"a"', '""', "", "None", "null", 'W/""'])
def test_a_file_without_an_entity_tag_matches_none(field):
    assert outcome(etag=None, If_Match=field) is FAILED
    assert outcome(etag=None, If_None_Match=field) is WHOLE
    assert outcome(etag=None, last_modified=None, If_Range=field, Range="bytes=0-1") is WHOLE


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_has_not_changed_is_not_sent_to_a_reader(method):
    assert outcome(method, If_None_Match='"a"') is NOT_MODIFIED
    assert outcome(method, If_Modified_Since=IMF) is NOT_MODIFIED
    assert outcome(method, If_None_Match='"a"', Range="bytes=0-1") is NOT_MODIFIED


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "get"])
def test_other_methods_fail_where_readers_have_it_already(method):
    assert outcome(method, If_None_Match='"a"') is FAILED
    assert outcome(method, If_Modified_Since=IMF) is WHOLE


@pytest.mark.parametrize("date", [IMF, RFC_850, ASCTIME, f" {IMF}\t"])
def test_dates_of_every_format_are_read(date):
    assert outcome(If_Modified_Since=date) is NOT_MODIFIED
    assert outcome(If_Unmodified_Since=date) is WHOLE
    assert outcome(If_Range=date, Range="bytes=0-1") is RANGES
    for newer in (MOMENT + 1, MOMENT + 100_000):
        assert outcome(last_modified=newer, If_Modified_Since=date) is WHOLE
        assert outcome(last_modified=newer, If_Unmodified_Since=date) is FAILED
        assert outcome(last_modified=newer, If_Range=date, Range="bytes=0-1") is WHOLE


def test_a_date_decides_of_a_range_only_when_its_second_is_over(monkeypatch):
    """Within it, the file may be written once more and keep its date: RFC 9110 8.8.2.2."""
    for now, expected in ((MOMENT + 0.999, WHOLE), (MOMENT + 1, RANGES)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert outcome(If_Range=IMF, Range="bytes=0-1") is expected
        assert outcome(If_Range='"a"', Range="bytes=0-1") is RANGES
        assert outcome(If_Modified_Since=IMF) is NOT_MODIFIED


def test_dates_are_compared_by_order_but_in_if_range_by_equality():
    assert outcome(If_Modified_Since=EARLIER) is WHOLE
    assert outcome(If_Modified_Since=LATER) is NOT_MODIFIED
    assert outcome(If_Unmodified_Since=EARLIER) is FAILED
    assert outcome(If_Unmodified_Since=LATER) is WHOLE
    assert outcome(If_Range=EARLIER, Range="bytes=0-1") is WHOLE
    assert outcome(If_Range=LATER, Range="bytes=0-1") is WHOLE


@pytest.mark.parametrize("date", NO_DATES)
def test_what_is_no_date_is_ignored_and_never_matches_a_range(date):
    assert outcome(If_Modified_Since=date) is WHOLE
    assert outcome(If_Unmodified_Since=date) is WHOLE
    assert outcome(etag=None, If_Range=date, Range="bytes=0-1") is WHOLE


def test_dates_are_ignored_for_a_file_that_has_none():
    assert outcome(last_modified=None, If_Modified_Since=LATER) is WHOLE
    assert outcome(last_modified=None, If_Unmodified_Since=EARLIER) is WHOLE
    assert outcome(last_modified=None, If_Range=IMF, Range="bytes=0-1") is WHOLE


def test_a_file_of_the_epoch_has_a_date():
    epoch = http_date(0)
    assert outcome(last_modified=0, If_Modified_Since=epoch) is NOT_MODIFIED
    assert outcome(last_modified=0, If_Unmodified_Since=epoch) is WHOLE
    assert outcome(last_modified=0, If_Range=epoch, Range="bytes=0-1") is RANGES
    assert outcome(last_modified=1, If_Unmodified_Since=epoch) is FAILED


@pytest.mark.parametrize(
    "field", ['"a", "a"', '"a",', "a", '"a', 'W/"a"', "*", "", '""', '"b"', f'"a" {IMF}']
)
def test_if_range_is_one_strong_entity_tag(field):
    assert outcome(If_Range=field, Range="bytes=0-1") is WHOLE
    assert outcome(If_Range=' "a"\t', Range="bytes=0-1") is RANGES


def test_if_range_without_a_range_is_ignored():
    assert outcome(If_Range='"b"') is WHOLE


PRECEDENCE = [
    # An If-Match that holds leaves If-Unmodified-Since aside, and so does one that is malformed.
    ({"If_Match": '"a"', "If_Unmodified_Since": EARLIER}, WHOLE),
    ({"If_Match": '"b"', "If_Unmodified_Since": LATER}, FAILED),
    ({"If_Match": "a", "If_Unmodified_Since": LATER}, FAILED),
    # An If-None-Match leaves If-Modified-Since aside.
    ({"If_None_Match": '"b"', "If_Modified_Since": LATER}, WHOLE),
    ({"If_None_Match": '"a"', "If_Modified_Since": EARLIER}, NOT_MODIFIED),
    ({"If_None_Match": "b", "If_Modified_Since": LATER}, WHOLE),
    # 412 goes before 304, and both before ranges.
    ({"If_Match": '"b"', "If_None_Match": '"a"'}, FAILED),
    ({"If_Match": '"a"', "If_None_Match": '"a"'}, NOT_MODIFIED),
    ({"If_Unmodified_Since": EARLIER, "If_Modified_Since": LATER}, FAILED),
    ({"If_Unmodified_Since": LATER, "If_Modified_Since": LATER}, NOT_MODIFIED),
    ({"If_Match": '"b"', "If_Range": '"a"', "Range": "bytes=0-1"}, FAILED),
    ({"If_None_Match": '"a"', "If_Range": '"a"', "Range": "bytes=0-1"}, NOT_MODIFIED),
    ({"If_Match": '"a"', "If_Range": '"a"', "Range": "bytes=0-1"}, RANGES),
    ({"If_Match": '"a"', "If_Range": '"b"', "Range": "bytes=0-1"}, WHOLE),
    ({"If_Match": '"a"', "Range": "bytes=0-1"}, RANGES),
]


@pytest.mark.parametrize(("fields", "expected"), PRECEDENCE)
def test_conditions_have_their_order(fields, expected):
    assert outcome(**fields) is expected


def steps(method, fields, *, match, unmodified, none_match, modified, unchanged):
    """RFC 9110 13.2.2, sentence by sentence; the arguments are what each condition is worth."""
    if "If_Match" in fields:
        if not match:
            return FAILED
    elif "If_Unmodified_Since" in fields and not unmodified:
        return FAILED
    if "If_None_Match" in fields:
        if not none_match:
            return NOT_MODIFIED if method in ("GET", "HEAD") else FAILED
    elif "If_Modified_Since" in fields and method in ("GET", "HEAD") and not modified:
        return NOT_MODIFIED
    if method == "GET" and "Range" in fields and ("If_Range" not in fields or unchanged):
        return RANGES
    return WHOLE


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_every_combination_of_fields_follows_the_steps_of_the_rfc(method):
    choices = {
        "If_Match": [None, '"a"', '"b"', "*"],
        "If_Unmodified_Since": [None, EARLIER, LATER],
        "If_None_Match": [None, '"a"', '"b"', "*"],
        "If_Modified_Since": [None, EARLIER, LATER],
        "If_Range": [None, '"a"', '"b"', IMF, EARLIER],
        "Range": [None, "bytes=0-1"],
    }
    for values in itertools.product(*choices.values()):
        fields = {name: value for name, value in zip(choices, values, strict=True) if value}
        expected = steps(
            method,
            fields,
            match=fields.get("If_Match") in ('"a"', "*"),
            unmodified=fields.get("If_Unmodified_Since") == LATER,
            none_match=fields.get("If_None_Match") == '"b"',
            modified=fields.get("If_Modified_Since") == EARLIER,
            unchanged=fields.get("If_Range") in ('"a"', IMF),
        )
        assert outcome(method, **fields) is expected, fields


def test_the_headers_of_a_request_will_do():
    request = HttpRequest()
    request.META = {"HTTP_IF_RANGE": '"a"', "HTTP_RANGE": "bytes=0-1"}
    assert evaluate("GET", request.headers, etag='"a"', last_modified=None) is RANGES


@pytest.mark.parametrize(
    "field",
    [
        '"a",' * 1_000_000,
        "," * 5_000_000,
        '"' * 5_000_000,
        'W/"' * 1_000_000,
        "W/" * 1_000_000,
        " " * 5_000_000 + "x",
        '"' + "a" * 5_000_000,
        '"b"' + " " * 8000 + "x",
        '"b" , ' * 1350 + "x",
        ", " * 4000 + "x",
        'W/"b",' * 1350 + "W/",
    ],
    ids=lambda field: field[:6],
)
def test_a_hostile_list_matches_nothing_and_costs_little(field):
    # Of the short ones, so many that the time is told from that of a pattern that goes back.
    times = 1 + 1_000_000 // len(field)
    begin = time.process_time()
    for _ in range(times):
        assert outcome(If_Match=field) is FAILED
        assert outcome(If_None_Match=field) is WHOLE
        assert outcome(If_Range=field, Range="bytes=0-1") is WHOLE
        assert outcome(If_Unmodified_Since=field) is WHOLE
    assert time.process_time() - begin < FAR_TOO_LONG


OPAQUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF).filter(
    lambda char: char != '"' and not 0x7F <= ord(char) < 0x80
))  # fmt: skip
ENTITY_TAGS = st.builds("{}{}".format, st.sampled_from(["", "W/"]), OPAQUE.map('"{}"'.format))


@settings(deadline=None)
@given(st.lists(ENTITY_TAGS, max_size=6), ENTITY_TAGS, st.sampled_from([",", ", ", " ,\t, "]))
def test_an_entity_tag_matches_if_it_is_in_the_list(tags, etag, separator):
    field = separator.join(tags)
    is_in = etag in tags and not etag.startswith("W/")
    assert outcome(etag=etag, If_Match=field) is (WHOLE if is_in else FAILED)
    is_in_weakly = etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in tags]
    assert outcome(etag=etag, If_None_Match=field) is (NOT_MODIFIED if is_in_weakly else WHOLE)


@settings(deadline=None)
@given(st.integers(0, 253402300799), st.integers(0, 253402300799))
@example(0, 253402300799)
def test_dates_as_django_writes_them_are_compared(ours, theirs):
    assert outcome(last_modified=ours, If_Modified_Since=http_date(theirs)) is (
        WHOLE if ours > theirs else NOT_MODIFIED
    )
    expected = RANGES if ours < int(time.time()) else WHOLE
    assert outcome(last_modified=ours, If_Range=http_date(ours), Range="bytes=0-") is expected


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.text(), st.text())
def test_no_field_raises(match, none_match, since, unmodified_since, if_range):
    outcome(If_None_Match=none_match, If_Range=if_range, Range="bytes=0-1")
    outcome(If_Match=match, If_Modified_Since=since, If_Unmodified_Since=unmodified_since)
    outcome(If_Modified_Since=since, If_Unmodified_Since=unmodified_since)
