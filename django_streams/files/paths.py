"""Opening local files to send them, and no more than is meant to be sent.

Only a regular file is opened. Nothing else is touched: a directory is not listed, and opening a
FIFO or a device alone would already have an effect on whoever is at its other end.

What cannot be sent is a `FileNotFoundError`, for whatever reason: it is what `open()` and storages
raise too, so a view maps one exception to 404 for all files. It is no `StreamError`, because its
message has a path, nor Http404, because not every caller answers a request; and a client does not
learn from it what exists. What is the server's trouble, such as too many open files, is raised as
the `OSError` that it is.

On Windows, device names (`NUL`, `COM1`) and streams (`a.txt::$DATA`) are left to the system.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.utils._os import safe_join

__all__ = ["leads_nowhere", "open_beneath", "open_local"]

# What the path is to blame for, and not the state of the server. EINVAL: characters that the file
# system does not have. EACCES and EPERM: what the server may not read is not for others either.
_ABSENT = frozenset(
    {
        errno.EACCES,
        errno.EINVAL,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EPERM,
    }
)

# Of these, those of which it is certain whoever has raised them.
_NOWHERE = frozenset({errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR})

# Should a FIFO take the place of the file in between, opening it must not wait for a writer.
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
# O_PATH, of Linux, asks for no permission to list the directory.
_DIRECTORY = _NOFOLLOW | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", os.O_RDONLY)


def open_local(path: str | os.PathLike[str]) -> io.FileIO:
    """Opens the file at a path that the developer gives, for reading, without a buffer.

    Raises `FileNotFoundError` for what is no regular file, or may not be read.
    """
    with _as_not_found(path):
        return io.FileIO(path, opener=_open_regular)


def open_beneath(root: str | os.PathLike[str], path: str, *, dot_files: bool = False) -> io.FileIO:
    """Opens the file at the path of a URL under `root`, for reading, without a buffer.

    `path` is as Django has decoded it, once: `%2e` in it is three characters of a name. Each file
    has one path: `..`, `.`, empty names (so `/a`, `a//b`, `a/`), backslashes and NUL are not found.
    Names that begin with a dot are neither, unless `dot_files`; what a symbolic link leads to may
    have such names, as it does in the volumes of Kubernetes.

    Links are followed as long as they stay inside. What is opened is what was checked: the path
    without links is walked from `root` on, from one opened directory to the next, and a link that
    has been put in its place meanwhile is not followed. (Where the system cannot do that, as on
    Windows, whoever may write under `root` can win that race.) The file's `name` is that path.

    Raises `FileNotFoundError` if nothing is there that may be sent, or no `root`;
    `ImproperlyConfigured` if `root` is not absolute: an empty one would serve the source code.
    """
    if not os.path.isabs(root):
        raise ImproperlyConfigured(
            f"The root of files to be sent must be an absolute path, but it is "
            f"{os.fspath(root)!r}. Write for example BASE_DIR / 'media'."
        )
    with _as_not_found(path):
        if not all(_is_name(name, dot_files=dot_files) for name in path.split("/")):
            raise FileNotFoundError(path)
        return _open_inside(root, path)


def leads_nowhere(error: OSError) -> bool:
    """Whether what opened a file itself, such as a storage, has found none: but a directory, a file
    in place of one, or a name that no file has.
    """
    return isinstance(error, FileNotFoundError) or error.errno in _NOWHERE


@contextmanager
def _as_not_found(path: str | os.PathLike[str]) -> Iterator[None]:
    """Makes one exception of all that says that a path leads to no file.

    A `ValueError` is one for a path that the system cannot have: with NUL, with lone surrogates.
    """
    try:
        yield
    except (OSError, ValueError, SuspiciousFileOperation) as error:
        is_absent = not isinstance(error, OSError) or error.errno in _ABSENT
        if not is_absent and not isinstance(error, FileNotFoundError):
            raise
        raise FileNotFoundError(errno.ENOENT, "There is no file to send", path) from error


def _is_name(name: str, *, dot_files: bool) -> bool:
    if name in {"", ".", ".."} or "\\" in name:
        return False
    return dot_files or not name.startswith(".")


def _open_inside(root: str | os.PathLike[str], path: str) -> io.FileIO:
    """Opens what `path` leads to, if that is under `root` when all links are resolved."""
    real_root = os.path.realpath(root, strict=True)
    real = os.path.realpath(safe_join(root, path), strict=True)
    inside = os.path.join(real_root, "")
    if not real.startswith(inside):
        raise FileNotFoundError(path)
    if os.open not in os.supports_dir_fd:
        return io.FileIO(real, opener=_open_regular)
    names = real.removeprefix(inside).split(os.sep)
    return io.FileIO(real, opener=partial(_walk, real_root, names))


def _walk(root: str, names: Sequence[str], _path: str, flags: int) -> int:
    """Opens `names` one in the other, beginning at `root` and following no link."""
    *parents, name = names
    directory = os.open(root, _DIRECTORY)
    try:
        for parent in parents:
            child = os.open(parent, _DIRECTORY, dir_fd=directory)
            os.close(directory)
            directory = child
        return _open_regular(name, flags | _NOFOLLOW, dir_fd=directory)
    finally:
        os.close(directory)


def _open_regular(path: str, flags: int, *, dir_fd: int | None = None) -> int:
    """Opens a regular file; looks before it does, and then at what it has got."""
    _check_regular(os.stat(path, dir_fd=dir_fd))
    descriptor = os.open(path, flags | _NONBLOCK, dir_fd=dir_fd)
    try:
        _check_regular(os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FileNotFoundError(errno.ENOENT, "Not a regular file")
