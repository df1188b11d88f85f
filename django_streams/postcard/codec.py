"""What every Postcard codec is made of: the pair of functions, lengths, and what can go wrong.

A writer appends to one bytearray; a reader takes the whole input and a position, and returns the
value and the position after it. Neither knows where in the value it stands: a `Problem` collects
the steps of its path on the way out, so that the good case pays nothing for it.
https://postcard.jamesmunns.com/wire-format
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from django_streams.encodings import base, plain
from django_streams.exceptions import EncodeError

Write = Callable[[bytearray, Any], None]
Read = Callable[[bytes, int, int], tuple[Any, int]]
"""From the input, a position and how many containers may still be opened."""

TRUNCATED = "the input ends inside it"


class Codec(NamedTuple):
    """How the values of one type are written and read."""

    write: Write
    read: Read
    is_empty: bool = False
    """Whether its values take no bytes, as None alone does."""


class Problem(Exception):
    """What is wrong with a value, an input or a type, and where."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.steps: list[str] = []
        """From the place outwards: each container appends its own as the exception passes."""

    @property
    def path(self) -> str:
        return "$" + "".join(reversed(self.steps))

    def __str__(self) -> str:
        return f"{self.path}: {self.args[0]}"


class NotFinite(Problem):
    """A NaN or an Infinity that is to be written, in the words of all encodings."""

    def __str__(self) -> str:
        return (
            f"{self.args[0]} at {self.path} has no form in JSON, so no format carries it. Send "
            "None or a str instead."
        )


class TooDeep(Problem):
    """More containers within each other than the decoder's `max_depth`."""

    def __init__(self) -> None:
        super().__init__("nested too deeply")


def mismatch(expected: str, value: Any) -> Problem:
    """Returns the problem that `value` is not of the expected type."""
    return Problem(f"expected {expected}, got {type(value).__name__}")


def shown(value: Any) -> str:
    """Returns the beginning of a value's repr, shorter than elsewhere: a path stands before it."""
    return base.shown(value, 80)


def as_plain(value: Any) -> Any:
    """Returns what `plain` makes of a value, or the value: a lazy str becomes a str."""
    try:
        return plain(value)
    except EncodeError:
        return value


def write_varint(out: bytearray, number: int) -> None:
    """Appends seven bits a byte, the lowest first; the eighth says that more follow."""
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def varint_reader(bits: int) -> Callable[[bytes, int], tuple[int, int]]:
    """Returns a reader of varints that hold numbers of this many bits.

    As the specification has it, zeros may pad a varint up to the longest of its width ("Canonical
    encoding"), and neither more bytes nor more bits are accepted ("Maximum encoded length").
    """
    longest = -(-bits // 7)
    limit = 1 << bits

    def read(data: bytes, position: int) -> tuple[int, int]:
        number = 0
        for index, byte in enumerate(data[position : position + longest]):
            number |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                if number >= limit:
                    raise Problem(f"the varint overflows {bits} bits")
                return number, position + index + 1
        if len(data) - position < longest:
            raise Problem(TRUNCATED)
        raise Problem(f"the varint is longer than the {longest} bytes of {bits} bits")

    return read


read_index = varint_reader(32)
"""Of an enum's variant, which is a u32 in every Postcard."""

_read_usize = varint_reader(64)


def read_length(data: bytes, position: int) -> tuple[int, int]:
    """Reads the length before a string or a sequence, which the input has to have room for.

    Every element takes a byte or more (`hints` refuses the others), so that a forged length fails
    here, before anything is allocated for it.
    """
    length, position = _read_usize(data, position)
    if length > len(data) - position:
        raise Problem(f"its length is {length}, and {len(data) - position} bytes are left")
    return length, position
