"""What every encoding has, and what they share: the hook for unknown types, and item types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import singledispatch
from typing import Any

import msgspec

from django_streams.exceptions import DecodeError, EncodeError

__all__ = ["MAX_DEPTH", "Decode", "Encode", "Encoding", "plain"]

Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], Any]
Special = Callable[[Any], bytes | None]

MAX_DEPTH = 64
"""Levels of arrays and maps that an item which is received may have: far more than data has that
people made, far fewer than exhaust a stack."""


class Encoding(ABC):
    """How one value is written as bytes and read back. Stateless."""

    name: str
    """What errors call it."""

    @abstractmethod
    def encoder(self, type: Any = Any, *, prefix: bytes = b"", suffix: bytes = b"") -> Encode:
        """Returns a function from one value to its bytes between `prefix` and `suffix`.

        Which raises `EncodeError`. Values become a `type` first: a mapping or any object with its
        attributes does, and what fits not is refused. The prefix and the suffix belong to the
        framing; they are added here because another call for each item would cost as much as
        encoding it.
        """

    @abstractmethod
    def decoder(self, type: Any = Any, *, max_depth: int = MAX_DEPTH) -> Decode:
        """Returns a function from the bytes of one whole item to a `type`; raises `DecodeError`.

        Arrays and maps may be nested `max_depth` levels deep.
        """


@singledispatch
def plain(value: Any) -> Any:
    """Returns something that can be encoded in place of `value`.

    Called for what msgspec does not know: it knows None, bool, int, float, str, bytes, list, tuple,
    set, dict, datetime, date, time, timedelta, UUID, Decimal, Enum, dataclasses, attrs,
    `TypedDict`, `NamedTuple` and `msgspec.Struct`. A function for one more type is added with
    `plain.register`:

        @plain.register
        def _(value: Money) -> str:
            return f"{value.amount} {value.currency}"

    Raises `EncodeError` for a type that it does not know either.
    """
    dump = getattr(value, "model_dump", None)
    if callable(dump):  # pydantic, known by its shape: it need not be installed.
        return dump()
    raise EncodeError(
        f"{shown(value)}, of type {_type_name(value)}, cannot be encoded. Yield plain values "
        "(dict, list, str, int, float, bool, None), dates, UUID, Decimal, Enum, dataclasses or "
        "msgspec.Struct, or turn the object into one of these in to_item()."
    )


@plain.register
def _(value: str) -> str:
    # A subclass, such as Django's SafeString or Jinja's Markup, whose own methods return it again.
    return str.__str__(value)


@plain.register(bool)
@plain.register(type(None))
@plain.register(tuple)
@plain.register(frozenset)
def _(value: Any) -> Any:
    # As values these are known: what asks about one has met it as a key.
    raise EncodeError(
        f"{shown(value)} is a key of a mapping, and {article(value)} cannot be one in JSON. Use a "
        "str, or another value that is text there."
    )


def _type_name(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def article(value: Any) -> str:
    """Returns the name of a value's type with its article."""
    name = type(value).__name__
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def template(prefix: bytes, suffix: bytes) -> bytes:
    """Returns what puts bytes between the two by `template % data`, in half the time of two `+`."""
    return prefix.replace(b"%", b"%%") + b"%b" + suffix.replace(b"%", b"%%")


def builtins(value: Any) -> Any:
    """Returns a value as JSON would have it, but for bytes: dicts, lists, str, numbers."""
    return msgspec.to_builtins(value, enc_hook=plain, builtin_types=(bytes,))


def shown(value: Any, length: int = 200) -> str:
    """Returns the beginning of a value's repr, for an error that must not fail itself."""
    try:
        return f"{value!r:.{length}}"
    except Exception:  # noqa: BLE001 - A huge int, a list that contains itself, a class's own bug.
        return f"{article(value)} without a repr"


def first_twice(names: Iterable[Any]) -> Any:
    """Returns the first of the names that was there before, None if all differ."""
    seen = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def refusal(value: Any, encoding: Encoding, error: Exception) -> EncodeError:
    """Returns what tells that a value cannot be encoded, with the library's reason."""
    if isinstance(error, EncodeError):  # From `plain`, which has named the object and the way out.
        return error
    return EncodeError(f"{shown(value)} cannot be encoded as {encoding.name}: {error}")


def placed(error: Exception) -> str:
    """Returns msgspec's message with the place in front: `$.age: expected an int, got a str`."""
    message, _, path = str(error).partition(" - at ")
    if message.partition(" ")[0].istitle():  # And not MessagePack, nor JSON.
        message = message[0].lower() + message[1:]
    return f"{path.strip('`')}: {message}" if path else message


def damage(error: Exception) -> DecodeError:
    """Returns what tells that bytes cannot be decoded, with the library's reason."""
    if isinstance(error, RecursionError):
        return DecodeError("nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return DecodeError(f"invalid UTF-8: {error.reason} at byte {error.start}")
    return DecodeError(placed(error))


def too_deep(max_depth: int) -> DecodeError:
    """Returns what tells that arrays and maps are nested too deeply."""
    return DecodeError(f"nested more than {max_depth} levels deep")
