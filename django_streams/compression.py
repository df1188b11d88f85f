"""What a reader takes, compressed as it leaves: content codings (RFC 9110 8.4), and their choice.

Every chunk is flushed, so a client can decode each event when it arrives; and the coding's own end
comes only after the last chunk of a stream that ended well, so what was cut shows in the coding
too. Windows are small: an open stream holds one for as long as it lasts. Knows no Django, no
request and no buffer.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

__all__ = ["CODINGS", "Coding", "CompressedChunks", "choose_coding", "compressed"]

WINDOW_BITS = 12
"""A window of 4 KiB: two dozen events to find the next one's words in. It is the most of what a
compressor holds for as long as a stream is open, and larger ones gain little."""

GZIP_MEMORY_LEVEL = 5
"""zlib's tables to fit that window: 36 KiB in all, where its own choice (window 15, level 8) takes
205. The events of `benchmarks/compression.py` become 4.3 times smaller by it, not 4.6."""

ZSTD_PARAMETERS = {
    "compression_level": 6,
    "window_log": WINDOW_BITS,
    "hash_log": 10,
    "chain_log": 11,
}
"""Zstandard's tables do not follow its window: without the last two they would be 3 MB a stream.
So it is 60 KiB, and about what gzip saves in less time; lower levels save less."""

PIECE = 64 * 1024
"""Bytes that are compressed before the event loop has its turn: a millisecond's work. Chunks are
larger only where one item is."""


class Compressor(Protocol):
    """Compresses one stream."""

    def compress(self, data: bytes) -> bytes:
        """Takes some data; returns what can be said of it by now, perhaps b""."""

    def flush(self) -> bytes:
        """Returns what is missing to decode all data so far."""

    def finish(self) -> bytes:
        """Returns the end of the stream."""


class Gzip:
    """A gzip stream (RFC 1952)."""

    __slots__ = ("_deflate", "compress")

    def __init__(self) -> None:
        gzip = 16  # What zlib wants added for gzip's header and trailer.
        self._deflate = zlib.compressobj(wbits=gzip + WINDOW_BITS, memLevel=GZIP_MEMORY_LEVEL)
        self.compress = self._deflate.compress

    def flush(self) -> bytes:
        return self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._deflate.flush(zlib.Z_FINISH)


class Zstandard:
    """A frame of Zstandard (RFC 8878), by the library of Python 3.14."""

    __slots__ = ("_encoder", "compress")

    def __init__(self) -> None:
        parameter = _zstd.CompressionParameter
        options = {parameter[name]: value for name, value in ZSTD_PARAMETERS.items()}
        self._encoder = _zstd.ZstdCompressor(options=options)
        self.compress: Callable[[bytes], bytes] = self._encoder.compress

    def flush(self) -> bytes:
        flushed: bytes = self._encoder.flush(self._encoder.FLUSH_BLOCK)
        return flushed

    def finish(self) -> bytes:
        finished: bytes = self._encoder.flush(self._encoder.FLUSH_FRAME)
        return finished


@dataclass(frozen=True)
class Coding:
    """A content coding: its name in Content-Encoding, and what compresses a stream in it."""

    name: str
    compressor: Callable[[], Compressor]


try:
    _zstd: Any = import_module("compression.zstd")
except ImportError:  # Python before 3.14, or built without it.
    _zstd = None

CODINGS = (
    *([Coding("zstd", Zstandard)] if _zstd else []),
    Coding("gzip", Gzip),
)
"""Those there are, the preferred one first."""


def choose_coding(accept: str | None, codings: Sequence[Coding] = CODINGS) -> Coding | None:
    """Returns the coding that an Accept-Encoding header likes best (RFC 9110 12.5.3), or None for
    none: identity.

    Quality decides, and among equals the order of `codings`. `identity` is preferred only by a
    higher quality of its own, and it is what a client gets that admits nothing: an answer it may
    not like is worth more to it than a refusal. The same without a header, which would admit all.
    """
    qualities = _qualities(accept or "")
    rest = qualities.get("*", 0.0)
    best, coding = 0.0, None
    for offered in codings:
        quality = qualities.get(offered.name, rest)
        if quality > best:
            best, coding = quality, offered
    return coding if best >= qualities.get("identity", 0.0) else None


def _qualities(accept: str) -> dict[str, float]:
    """Returns the weight of each coding, 0 if it is none that RFC 9110 12.4.2 knows."""
    qualities = {}
    for member in accept.lower().split(","):
        name, _, parameter = (part.strip() for part in member.partition(";"))
        weight = _WEIGHT.fullmatch(parameter or "q=1")
        # x-gzip is an old name of gzip (RFC 9110 8.4.1.3).
        qualities[name.removeprefix("x-")] = float(weight[1]) if weight else 0.0
    return qualities


_WEIGHT = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)


class CompressedChunks:
    """An asynchronous iterator: one compressed object for each of `chunks`, and the coding's end.

    An empty chunk stays empty: it is there for the headers. What `chunks` raises is raised, and no
    end comes.
    """

    def __init__(self, chunks: Any, coding: Coding) -> None:
        self._chunks = chunks
        self._compressor: Compressor | None = coding.compressor()

    def __aiter__(self) -> CompressedChunks:
        return self

    async def __anext__(self) -> bytes:
        compressor = self._compressor
        if compressor is None:
            raise StopAsyncIteration
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._compressor = None
            return compressor.finish()
        return await _in_pieces(compressor, chunk) if chunk else b""

    async def aclose(self) -> None:
        """Closes `chunks`."""
        await self._chunks.aclose()


async def _in_pieces(compressor: Compressor, chunk: bytes) -> bytes:
    """Returns one chunk, flushed; gives way to the event loop between two pieces of a large one."""
    if len(chunk) <= PIECE:
        return compressor.compress(chunk) + compressor.flush()
    parts = []
    for start in range(0, len(chunk), PIECE):
        parts.append(compressor.compress(chunk[start : start + PIECE]))
        await asyncio.sleep(0)
    return b"".join([*parts, compressor.flush()])


def compressed(chunks: Any, coding: Coding) -> Iterator[bytes]:
    """Yields what `CompressedChunks` does, without an event loop; closes `chunks`, a generator."""
    compressor = coding.compressor()
    with closing(chunks):
        for chunk in chunks:
            yield compressor.compress(chunk) + compressor.flush() if chunk else b""
    yield compressor.finish()
