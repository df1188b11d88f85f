"""`events`: what is sent is what a client dispatches, and nothing else."""

import json
from datetime import timedelta
from pathlib import Path

import httpx_sse._decoders
import pytest
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from hypothesis import given
from hypothesis import strategies as st

from django_streams import EncodeError, Event, EventParser, ItemTooLarge, MessageEvent

VECTORS = json.loads((Path(__file__).parent / "vectors" / "sse.json").read_text())

TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n\0: \x85\u2028"))


def parsed(wire: bytes, size: int | None = None) -> tuple[list[MessageEvent], EventParser]:
    parser = EventParser()
    size = size or max(len(wire), 1)
    events = []
    for start in range(0, len(wire), size):
        events += parser.feed(wire[start : start + size])
    return [*events, *parser.close()], parser


def dispatched(events: list[MessageEvent]) -> list[dict]:
    return [{"type": e.type, "data": e.data, "id": e.last_event_id} for e in events]


def read_by_httpx_sse(wire: bytes) -> list[tuple[str, str, str]]:
    """What an independent reader dispatches. Its own line splitting is the standard's."""
    lines, decoder = httpx_sse._decoders.SSELineDecoder(), httpx_sse._decoders.SSEDecoder()
    found = [decoder.decode(line) for line in [*lines.decode(wire.decode()), *lines.flush()]]
    return [(e.event, e.data, e.id) for e in found if e is not None]


@pytest.mark.parametrize("row", VECTORS["encode"], ids=lambda row: json.dumps(row["event"])[:40])
def test_an_event_of_the_vectors_is_dispatched_as_they_say(row):
    events, parser = parsed(Event(**row["event"]).encode())
    assert dispatched(events) == row["dispatched"]
    if "reconnection_ms" in row:
        assert parser.reconnection_time == row["reconnection_ms"]
    if "last_event_id_after" in row:
        assert parser.last_event_id == row["last_event_id_after"]


@pytest.mark.parametrize("row", VECTORS["reject"], ids=lambda row: json.dumps(row["event"])[:40])
def test_an_event_that_the_vectors_reject_is_not_made(row):
    with pytest.raises(ValueError, match=r"event=|id=|retry="):
        Event(**row["event"])


@pytest.mark.parametrize("row", VECTORS["parse"], ids=lambda row: repr(row["wire"])[:40])
def test_a_wire_of_the_vectors_is_parsed_alike_whole_and_in_any_two_pieces(row):
    wire = row["wire"].encode()
    assert dispatched(parsed(wire)[0]) == row["dispatched"]
    assert dispatched(parsed(wire, size=1)[0]) == row["dispatched"]
    for split in range(len(wire) + 1):
        parser = EventParser()
        events = [*parser.feed(wire[:split]), *parser.feed(wire[split:])]
        assert dispatched(events) == row["dispatched"], split


@given(data=TEXT, comment=st.none() | TEXT, following=TEXT)
def test_no_text_can_make_another_field_or_event(data, comment, following):
    wire = Event(data, event="x", id="1", comment=comment).encode() + Event(following).encode()
    expected = [("x", normalised(data), "1"), ("message", normalised(following), "1")]
    assert read_by_httpx_sse(wire) == expected
    ours = [(e.type, e.data, e.last_event_id) for e in parsed(wire)[0]]
    assert ours == expected


def normalised(data: str) -> str:
    return data.replace("\r\n", "\n").replace("\r", "\n")


@given(event=TEXT, id=TEXT)
def test_a_type_or_id_is_either_refused_or_arrives_as_it_is(event, id):
    try:
        wire = Event("x", event=event, id=id).encode()
    except ValueError:
        assert any(char in event + id for char in "\r\n\0")
        return
    [received] = parsed(wire)[0]
    assert (received.type, received.last_event_id) == (event or "message", id)
    assert read_by_httpx_sse(wire) == [(event or "message", "x", id)]


@given(
    wire=st.binary() | st.text("data:idevnt \r\n\0").map(str.encode),
    cuts=st.lists(st.integers(0, 99)),
)
def test_any_bytes_are_parsed_alike_however_they_are_cut(wire, cuts):
    parser, events, position = EventParser(), [], 0
    for cut in sorted(cuts):
        events += parser.feed(wire[position:cut])
        position = max(position, cut)
    events += parser.feed(wire[position:])
    assert events == parsed(wire)[0]


def test_json_is_one_line_of_data():
    [event] = parsed(Event.json({"text": "a\nb"}, id="7", event="token").encode())[0]
    assert (event.json(), event.last_event_id, event.type) == ({"text": "a\nb"}, "7", "token")


def test_json_that_cannot_be_encoded_is_refused():
    with pytest.raises(EncodeError, match=r"nan at \$\.n"):
        Event.json({"n": float("nan")})


def test_html_is_the_rendered_template():
    [event] = parsed(Event.html("greeting.html", {"name": "<Ada>"}, event="card").encode())[0]
    assert (event.type, event.data) == ("card", "<b>&lt;Ada&gt;</b>\n<i>hello</i>")


def test_an_empty_event_is_dispatched():
    assert dispatched(parsed(Event.empty().encode())[0]) == [
        {"type": "message", "data": "", "id": ""}
    ]


@pytest.mark.parametrize(
    ("retry", "milliseconds"), [(0, 0), (1.5, 1500), (timedelta(minutes=1), 60000), (0.0004, 0)]
)
def test_retry_is_sent_in_whole_milliseconds(retry, milliseconds):
    assert parsed(Event(retry=retry).encode())[1].reconnection_time == milliseconds


@pytest.mark.parametrize("retry", [float("nan"), float("inf"), True, timedelta(-1)])
def test_a_retry_that_is_no_time_is_refused(retry):
    with pytest.raises(ValueError, match="retry="):
        Event(retry=retry)


def test_lazy_and_safe_strings_are_text():
    event = Event(lazystr("hello"), event=mark_safe("greeting"))
    assert dispatched(parsed(event.encode())[0]) == [
        {"type": "greeting", "data": "hello", "id": ""}
    ]
    assert type(event.data) is str


def test_data_that_is_no_text_is_refused_and_the_error_shows_the_way():
    with pytest.raises(TypeError, match=r"data=\{'a': 1\} is not a str; .* Event\.json"):
        Event({"a": 1})


def test_text_that_is_no_utf8_is_refused():
    with pytest.raises(EncodeError, match="surrogates not allowed"):
        Event("\ud800").encode()


def test_events_are_frozen_and_comparable():
    event = Event("x", id="1")
    assert event == Event("x", id="1")
    with pytest.raises(AttributeError):
        event.data = "y"


def test_an_event_larger_than_allowed_is_refused_after_those_before_it():
    parser = EventParser(max_event=20)
    events = parser.feed(b"data: a\n\ndata: " + b"x" * 30)
    assert next(events).data == "a"
    with pytest.raises(ItemTooLarge, match="20 bytes"):
        next(events)


def test_an_event_larger_than_allowed_is_refused_also_line_by_line():
    parser = EventParser(max_event=20)
    with pytest.raises(ItemTooLarge):
        for _ in range(10):
            list(parser.feed(b"data: xy\n"))


def test_a_reconnection_time_of_absurd_length_is_ignored():
    events, parser = parsed(b"retry: " + b"9" * 5000 + b"\ndata: x\n\n")
    assert (len(events), parser.reconnection_time) == (1, None)


def test_an_event_that_has_not_ended_is_dropped():
    assert parsed(b"data: a\n\ndata: b\n")[0] == [MessageEvent("message", "a", "")]
