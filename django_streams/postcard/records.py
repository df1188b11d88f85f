"""What fields a class has, in the order in which Postcard writes them, and how it is built again.

The order is that of the declaration. Only a Struct lists its keyword-only fields last, so that the
order is that of `__struct_fields__`.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from .codec import Codec, Problem
from .containers import Field, Make, dict_record, fixed, record


class Slot(NamedTuple):
    """A field before it has a codec."""

    name: str
    key: str
    hint: Any
    default: Callable[[], Any] | None = None


class Record(NamedTuple):
    """A class that is written as its fields."""

    slots: list[Slot]
    codec: Callable[[Sequence[Field]], Codec]
    """Makes a codec of its fields, once they have theirs."""


Describe = Callable[[Any, Any], Record]
"""From a type as it was given, perhaps with arguments, and its class."""


def is_record(hint: Any) -> bool:
    """Whether a type is one that `describe` describes."""
    return _family(_class_of(hint)) is not None


def describe(hint: Any) -> Record | None:
    """Returns the fields of a record type, None for a type of any other kind.

    Raises `Problem` for a class that cannot be built from its fields alone.
    """
    kind = _class_of(hint)
    family = _family(kind)
    if family is None:
        return None
    try:
        return family(hint, kind)
    except NameError as error:
        raise Problem(
            f"{kind.__name__} has a type hint that cannot be resolved: {error}"
        ) from error


def filled(hint: Any, arguments: Mapping[Any, Any]) -> Any:
    """Returns a type hint with its type variables replaced."""
    if isinstance(hint, typing.TypeVar):
        return arguments.get(hint, hint)
    variables = getattr(hint, "__parameters__", ())
    if not variables or isinstance(hint, type):
        return hint
    return hint[tuple(arguments.get(variable, variable) for variable in variables)]


def _class_of(hint: Any) -> Any:
    return typing.get_origin(hint) or hint


def _family(kind: Any) -> Describe | None:
    if not isinstance(kind, type):
        return None
    if issubclass(kind, msgspec.Struct):
        return _struct if kind is not msgspec.Struct else None
    if issubclass(kind, tuple):
        return _named_tuple if hasattr(kind, "_fields") else None
    if issubclass(kind, dict):
        return _typed_dict if hasattr(kind, "__total__") else None
    if hasattr(kind, "__attrs_attrs__"):
        return _attrs
    return _dataclass if dataclasses.is_dataclass(kind) else None


def _struct(hint: Any, kind: Any) -> Record:
    slots = [
        Slot(
            field.name,
            field.encode_name,
            field.type,
            _default(field.default, field.default_factory, msgspec.NODEFAULT),
        )
        for field in msgspec.structs.fields(hint)
    ]
    return _object(kind, slots, [slot.name for slot in slots])


def _dataclass(hint: Any, kind: Any) -> Record:
    hints = _hints(hint, kind)
    fields = dataclasses.fields(kind)
    slots = [
        Slot(
            field.name,
            field.name,
            hints[field.name],
            _default(field.default, field.default_factory, dataclasses.MISSING),
        )
        for field in fields
    ]
    return _object(kind, slots, [field.name for field in fields if field.init])


def _attrs(hint: Any, kind: Any) -> Record:
    import attrs  # noqa: PLC0415 - Optional; a class of it is at hand.

    hints = _hints(hint, kind)
    fields = attrs.fields(kind)
    slots = []
    for field in fields:
        if field.name not in hints:
            raise Problem(f"{kind.__name__}.{field.name} has no type hint")
        factory = getattr(field.default, "factory", attrs.NOTHING)
        if getattr(field.default, "takes_self", False):
            factory = attrs.NOTHING  # There is no object yet that it could be given.
        default = attrs.NOTHING if hasattr(field.default, "factory") else field.default
        name = field.name
        slots.append(Slot(name, name, hints[name], _default(default, factory, attrs.NOTHING)))
    return _object(kind, slots, [field.alias for field in fields if field.init])


def _typed_dict(hint: Any, kind: Any) -> Record:
    if kind.__optional_keys__:
        optional = ", ".join(sorted(kind.__optional_keys__))
        raise Problem(f"{kind.__name__} may lack {optional}, and Postcard has no absent fields")
    slots = [Slot(name, name, field) for name, field in _hints(hint, kind).items()]
    names = [slot.name for slot in slots]

    def make(values: list[Any]) -> dict[str, Any]:
        return dict(zip(names, values, strict=True))

    return Record(slots, lambda fields: dict_record(kind.__name__, fields, make))


def _named_tuple(hint: Any, kind: Any) -> Record:
    hints = _hints(hint, kind)
    for name in kind._fields:
        if name not in hints:
            raise Problem(f"{kind.__name__}.{name} has no type hint")
    slots = [Slot(name, name, hints[name]) for name in kind._fields]
    make = _calling(lambda values: kind(*values))

    def codec(fields: Sequence[Field]) -> Codec:
        parts = [(f".{field.key}", field.codec) for field in fields]
        return fixed(kind.__name__, (tuple, list), parts, make)

    return Record(slots, codec)


def _object(kind: Any, slots: list[Slot], arguments: list[str]) -> Record:
    """Describes a class that is built by its constructor, from `arguments`, one for each field."""
    if len(arguments) < len(slots):
        raise Problem(f"{kind.__name__} has fields that its constructor does not take (init=False)")
    parameters = inspect.signature(kind).parameters.values()
    for parameter in parameters:
        is_one = parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if is_one and parameter.default is parameter.empty and parameter.name not in arguments:
            raise Problem(f"{kind.__name__}() needs {parameter.name}, which is no field")
    by_position = [
        parameter.name
        for parameter in parameters
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    if by_position[: len(arguments)] == arguments:
        make = _calling(lambda values: kind(*values))
    else:
        make = _calling(lambda values: kind(**dict(zip(arguments, values, strict=True))))
    return Record(slots, partial(record, kind, make=make))


def _calling(construct: Make) -> Make:
    """Returns a constructor that refuses as msgspec's decoders do, by ValueError and TypeError."""

    def make(values: list[Any]) -> Any:
        try:
            return construct(values)
        except (TypeError, ValueError) as error:
            raise Problem(str(error)) from error

    return make


def _default(value: Any, factory: Any, missing: Any) -> Callable[[], Any] | None:
    if factory is not missing:
        made: Callable[[], Any] = factory
        return made
    return None if value is missing else lambda: value


def _hints(hint: Any, kind: Any) -> dict[str, Any]:
    """Returns the annotations of a class, with the arguments of `hint` for its type variables."""
    arguments = _arguments(hint, kind)
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name: filled(annotation, arguments) for name, annotation in hints.items()}


def _arguments(hint: Any, kind: Any) -> dict[Any, Any]:
    """Returns what stands for type variables: those of `hint`, and those of a class's bases."""
    variables = getattr(kind, "__parameters__", ())
    arguments = dict(zip(variables, typing.get_args(hint), strict=False))
    for base in getattr(kind, "__orig_bases__", ()):
        origin = typing.get_origin(base)
        if origin not in (None, typing.Generic):
            given = _arguments(base, origin).items()
            arguments = {key: filled(value, arguments) for key, value in given} | arguments
    return arguments
