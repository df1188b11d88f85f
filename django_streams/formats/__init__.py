"""Encoding times framing is one media type: the table of formats, and the choice of one."""

from . import values as values  # Registers Django's types.
from .base import MAX_ITEM, Format, ItemDecoder, decode
from .choice import choose_format, find_by_name, is_choice
from .csv import CSVFormat
from .event_stream import EventStreamFormat
from .table import (
    BYTES,
    CBOR_SEQ,
    CSV,
    DIOXUS_CBOR,
    DIOXUS_JSON,
    DIOXUS_MSGPACK,
    DIOXUS_POSTCARD,
    EVENT_STREAM,
    FORMATS,
    JSON_ARRAY,
    JSON_SEQ,
    JSONL,
    MSGPACK,
    TEXT,
    find_format,
)

__all__ = [
    "BYTES",
    "CBOR_SEQ",
    "CSV",
    "DIOXUS_CBOR",
    "DIOXUS_JSON",
    "DIOXUS_MSGPACK",
    "DIOXUS_POSTCARD",
    "EVENT_STREAM",
    "FORMATS",
    "JSONL",
    "JSON_ARRAY",
    "JSON_SEQ",
    "MAX_ITEM",
    "MSGPACK",
    "TEXT",
    "CSVFormat",
    "EventStreamFormat",
    "Format",
    "ItemDecoder",
    "choose_format",
    "decode",
    "find_by_name",
    "find_format",
    "is_choice",
]
