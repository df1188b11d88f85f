"""The public names: adding one is a decision, and taking one away is another."""

import django_streams


def test_the_public_names_are_these():
    assert sorted(django_streams.__all__) == [
        "BYTES",
        "BrokenOff",
        "BytesMixin",
        "CBORMixin",
        "CBOR_SEQ",
        "CSV",
        "CSVFormat",
        "CSVMixin",
        "Char",
        "ClientDisconnected",
        "DIOXUS_CBOR",
        "DIOXUS_JSON",
        "DIOXUS_MSGPACK",
        "DIOXUS_POSTCARD",
        "DecodeError",
        "DioxusMixin",
        "EVENT_STREAM",
        "EncodeError",
        "Event",
        "EventParser",
        "EventStreamResponse",
        "EventStreamView",
        "F32",
        "F64",
        "FORMATS",
        "Format",
        "I128",
        "I16",
        "I32",
        "I64",
        "I8",
        "ItemTooLarge",
        "JSONArrayMixin",
        "JSONL",
        "JSONLinesMixin",
        "JSONSequenceMixin",
        "JSON_ARRAY",
        "JSON_SEQ",
        "MSGPACK",
        "MessageEvent",
        "MessagePackMixin",
        "NoContent",
        "NotAcceptable",
        "PostcardMixin",
        "Spawn",
        "StreamError",
        "StreamResponse",
        "StreamView",
        "TEXT",
        "TextMixin",
        "TruncatedStream",
        "U128",
        "U16",
        "U32",
        "U64",
        "U8",
        "decode",
        "find_format",
    ]


def test_every_public_name_is_there_and_documented():
    for name in django_streams.__all__:
        value = getattr(django_streams, name)
        assert name.isupper() or value.__doc__, name
