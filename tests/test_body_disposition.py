"""`body.disposition`: names are read as they were meant, and file names do no harm."""

import unicodedata
from urllib.parse import quote

import pytest
from django.utils.http import content_disposition_header
from hypothesis import given
from hypothesis import strategies as st
from multipart import content_disposition_quote

from django_streams.body.disposition import (
    Disposition,
    clean_filename,
    from_latin1,
    parse_disposition,
    parse_parameters,
    parse_request_disposition,
)

# What a header can carry between quotes: no control characters, and no lone surrogates.
VISIBLE = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


def latin1(text):
    """Returns a header in UTF-8 as ASGI and WSGI hand it on."""
    return text.encode().decode("latin-1")


def escape(text):
    """JavaScript's `escape()`, by the steps of ECMA-262 B.2.1.1."""
    units = text.encode("utf-16-be")
    escaped = ""
    for high, low in zip(units[::2], units[1::2], strict=True):
        if not high and chr(low).isascii() and (chr(low).isalnum() or chr(low) in "@*_+-./"):
            escaped += chr(low)
        else:
            escaped += f"%u{high:02X}{low:02X}" if high else f"%{low:02X}"
    return escaped


PARTS = [
    ('form-data; name="a"', "a", None),
    ("form-data; name=a", "a", None),
    ("FORM-DATA;NAME=a", "a", None),
    ('form-data ; name = "a" ; ', "a", None),
    ('form-data;; name="a";', "a", None),
    ('form-data; name=""', "", None),
    ("form-data", None, None),
    ('form-data; name="a"; filename="b.txt"', "a", "b.txt"),
    ('form-data; filename="b.txt"; name="a"', "a", "b.txt"),
    ('form-data; name="a"; filename=""', "a", ""),
    ("form-data; name=a; filename=two words.txt ", "a", "two words.txt"),
    ('form-data; name="a;b"; filename="c=d; name=e"', "a;b", "c=d; name=e"),
    # WHATWG HTML, "multipart form data": browsers escape these three, and nothing else.
    ('form-data; name="a%22b%0D%0Ac"; filename="%22%41%.txt"', 'a"b\r\nc', '"%41%.txt'),
    ('form-data; name="a%22"; filename="back\\slash"', 'a"', "back\\slash"),
    ('form-data; name="a\\"; filename="b\\"', "a\\", "b\\"),
    ('form-data; name="a"; filename="C:\\dir\\b.txt"', "a", "C:\\dir\\b.txt"),
    # Older clients escape by a backslash (RFC 9110 5.6.4).
    ('form-data; name="a\\"b\\\\c"; filename="%22\\".txt"', 'a"b\\c', '%22".txt'),
    (latin1('form-data; name="é"; filename="日本.txt"'), "é", "日本.txt"),
    ('form-data; name="é"', "é", None),
    ('form-data; name="日"', "日", None),
    (latin1('form-data; name="Ã©"'), "Ã©", None),
    # RFC 6266 4.3 and RFC 8187 3.2.
    ("form-data; name=a; filename*=UTF-8''%e6%97%a5.txt", "a", "日.txt"),
    ("form-data; name=a; filename=x; filename*=utf-8'en'%C3%A9", "a", "é"),
    ("form-data; name=a; filename*=iso-8859-1''%E9; filename=x", "a", "é"),
    ("form-data; name=a; filename*=\"UTF-8''%C3%A9\"", "a", "é"),
    ("form-data; name=a; filename*=utf-8''%E9; filename=x", "a", "x"),
    ("form-data; name=a; filename*=utf-16''x; filename=y", "a", "y"),
    ("form-data; name=a; filename*=utf-8''%zz; filename=y", "a", "y"),
    ("form-data; name=a; filename*=plain; filename=y", "a", "y"),
    ("form-data; name=a; filename*=utf-8''%E9", "a", ""),
    ("form-data; name*=utf-8''a; filename=y", None, "y"),
    # Only a request's file name may come from escape().
    ('form-data; name="a"; filename="%E9%u65E5.txt"', "a", "%E9%u65E5.txt"),
]
REQUESTS = [
    ('attachment; filename="a.txt"', "a.txt"),
    ("attachment; filename=a.txt", "a.txt"),
    ("attachment", None),
    ('attachment; filename="%E9.txt"', "é.txt"),
    ('attachment; filename="%u65E5%20%28.txt"', "日 (.txt"),
    ('attachment; filename="%uD83D%uDE00.txt"', "😀.txt"),
    ('attachment; filename="%uD83D.txt"', "\ufffd.txt"),
    ('attachment; filename="100%25.txt"', "100%.txt"),
    ('attachment; filename="100%.txt"', "100%.txt"),
    ('attachment; filename="100%25 sure.txt"', "100%25 sure.txt"),
    ('attachment; filename="%e9.txt"', "%e9.txt"),
    ('attachment; filename="%C3%A9.txt"', "é.txt"),
    (r'attachment; filename="a\"b\\c\d.txt"', 'a"b\\cd.txt'),
    ("attachment; filename=\"%E9.txt\"; filename*=UTF-8''%25E9.txt", "%E9.txt"),
    (latin1('attachment; filename="é.txt"'), "é.txt"),
    ('attachment; filename="\xe9.txt"', "é.txt"),
]
MALFORMED = [
    'form-data; name="a',
    'form-data; name="a"b',
    'form-data; name="a" filename="b"',
    "form-data; name",
    "form-data; =a",
    'form-data; name=a"b',
    'form-data; name="a"; name="b"',
    'form-data; name="a"; Name="a"',
    "form-data; name=a; filename*=utf-8''a; FILENAME*=utf-8''a",
    'form-data; name="a"; filename="b"; filename="c"',
    'form-data, name="a"; filename="b"c"d"',
]


