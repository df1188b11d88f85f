"""The table of formats. A new format is a row here."""

from __future__ import annotations

from collections.abc import Iterable

from django_streams.encodings import (
    CBOR,
    JSON,
    Bytes,
    Encoding,
    MessagePack,
    Row,
    StructArrays,
    Text,
)
from django_streams.framing import (
    CBORSequence,
    CodePoints,
    Concatenated,
    Elements,
    Frames,
    Lines,
    Records,
    RecordSeparated,
    Unframed,
)
from django_streams.postcard import Postcard

from .base import Format
from .csv import CSVFormat
from .event_stream import EventStreamFormat

TEXT = Format(
    "text",
    "text/plain; charset=utf-8",
    Text(),
    CodePoints(),
    extension=".txt",
    tells_errors=False,
)
BYTES = Format(
    "bytes",
    "application/octet-stream",
    Bytes(),
    Unframed(),
    extension=".bin",
    tells_errors=False,
)
JSONL = Format(
    "jsonl",
    "application/jsonl",
    JSON(),
    Lines(),
    aliases=("application/x-ndjson",),
    extension=".jsonl",
    heartbeat=b"\n",
)
JSON_SEQ = Format(
    "json-seq",
    "application/json-seq",
    JSON(),
    RecordSeparated(),
    extension=".json-seq",
)
JSON_ARRAY = Format(
    "json",
    "application/json",
    JSON(),
    Elements(),
    extension=".json",
    head=b"[",
    tail=b"]",
    tells_errors=False,
)
MSGPACK = Format(
    "msgpack",
    "application/vnd.msgpack",
    MessagePack(),
    Concatenated(),
    aliases=("application/msgpack", "application/x-msgpack"),
    extension=".msgpack",
)
CBOR_SEQ = Format(
    "cbor-seq",
    "application/cbor-seq",
    CBOR(),
    CBORSequence(),
    extension=".cborseq",
)
CSV = CSVFormat(
    "csv",
    "text/csv; charset=utf-8",
    Row(),
    Records(),
    extension=".csv",
    tells_errors=False,
)
EVENT_STREAM = EventStreamFormat(
    "event-stream",
    "text/event-stream",
    JSON(),
    Unframed(),
    extension=".txt",
    heartbeat=b":\n\n",
    beats_by_default=True,
    breaks_off=False,
)


def _dioxus(name: str, encoding: Encoding) -> Format:
    """Returns a format of Dioxus Fullstack's `Streaming<T, E>`: a frame for each item."""
    return Format(
        f"dioxus-{name}",
        f"application/stream+{name}",
        encoding,
        Frames(),
        tells_errors=False,
        joins_items=False,
    )


DIOXUS_JSON = _dioxus("json", JSON())
DIOXUS_CBOR = _dioxus("cbor", CBOR())
DIOXUS_MSGPACK = _dioxus("msgpack", StructArrays())
DIOXUS_POSTCARD = _dioxus("postcard", Postcard())

FORMATS: tuple[Format, ...] = (
    TEXT,
    BYTES,
    JSONL,
    JSON_SEQ,
    JSON_ARRAY,
    MSGPACK,
    CBOR_SEQ,
    CSV,
    EVENT_STREAM,
    DIOXUS_JSON,
    DIOXUS_CBOR,
    DIOXUS_MSGPACK,
    DIOXUS_POSTCARD,
)
"""Every format there is."""


def find_format(content_type: str, formats: Iterable[Format] = FORMATS) -> Format | None:
    """Returns which of the formats a Content-Type names, by any of its names, or None."""
    media_type = content_type.partition(";")[0].strip().lower()
    for format in formats:
        if media_type in (name.partition(";")[0] for name in format.media_types):
            return format
    return None
