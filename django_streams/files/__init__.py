"""One file and one request: what is sent of it, without a view or a response."""

from .byteranges import ByteRanges
from .conditions import Outcome, evaluate
from .disposition import disposition_header
from .opened import (
    SLICE_BYTES,
    FileShrunk,
    Openable,
    OpenedFile,
    guess_content_type,
    open_file,
)
from .paths import leads_nowhere, open_beneath, open_local
from .ranges import MAX_RANGES, ByteRange, RangeNotSatisfiable, content_range, parse_range
from .selected import Segment, Selection, select

__all__ = [
    "MAX_RANGES",
    "SLICE_BYTES",
    "ByteRange",
    "ByteRanges",
    "FileShrunk",
    "Openable",
    "OpenedFile",
    "Outcome",
    "RangeNotSatisfiable",
    "Segment",
    "Selection",
    "content_range",
    "disposition_header",
    "evaluate",
    "guess_content_type",
    "leads_nowhere",
    "open_beneath",
    "open_file",
    "open_local",
    "parse_range",
    "select",
]
