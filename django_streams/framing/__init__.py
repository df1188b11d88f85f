"""How items are laid end to end, and how they are found again.

A framing turns the bytes of one item into its place in the stream, and cuts a stream back into the
bytes of its items. It works on bytes alone, so no code point is ever split, and knows nothing of
what they mean: an item that is found may still be refused when it is decoded. A splitter is sans-IO
and bounded, and its work grows with the bytes and not with the number of pieces they come in.
"""

from .base import Framing, Splitter
from .binary import Concatenated, Frames
from .cbor import CBORSequence
from .json_array import Elements
from .json_seq import RecordSeparated
from .rows import Records
from .text import CodePoints, Lines, Unframed

__all__ = [
    "CBORSequence",
    "CodePoints",
    "Concatenated",
    "Elements",
    "Frames",
    "Framing",
    "Lines",
    "RecordSeparated",
    "Records",
    "Splitter",
    "Unframed",
]
