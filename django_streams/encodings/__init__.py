"""One value to bytes and back: JSON, MessagePack, CBOR, text, bytes and the rows of CSV.

An encoding knows nothing of how items are laid end to end (`framing` does) nor of media types
(`formats` does). Libraries do the work; what msgspec does not know by itself goes through `plain`,
and what neither knows is refused by name.
"""

from .arrays import StructArrays
from .base import MAX_DEPTH, Decode, Encode, Encoding, plain
from .cbor import CBOR
from .json import JSON
from .messagepack import MessagePack
from .rows import Row
from .text import Bytes, Text

__all__ = [
    "CBOR",
    "JSON",
    "MAX_DEPTH",
    "Bytes",
    "Decode",
    "Encode",
    "Encoding",
    "MessagePack",
    "Row",
    "StructArrays",
    "Text",
    "plain",
]
