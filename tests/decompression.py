"""What compresses a stream, undone piece by piece, as a client does it that shows what has come."""

import zlib
from importlib import import_module

GZIP = 31  # zlib's largest window, and 16 for gzip's header and trailer.


def decompressor(coding):
    """Returns an object with `decompress(data)` and `eof`: whether the coding has ended."""
    if coding == "gzip":
        return zlib.decompressobj(GZIP)
    return import_module("compression.zstd").ZstdDecompressor()


def decompressed(coding, data):
    """Returns what all of a body says, and whether the coding has ended."""
    decoder = decompressor(coding)
    return decoder.decompress(data), decoder.eof