@pytest.mark.parametrize(("value", "name", "filename"), PARTS)
def test_the_disposition_of_a_part_is_read(value, name, filename):
    assert parse_disposition(value) == Disposition("form-data", name, filename)


@pytest.mark.parametrize(("value", "filename"), REQUESTS)
def test_the_disposition_of_a_request_is_read(value, filename):
    assert parse_request_disposition(value) == Disposition("attachment", None, filename)


@pytest.mark.parametrize("parse", [parse_disposition, parse_request_disposition])
@pytest.mark.parametrize("value", MALFORMED)
def test_what_can_be_read_in_two_ways_is_refused(value, parse):
    with pytest.raises(ValueError, match=r"not a list of parameters|is given twice"):
        parse(value)


@given(VISIBLE, VISIBLE)
def test_names_as_browsers_write_them_come_back(name, filename):
    # A backslash before a quotation mark or at the end is what the two notations differ in, and
    # browsers leave what looks like an escape of theirs as it is.
    for ambiguous in ("\\", "%22", "%0D", "%0A"):
        name, filename = name.replace(ambiguous, ""), filename.replace(ambiguous, "")
    header = (
        f"form-data; name={content_disposition_quote(name)}; "
        f"filename={content_disposition_quote(filename)}"
    )
    assert parse_disposition(latin1(header)) == Disposition("form-data", name, filename)


@given(VISIBLE)
def test_names_in_quoted_strings_come_back(name):
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_parameters(latin1(f'x; a="{quoted}"')) == ("x", {"a": name})


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_names_that_django_writes_come_back(name):
    header = content_disposition_header(as_attachment=True, filename=name)
    if "filename*" in header or "%" not in name:
        assert parse_request_disposition(header).filename == name


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_names_that_javascript_escapes_come_back(name):
    value = f'attachment; filename="{escape(name)}"'
    assert parse_request_disposition(value).filename == from_latin1(name)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_names_that_are_percent_encoded_come_back(name):
    value = f"form-data; name=a; filename*=UTF-8''{quote(name, safe='')}"
    assert parse_disposition(value).filename == name


@pytest.mark.parametrize(
    "value",
    [
        "x" + ";" * 100_000 + '"',
        "x;" + " " * 100_000 + '"',
        "x; a=b" + " " * 100_000 + '"',
        'x; a="' + '\\"' * 50_000,
        "x" + '; a="\\"' * 20_000,
        "x; " + "a" * 100_000 + '"',
        "x; a=" + "b" * 100_000 + '"',
    ],
    ids=lambda value: repr(value[:12]),
)
def test_a_hostile_header_is_refused_without_being_read_twice(value):
    with pytest.raises(ValueError, match=r"not a list|given twice"):
        parse_disposition(value)


FILENAMES = [
    ("a.txt", "a.txt"),
    ("../../x", "x"),
    ("..\\..\\x", "x"),
    ("/etc/passwd", "passwd"),
    ("C:\\dir\\b.txt", "b.txt"),
    ("a/b\\c/d.txt", "d.txt"),
    ("a/", ""),
    ("..", ""),
    (".", ""),
    ("", ""),
    (" . .\u3000", ""),
    ("./.", ""),
    (".htaccess", "htaccess"),
    (" .. a .txt. ", "a .txt"),
    ("a\0.php\r\n.txt", "a.php.txt"),
    ("\0..\0/..\0", ""),
    (".\0.", ""),
    ("a\x7f\x85\u2028\u2029b", "ab"),
    ("exe\u202egpj.exe", "exegpj.exe"),
    ("\ud800a", "a"),
    ("e\u0301.txt", "é.txt"),
    ("e\0\u0301.txt", "é.txt"),
    ("x" * 255, "x" * 255),
    ("x" * 256, "x" * 255),
    ("x" * 300 + ".tar.gz", "x" * 252 + ".gz"),
    ("é" * 200 + ".txt", "é" * 125 + ".txt"),
    ("日" * 100, "日" * 85),
    ("x" * 10 + "." + "y" * 300, "x" * 10 + "." + "y" * 244),
    ("x" * 200 + " " * 100 + ".a", "x" * 200 + ".a"),
    ("." + "x" * 300, "x" * 255),
]


@pytest.mark.parametrize(("name", "cleaned"), FILENAMES)
def test_a_file_name_is_cleaned(name, cleaned):
    assert clean_filename(name) == cleaned


@given(
    st.text(st.sampled_from("a./\\ \0\r\u202e\u0301e\u2003\ud800é日"))
    | st.text()
    | st.text(st.sampled_from("日😀e\u0301. "), min_size=80)
)
def test_a_cleaned_file_name_is_safe_and_stays_as_it_is(name):
    cleaned = clean_filename(name)
    assert not set(cleaned) & {"/", "\\", "\0", "\r", "\u202e"}
    assert not cleaned.startswith((".", " "))
    assert not cleaned.endswith((".", " "))
    assert len(cleaned.encode()) <= 255
    assert unicodedata.is_normalized("NFC", cleaned)
    assert clean_filename(cleaned) == cleaned
