"""The public names: adding one is a decision, and taking one away is another."""

import django_streams
from django_streams import formats


def test_the_public_names_are_these():
    assert sorted(django_streams.__all__) == [
        "BYTES",
        "BrokenOff",
        "BytesMixin",
        "ClientDisconnected",
        "DecodeError",
        "EVENT_STREAM",
        "EncodeError",
        "Event",
        "EventParser",
        "EventStreamResponse",
        "EventStreamView",
        "Format",
        "ItemTooLarge",
        "JSONL",
        "JSONLinesMixin",
        "MSGPACK",
        "MessageEvent",
        "MessagePackMixin",
        "NoContent",
        "NotAcceptable",
        "Spawn",
        "StreamError",
        "StreamResponse",
        "StreamView",
        "TEXT",
        "TextMixin",
        "TruncatedStream",
        "decode",
    ]


def test_every_public_name_is_there_and_documented():
    for name in django_streams.__all__:
        value = getattr(django_streams, name)
        assert isinstance(value, formats.Format) or value.__doc__, name
