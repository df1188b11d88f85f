"""The mixins that fix a view's format: class DogList(JSONLinesMixin, StreamView)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_streams.formats import (
    BYTES,
    CBOR_SEQ,
    CSV,
    DIOXUS_JSON,
    DIOXUS_POSTCARD,
    JSON_ARRAY,
    JSON_SEQ,
    JSONL,
    MSGPACK,
    TEXT,
)

__all__ = [
    "BytesMixin",
    "CBORMixin",
    "CSVMixin",
    "DioxusMixin",
    "JSONArrayMixin",
    "JSONLinesMixin",
    "JSONSequenceMixin",
    "MessagePackMixin",
    "PostcardMixin",
    "TextMixin",
]


class TextMixin:
    """Items are text (`text/plain`)."""

    format = TEXT


class BytesMixin:
    """Items are bytes (`application/octet-stream`)."""

    format = BYTES


class JSONLinesMixin:
    """Items are JSON values, one a line (`application/jsonl`)."""

    format = JSONL


class MessagePackMixin:
    """Items are MessagePack values, one after the other (`application/vnd.msgpack`)."""

    format = MSGPACK


class JSONSequenceMixin:
    """Items are JSON texts, as in RFC 7464 (`application/json-seq`)."""

    format = JSON_SEQ


class JSONArrayMixin:
    """Items are the elements of one JSON array (`application/json`)."""

    format = JSON_ARRAY


class CBORMixin:
    """Items are CBOR values, as in RFC 8742 (`application/cbor-seq`); the extra `cbor`."""

    format = CBOR_SEQ


class PostcardMixin:
    """Items are Postcard messages in Dioxus's frames; the view needs an `item_type`."""

    format = DIOXUS_POSTCARD


class DioxusMixin:
    """Items are JSON in frames, for Dioxus's `Streaming<T, JsonEncoding>`.

    For its other encodings set `format` to DIOXUS_CBOR, DIOXUS_MSGPACK or DIOXUS_POSTCARD.
    """

    format = DIOXUS_JSON


class CSVMixin:
    """Items are rows of CSV (`text/csv`): mappings, dataclasses, Structs, or sequences of cells.

    With a `filename` a browser saves them. The attributes are those of `CSVFormat`.
    """

    columns: Sequence[str] | None = None
    """The header and, of each mapping, what is sent; by default the fields of `item_type`, or else
    the keys of the first row."""
    has_header = True
    bom = False
    """Whether a byte order mark comes first: Excel takes the file for UTF-8 only then."""
    escapes_formulas = False
    """Whether text that a spreadsheet would run as a formula gets an apostrophe in front."""

    def get_columns(self) -> Any:
        """Returns the names of the columns, or None."""
        return self.columns

    def get_format(self) -> Any:
        """Returns CSV with this view's options."""
        columns = self._asked(self.get_columns)  # type: ignore[attr-defined]
        if isinstance(columns, str):
            raise ImproperlyConfigured(f"columns is {columns!r}; it takes a list of names.")
        return replace(
            CSV,
            columns=None if columns is None else tuple(columns),
            has_header=self.has_header,
            bom=self.bom,
            escapes_formulas=self.escapes_formulas,
        )
