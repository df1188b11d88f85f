"""`Content`: bytes that come while they are read, and what can be made of them.

What the whole body, a part of a form and a file have in common.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from django.core.files.storage import Storage

from django_streams.exceptions import MalformedBody, StreamError, UnsupportedBody

from .saving import Saved, save

__all__ = ["CHARSETS", "Content"]

# Not all that Python knows: its codecs include compressions and quadratic ones, and it keeps every
# unknown name that it was asked for.
CHARSETS = frozenset(
    [
        *("utf-8", "utf8", "utf-16", "utf-16le", "utf-16be", "us-ascii", "ascii", "latin1"),
        *(f"iso-8859-{number}" for number in range(1, 17) if number != 12),
        *(f"windows-{number}" for number in range(1250, 1259)),
        *("macintosh", "koi8-r", "koi8-u", "shift_jis", "euc-jp", "iso-2022-jp", "euc-kr"),
        *("gbk", "gb2312", "gb18030", "big5"),
    ]
)
"""The charsets that forms are sent in (WHATWG Encoding 4.2), in lower case."""


class Content:
    """An async iterator over bytes, as they come; what was read is not kept."""

    content_type: str
    """The media type, in lower case and without parameters."""
    charset: str = "utf-8"
    """The charset that Content-Type names, in lower case; utf-8 if none is said."""
    size: int | None = None
    """Bytes, where the client has said how many there will be."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        raise NotImplementedError

    async def read(self, max_bytes: int | None = None) -> bytes:
        """Returns all that has not been read yet, of at most `max_bytes` bytes.

        Without a number, of as many as are reasonable to hold. Raises a `StreamError` of status 413
        for more; what was read until then is lost.
        """
        limit = self._max_read() if max_bytes is None else max_bytes
        content = bytearray()
        async for chunk in self:
            if limit is not None and len(content) + len(chunk) > limit:
                raise self._too_large(limit)
            content += chunk
        return bytes(content)

    async def text(self, max_bytes: int | None = None) -> str:
        """Returns what `read` does, decoded by the charset.

        Raises `MalformedBody` for bytes that are not of that charset, `UnsupportedBody` for a
        charset that forms are not sent in.
        """
        if self.charset not in CHARSETS:
            raise UnsupportedBody(f"{self._what()} has a charset that is not supported")
        content = await self.read(max_bytes)
        try:
            return content.decode(self.charset)
        except UnicodeDecodeError as error:
            raise MalformedBody(f"{self._what()} is not valid {self.charset}") from error

    async def save(
        self,
        name: str,
        storage: Storage | None = None,
        *,
        digest: str | None = None,
        max_length: int | None = None,
    ) -> Saved:
        """Saves it in a storage while it arrives, and returns its final name, size and digest.

        `storage` is any Django storage (None: `default_storage`); `digest` the name of a hash, such
        as "sha256". An upload that breaks off leaves no file. The rest is said at `saving.save`.
        """
        size = self._certain_size()
        return await save(
            self, name, storage=storage, digest=digest, max_length=max_length, size=size
        )

    # What messages and limits differ in.

    def _what(self) -> str:
        """Returns what it is, as the messages to a client say it."""
        raise NotImplementedError

    def _certain_size(self) -> int | None:
        """Returns the size, if nobody can have lied about it."""
        return None

    def _max_read(self) -> int | None:
        """Returns how many bytes may be read at once unless the caller says so; None: any."""
        raise NotImplementedError

    def _too_large(self, max_bytes: int) -> StreamError:
        raise NotImplementedError
