"""`files.disposition`: any name gives a header that is safe, and that old and new clients read."""

import re
import unicodedata
from email.message import EmailMessage
from urllib.parse import unquote

import pytest
from django.http import HttpResponse
from django.utils.functional import lazystr
from hypothesis import given
from hypothesis import strategies as st

from django_streams.files import disposition_header

# RFC 6266 4.1, with the quoted-string of RFC 9110 5.6.4 and the ext-value of RFC 8187 3.2.1.
HEADER = re.compile(
    r"(inline|attachment)"
    r'(?:; filename="((?:[\x20\x21\x23-\x5b\x5d-\x7e])*)")?'
    r"(?:; filename\*=UTF-8''((?:[A-Za-z0-9!#$&+\-.^_`|~]|%[0-9A-F]{2})*))?"
)


def names(filename):
    """Returns the name for old clients and the one for new ones."""
    header = disposition_header(filename, as_attachment=True)
    kind, plain, extended = HEADER.fullmatch(header).groups()
    assert kind == "attachment"
    return plain, None if extended is None else unquote(extended, errors="strict")


@pytest.mark.parametrize(
    "name", ["a.txt", "report 2024.pdf", ".bashrc", "a;b,c='d'.tar.gz", "~!#$"]
)
def test_a_name_of_plain_ascii_needs_no_second_one(name):
    assert disposition_header(name, as_attachment=True) == f'attachment; filename="{name}"'
    assert disposition_header(name, as_attachment=False) == f'inline; filename="{name}"'


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("naïve café.txt", "naive cafe.txt"),
        ("e\u0301te\u0301.txt", "ete.txt"),
        ("10 €.pdf", "10 _.pdf"),
        ("日本.pdf", "__.pdf"),
        ("שלום.doc", "____.doc"),
        ("🐕.jpg", "_.jpg"),
        ('the "best".txt', "the _best_.txt"),
        ("100%.txt", "100_.txt"),
        ("a%20b%22.txt", "a_20b_22.txt"),
        ("a\u2028b.txt", "a_b.txt"),
    ],
)
def test_any_other_name_has_a_fallback_in_ascii(name, plain):
    assert names(name) == (plain, name)


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie: x=1.txt"),
        ("a\nb\x00c\x7fd\x85e.txt", "abcde.txt"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("..\\a.txt", "a.txt"),
        (" a.txt ", "a.txt"),
        ("a\ud800b.txt", "ab.txt"),
        (lazystr("a.txt"), "a.txt"),
    ],
)
def test_what_does_not_belong_in_a_name_is_left_out(name, cleaned):
    assert names(name) == (cleaned, None)


def test_a_name_cannot_be_turned_to_show_another_suffix():
    assert names("holiday\u202egpj.exe") == ("holidaygpj.exe", None)
    assert names("\u2066a\u2069\u202d.txt") == ("a.txt", None)
    assert names("שלום\u200f.doc") == ("____.doc", "שלום.doc")
    assert names("a\u200e\u061cb.txt") == ("ab.txt", None)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a" * 255, "a" * 255),
        ("a" * 256, "a" * 255),
        ("a" * 300 + ".tar.gz", "a" * 252 + ".gz"),
        ("a" * 251 + " b.txt", "a" * 251 + ".txt"),
        ("日" * 100 + ".pdf", "日" * 83 + ".pdf"),
        ("a." + "b" * 300, "a." + "b" * 253),
        ("." + "b" * 300, "." + "b" * 254),
    ],
)
def test_a_name_is_cut_to_what_a_file_system_takes(name, kept):
    plain, extended = names(name)
    assert (extended or plain) == kept
    assert len(plain) <= 255


def test_a_fallback_that_is_longer_than_the_name_is_cut_too():
    plain, extended = names("\ufdfa" * 80 + ".txt")
    assert (len(plain), plain[-4:]) == (255, ".txt")
    assert extended == "\ufdfa" * 80 + ".txt"


@pytest.mark.parametrize("slash", ["\uff0f", "\uff3c", "\u2100", "\u2105"])
def test_the_fallback_has_no_directory_that_the_name_had_not(slash):
    """Compatibility characters become slashes and more when accents are taken off."""
    plain, extended = names(f"..{slash}..{slash}etc")
    assert "/" not in plain
    assert "\\" not in plain
    assert extended == f"..{slash}..{slash}etc"


@pytest.mark.parametrize(
    "name", [None, "", "  ", "/", "a/", "a\\", "\r\n", "\ud800", ".", "..", "a/.."]
)
def test_without_a_name_only_the_kind_is_said(name):
    assert disposition_header(name, as_attachment=True) == "attachment"
    assert disposition_header(name, as_attachment=False) is None


@given(st.text(st.characters(codec=None), max_size=40).map(lambda name: name * 5))
def test_whatever_the_name_the_header_is_well_formed(name):
    header = disposition_header(name, as_attachment=True)
    match = HEADER.fullmatch(header)
    response = HttpResponse()
    response["Content-Disposition"] = header
    assert response["Content-Disposition"] == header
    if match[3] is not None:
        extended = unquote(match[3], errors="strict")
        assert not {"/", "\\"} & set(extended)
        assert len(extended.encode()) <= 255
        assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in extended)


@given(st.text(st.characters(min_codepoint=0xA1, max_codepoint=0xFFFD), min_size=1, max_size=20))
def test_others_read_the_name_that_was_written(name):
    header = disposition_header(f"{name}.txt", as_attachment=True)
    message = EmailMessage()
    message["Content-Disposition"] = header.split("; ")[0] + "; " + header.split("; ")[-1]
    written = unquote(header.partition("filename*=UTF-8''")[2])
    assert message.get_filename() == (written or header.split('"')[1])
