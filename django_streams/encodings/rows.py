"""Rows of CSV as of RFC 4180, by the standard library's `csv`, in UTF-8.

A cell carries text, a number, a bool ("true", "false"), a date, a Decimal, a UUID, an Enum's value,
or nothing (None): as in JSON, but nothing that has parts. What is read are cells of text, each of
at most `csv.field_size_limit()` characters: 128 Ki unless the process has set another limit.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any

import msgspec

from django_streams.exceptions import DecodeError, EncodeError

from .base import (
    MAX_DEPTH,
    Decode,
    Encode,
    Encoding,
    article,
    builtins,
    damage,
    refusal,
    shown,
)
from .shaping import shaper
from .types import columns_of, describe, fields_of, is_record, record_like

__all__ = ["Row", "named_cells"]

FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - Spreadsheets take those too.
"""What begins a cell that a spreadsheet may run as a formula (OWASP, "CSV Injection")."""


class Row(Encoding):
    """One row of cells, by `columns` if they are given, with its line end.

    A value is a mapping, a dataclass, a Struct, or a sequence of cells. `escapes_formulas` puts an
    apostrophe in front of text that a spreadsheet would run as a formula: it is part of the cell
    then, for whoever reads the file otherwise. `has_only_these`: a mapping with further keys is
    refused, not cut.
    """

    name = "CSV"

    def __init__(
        self,
        columns: Sequence[str] | None = None,
        *,
        escapes_formulas: bool = False,
        has_only_these: bool = False,
    ) -> None:
        self.columns = None if columns is None else tuple(columns)
        self.escapes_formulas = escapes_formulas
        self.has_only_these = has_only_these

    def encoder(self, type: Any = Any, *, prefix: bytes = b"", suffix: bytes = b"") -> Encode:
        columns = self.columns or columns_of(type)
        prepare = None if type is Any else _shaped_cells(type, columns)
        most_keys = len(columns) if columns is not None and self.has_only_these else None
        cell = _escaped_cell if self.escapes_formulas else _cell
        write = csv.writer(_Echo()).writerow
        width = None if columns is None else len(columns)

        def encode(value: Any) -> bytes:
            nonlocal width
            if prepare is not None:
                value = prepare(value)
            if value.__class__ not in (list, tuple):
                value = _cells(value, columns, most_keys)
            if len(value) != width:
                width = _checked_width(value, width)
            # Text and ints are written as they are meant; anything else is looked at.
            if self.escapes_formulas or not _PLAIN.issuperset(map(_type, value)):
                value = [cell(part) for part in value]
            try:
                row: str = write(value)
                return prefix + row.encode() + suffix
            except (ValueError, csv.Error) as error:
                raise refusal(value, self, error) from error

        return encode

    def decoder(self, type: Any = Any, *, max_depth: int = MAX_DEPTH) -> Decode:
        """Returns a function from the bytes of one record to the list of its cells, as text."""
        describe(type)
        pending = _Pending()
        reader = csv.reader(pending, strict=True)

        def decode(data: bytes) -> list[str]:
            try:
                pending.append(data.decode())
                return next(reader)
            except UnicodeDecodeError as error:
                raise damage(error) from error
            except csv.Error as error:
                raise DecodeError(f"invalid CSV: {error}") from error

        return decode


class _Echo:
    """A file for `csv.writer`, whose `writerow()` returns what this `write()` returns: the row."""

    write = str


class _Pending(list[str]):
    """Gives `csv.reader` the one record that is to be read."""

    def __next__(self) -> str:
        if not self:
            raise StopIteration
        return self.pop()

    def __iter__(self) -> Iterator[str]:
        return self


def _shaped_cells(type: Any, columns: Sequence[str] | None) -> Callable[[Any], Any]:
    """Returns a function that makes a `type` of a row, also of cells by their places."""
    shape = shaper(type)
    by_name = is_record(type)
    fields = columns_of(type)

    def prepare(value: Any) -> Any:
        if by_name and columns is not None and value.__class__ in (list, tuple):
            if len(value) != len(columns):
                _checked_width(value, len(columns))
            value = dict(zip(columns, value, strict=True))
        elif not by_name and fields is not None and isinstance(value, Mapping):
            value = [value[name] for name in fields if name in value]  # For a NamedTuple.
        return shape(value)

    return prepare


def _cells(value: Any, columns: Sequence[str] | None, most_keys: int | None) -> Sequence[Any]:
    """Returns the cells of one value in the order of the columns."""
    if isinstance(value, (list, tuple)):
        return value
    row = named_cells(value)
    if columns is None:
        return list(row.values())
    if most_keys is not None and len(row) > most_keys:
        raise EncodeError(
            f"the row {shown(row)} has more than the first row's columns, which are "
            f"{', '.join(map(str, columns))}. Say which are wanted in columns."
        )
    try:
        return [row[column] for column in columns]
    except KeyError as error:
        raise EncodeError(
            f"the row {shown(row)} has no {error.args[0]!r}. The columns are "
            f"{', '.join(map(str, columns))}."
        ) from error


def named_cells(value: Any) -> Mapping[Any, Any]:
    """Returns the cells of a mapping or record by their columns; raises `EncodeError` for others.

    Of a record all fields, also those that JSON leaves out because they have their default.
    """
    if value.__class__ is dict or isinstance(value, Mapping):
        row: Mapping[Any, Any] = value
        return row
    record = None if isinstance(value, (str, bytes, int, float)) else record_like(value)
    if record is not None:
        return {field.encode_name: getattr(value, field.name) for field in fields_of(record)}
    try:
        named = builtins(value)  # A pydantic model, say.
    except RecursionError as error:
        raise EncodeError(f"{shown(value)} is nested too deeply for a row") from error
    if isinstance(named, dict):
        return named
    raise EncodeError(
        f"a row is a mapping, a dataclass, a Struct, a list or a tuple of cells; {shown(value)} is "
        f"{article(value)}."
    )


def _checked_width(cells: Sequence[Any], width: int | None) -> int:
    if width is None:
        return len(cells)
    raise EncodeError(
        f"the row {shown(cells)} has {len(cells)} cells, and the others have {width}."
    )


_PLAIN = {str, int}
_type = type


def _cell(value: Any) -> Any:
    """Returns what `csv` is to write for a value: text or a number."""
    kind = value.__class__
    if kind is str or kind is int:
        return value
    if kind is float and isfinite(value):
        return value
    if value is None or value is msgspec.UNSET:
        return ""
    if kind is bool:
        return "true" if value else "false"
    if kind is float:
        raise EncodeError(f"{value!r} has no form in JSON, so no format carries it.")
    if isinstance(value, (list, tuple, dict, set, frozenset, bytes)):
        raise EncodeError(f"a cell cannot carry {shown(value)}, which is {article(value)}.")
    text = builtins(value)
    if text.__class__ is kind or isinstance(text, (list, dict, bytes)):
        raise EncodeError(f"a cell cannot carry {shown(value)}, which is {article(value)}.")
    return _cell(text)


def _escaped_cell(value: Any) -> Any:
    cell = _cell(value)
    is_text = isinstance(cell, str) and not isinstance(value, Decimal)
    return f"'{cell}" if is_text and cell[:1] in FORMULA_STARTS else cell
