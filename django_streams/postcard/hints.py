"""From a type hint to its codec, once for each type.

Refused are types of which Postcard could write nothing that its readers understand, and sequences
of what takes no bytes: a length of 2**60 would need no more input than one of 2, so that nothing in
the input would bound what is allocated for it.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union

import msgspec

from .codec import Codec, Problem
from .constraints import constrained
from .containers import (
    Field,
    Make,
    distinct,
    fixed,
    mapping,
    option,
    sequence,
    union,
)
from .records import describe, filled, is_record
from .scalars import MARKED, PLAIN, Width, enumeration, literal

_ALLOWED = (
    "It carries int, float, bool, str, bytes, None, datetime, date, time, timedelta, UUID, Decimal,"
    " Enum and Literal; list, set, frozenset, dict and tuple of given types; msgspec.Struct, "
    "dataclass, attrs, NamedTuple and TypedDict; X | None; and unions of such classes."
)

_Row = tuple[Any, Make]
"""What is accepted for a type of sequence, its own name first, and how it is made of a list."""

_SEQUENCES: dict[Any, _Row] = {
    list: ((list, tuple, set, frozenset), list),
    set: ((set, frozenset), distinct(set)),
    frozenset: ((frozenset, set), distinct(frozenset)),
}
_TUPLE: _Row = ((tuple, list, set, frozenset), tuple)

_Key = tuple[Any, str]

_codecs: dict[_Key, Codec] = {}


def codec_for(hint: Any) -> Codec:
    """Returns the codec of a type, always the same one for the same type.

    Raises `TypeError` for a type that Postcard cannot carry, with its place in `hint`.
    """
    if hint is Any:
        raise TypeError(
            "Postcard carries no types, so both sides need to know them: give the view an "
            "item_type, or the decoder a type."
        )
    key = _key(hint)
    if key is not None and key in _codecs:
        return _codecs[key]
    builder = _Builder()
    try:
        codec = builder.build(hint)
    except Problem as problem:
        raise TypeError(str(problem)) from problem
    # Only now: what was built on the way to an unsupported type may refer to it.
    _codecs.update(builder.finished())
    if key is not None:
        _codecs[key] = codec
    return codec


def _key(hint: Any) -> _Key | None:
    """Returns what names a type, or None for one that has no hash.

    `A | B` equals `B | A`, and would be given its codec, but for the order in its repr.
    """
    try:
        hash(hint)
    except TypeError:
        return None
    return hint, repr(hint)


class _Later:
    """Stands for a codec that is being built: a recursive type contains itself."""

    codec: Codec

    def proxy(self) -> Codec:
        def write(out: bytearray, value: Any) -> None:
            self.codec.write(out, value)

        def read(data: bytes, position: int, depth: int) -> tuple[Any, int]:
            return self.codec.read(data, position, depth)

        return Codec(write, read)


class _Builder:
    """Builds the codec of one type and of all that it consists of."""

    def __init__(self) -> None:
        self._named: dict[_Key, _Later] = {}
        """Types with a name, which may contain themselves."""

    def finished(self) -> dict[_Key, Codec]:
        return {key: later.codec for key, later in self._named.items()}

    def build(self, hint: Any, step: str = "") -> Codec:
        """Returns the codec of a type. Raises `Problem`, in whose path `step` leads to the type."""
        try:
            hint, notes = _unwrapped(hint)
            codec = self._annotated(hint, [note for note in notes if isinstance(note, Width)])
            return constrained(codec, [note for note in notes if isinstance(note, msgspec.Meta)])
        except Problem as problem:
            problem.steps.append(step)
            raise

    def _annotated(self, hint: Any, widths: list[Width]) -> Codec:
        if not widths:
            return self._bare(hint)
        width, kind = widths[-1], widths[-1].kind
        if hint is not kind:
            written = f"Annotated[{kind.__name__}, {width}]"
            raise Problem(f"{width} cannot annotate {_spelled(hint)}: write {written}")
        return MARKED[width]

    def _bare(self, hint: Any) -> Codec:
        if hint is None:
            hint = type(None)
        if isinstance(hint, type) and hint in PLAIN:
            return PLAIN[hint]
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            if issubclass(hint, enum.Flag):
                raise Problem(f"{_spelled(hint)} combines its members, and so has no index")
            return enumeration(hint)
        if is_record(hint) or _is_alias(hint):
            return self._named_once(hint)
        return self._generic(hint)

    def _named_once(self, hint: Any) -> Codec:
        key = _key(hint)
        if key is None:  # Nor could it be recognized inside itself.
            return self._named_type(hint)
        if key in _codecs:
            return _codecs[key]
        if key in self._named:
            return self._named[key].proxy()
        later = self._named[key] = _Later()
        later.codec = self._named_type(hint)
        return later.codec

    def _named_type(self, hint: Any) -> Codec:
        described = describe(hint)
        if described is None:
            return self.build(_alias_value(hint))
        fields = [
            Field(slot.name, slot.key, self.build(slot.hint, f".{slot.key}"), slot.default)
            for slot in described.slots
        ]
        return described.codec(fields)

    def _generic(self, hint: Any) -> Codec:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (Union, types.UnionType):
            return self._union(hint)
        if origin is Literal:
            return literal(list(arguments))
        if origin in _SEQUENCES and arguments:
            return self._sequence(hint, _SEQUENCES[origin], arguments[0])
        if origin is dict and arguments:
            return self._dict(hint, *arguments)
        if origin is tuple and arguments[1:] == (...,):
            return self._sequence(hint, _TUPLE, arguments[0])
        if origin is tuple and hasattr(hint, "__args__"):  # A bare `Tuple` has none.
            parts = [(f"[{i}]", self.build(part, f"[{i}]")) for i, part in enumerate(arguments)]
            return fixed("tuple", (tuple, list), parts, tuple)
        if origin is typing.NotRequired:
            raise Problem("it may be absent, and Postcard has no absent fields")
        raise Problem(f"Postcard cannot carry {_spelled(hint)}. {_ALLOWED}")

    def _sequence(self, hint: Any, row: _Row, element: Any) -> Codec:
        item = self.build(element, "[...]")
        if item.is_empty:
            raise _unbounded(hint)
        return sequence(item, *row)

    def _dict(self, hint: Any, key: Any, item: Any) -> Codec:
        codecs = self.build(key, ".keys()"), self.build(item, "[...]")
        if all(codec.is_empty for codec in codecs):
            raise _unbounded(hint)
        return mapping(*codecs)

    def _union(self, hint: Any) -> Codec:
        members = list(_members(hint))
        some = [member for member in members if member is not type(None)]
        codec = self.build(some[0]) if len(some) == 1 else self._union_of_records(hint, some)
        return codec if len(some) == len(members) else option(codec)

    def _union_of_records(self, hint: Any, members: list[Any]) -> Codec:
        kinds = [typing.get_origin(member) or member for member in members]
        for member, kind in zip(members, kinds, strict=True):
            if not is_record(member) or issubclass(kind, dict):
                raise Problem(
                    f"the union {_spelled(hint)} has {_spelled(member)}, which is no Struct, "
                    "dataclass, attrs class or NamedTuple: nothing tells which member a value is."
                )
        if len(set(kinds)) < len(kinds):
            raise Problem(f"the union {_spelled(hint)} has one class twice")
        codecs = [self.build(member) for member in members]
        return union(list(zip(kinds, codecs, strict=True)))


def _unwrapped(hint: Any) -> tuple[Any, list[Any]]:
    """Returns a type without what surrounds it, and its annotations."""
    notes: list[Any] = []
    while True:
        if typing.get_origin(hint) is Annotated:
            notes += hint.__metadata__
            hint = hint.__origin__
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif typing.get_origin(hint) in _QUALIFIERS:
            hint = typing.get_args(hint)[0]
        else:
            return hint, notes


_QUALIFIERS = (typing.Required, typing.Final, getattr(typing, "ReadOnly", typing.Required))
"""What may surround the type of a field and says nothing of its form. `ReadOnly` is of 3.13."""


def _members(hint: Any) -> Iterator[Any]:
    """Yields the members of a union in order, and those of unions that aliases stand for."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        for member in typing.get_args(hint):
            yield from _members(member)
    elif _is_alias(hint) and typing.get_origin(_alias_value(hint)) in (Union, types.UnionType):
        yield from _members(_alias_value(hint))
    else:
        yield hint


def _is_alias(hint: Any) -> bool:
    # By its name: typing has the type since 3.12, and typing_extensions one of its own.
    return type(typing.get_origin(hint) or hint).__name__ == "TypeAliasType"


def _alias_value(hint: Any) -> Any:
    alias = typing.get_origin(hint) or hint
    arguments = dict(zip(alias.__type_params__, typing.get_args(hint), strict=False))
    return filled(alias.__value__, arguments)


def _unbounded(hint: Any) -> Problem:
    return Problem(
        f"the elements of {_spelled(hint)} take no bytes, so nothing bounds how many a few bytes "
        "of input could claim. Send their number instead."
    )


def _spelled(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) else repr(hint).replace("typing.", "")
