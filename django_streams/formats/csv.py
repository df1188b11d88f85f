"""CSV as a format: a header row, then a row for each item (RFC 4180)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from django_streams.encodings import MAX_DEPTH, Encode, Row
from django_streams.encodings.base import damage, first_twice
from django_streams.encodings.finite import refuse_nonfinite_received
from django_streams.encodings.rows import named_cells
from django_streams.encodings.types import (
    columns_of,
    describe,
    is_named,
    is_nullable,
    is_record,
    record_like,
)
from django_streams.exceptions import DecodeError
from django_streams.framing import Splitter

from .base import MAX_ITEM, Format, ItemDecoder

__all__ = ["CSVFormat"]

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, repr=False)
class CSVFormat(Format):
    """Rows of CSV. An item is a mapping, a dataclass, a Struct, or a list or tuple of cells.

    The header has `columns`, or else the fields of the item type, or else the keys of the first
    item; sequences alone have none. What is read are dicts by the header, all of text, or a type
    whose fields are converted from text; an empty cell is None where the field may be.
    """

    columns: tuple[str, ...] | None = None
    """The columns, in order: of what a mapping has, these are sent."""
    has_header: bool = True
    bom: bool = False
    """Whether a byte order mark comes first: Excel takes the file for UTF-8 only then."""
    escapes_formulas: bool = False
    """Whether text that a spreadsheet would run as a formula gets an apostrophe in front. For files
    that people open; whoever reads one by program finds the apostrophe in the data."""

    def opening(self, item_type: Any = None) -> bytes:
        """Returns the byte order mark and the header row, as far as the columns are known."""
        columns = self._columns(item_type)
        return (BOM if self.bom else b"") + (self._header(columns) if columns else b"")

    def encoder(self, item_type: Any = None) -> Encode:
        type = Any if item_type is None else item_type
        columns = self._columns(type)
        with self._configured():
            if columns is None:
                return self._encoder_by_first_item(type)
            return self._row(columns).encoder(type)

    def encode(self, item: Any, item_type: Any = None) -> bytes:
        """Returns one row, without a header; raises `EncodeError`."""
        return self._row(self._columns(item_type)).encoder(item_type or Any)(item)

    def decoder(
        self, type: Any = Any, *, max_item: int = MAX_ITEM, max_depth: int = MAX_DEPTH
    ) -> ItemDecoder:
        with self._configured():
            return _RowDecoder(self, type, self.framing.splitter(max_item))

    def _columns(self, item_type: Any) -> tuple[str, ...] | None:
        return self.columns or columns_of(item_type)

    def _row(self, columns: tuple[str, ...] | None, **options: bool) -> Row:
        return Row(columns, escapes_formulas=self.escapes_formulas, **options)

    def _header(self, columns: tuple[str, ...]) -> bytes:
        return self._row(None).encoder()(columns) if self.has_header else b""

    def _encoder_by_first_item(self, type: Any) -> Encode:
        describe(type)
        encode: Encode | None = None

        def encode_item(item: Any) -> bytes:
            nonlocal encode
            if encode is not None:
                return encode(item)
            columns = _names(item)
            encode = self._row(columns, has_only_these=True).encoder(type)
            row = encode(item)
            return self._header(columns) + row if columns else row

        return encode_item


def _names(item: Any) -> tuple[Any, ...] | None:
    """Returns the columns of the first item; None for a sequence, which has none."""
    if isinstance(item, (list, tuple)):
        return getattr(item, "_fields", None)
    return tuple(named_cells(item))


class _RowDecoder(ItemDecoder):
    """Reads the header, and each row by it."""

    def __init__(self, format: CSVFormat, type: Any, splitter: Splitter) -> None:
        describe(type)
        self._cells = Row().decoder()
        self._names: tuple[str, ...] | None = None
        self._awaits_first = True
        self._awaits_header = format.has_header
        if not format.has_header:
            self._names = format.columns or columns_of(type)
        self._convert = _converter(type)
        super().__init__(splitter, self._decode_row)

    def _items(self, pieces: Iterator[bytes]) -> Iterator[Any]:
        return super()._items(self._rows(pieces))

    def _rows(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self._awaits_first:
                self._awaits_first = False
                piece = piece.removeprefix(BOM)
            if self._awaits_header:
                self._awaits_header = False
                self._names = _header(self._cells(piece))
            else:
                yield piece

    def _decode_row(self, piece: bytes) -> Any:
        cells, names = self._cells(piece), self._names
        if names is not None and len(cells) != len(names):
            raise DecodeError(f"the row has {len(cells)} cells for {len(names)} columns")
        item = self._convert(cells, names)
        if _MAYBE_NONFINITE.search(piece):
            refuse_nonfinite_received(_cells_by_name(item))
        return item


_MAYBE_NONFINITE = re.compile(rb"(?i)nan|inf")


def _header(names: list[str]) -> tuple[str, ...]:
    twice = first_twice(names)
    if twice is not None:
        raise DecodeError(f"the header has the column {twice!r:.100} twice")
    return tuple(names)


Convert = Callable[[list[str], tuple[str, ...] | None], Any]


def _cells_by_name(item: Any) -> Any:
    """Returns the cells of an item that was made of a row, as far as they can be looked at."""
    record = record_like(item)
    if record is None:
        return item
    return {field.encode_name: getattr(item, field.name, None) for field in record.fields}


def _converter(type: Any) -> Convert:
    """Returns a function from the cells of a row, and the columns' names, to an item."""
    by_name = is_named(type)
    # A NamedTuple has names, and yet msgspec makes it of a sequence.
    order = None if is_record(type) else columns_of(type)
    nullable: tuple[bool, ...] = ()

    def convert(cells: list[str], names: tuple[str, ...] | None) -> Any:
        nonlocal nullable
        if type is Any:
            return cells if names is None else dict(zip(names, cells, strict=True))
        if len(nullable) != len(cells):
            places = enumerate(names if by_name and names else [""] * len(cells))
            nullable = tuple(is_nullable(type, name, place) for place, name in places)
        value: Any = [
            cell or (None if may else "") for cell, may in zip(cells, nullable, strict=True)
        ]
        if by_name and names is not None:
            value = dict(zip(names, value, strict=True))
            if order is not None:
                value = [value[name] for name in order if name in value]
        try:
            return msgspec.convert(value, type, strict=False)
        except msgspec.ValidationError as error:
            raise damage(error) from error

    return convert
