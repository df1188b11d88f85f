"""`FileStreamView`: downloads, with conditions and ranges."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterable, Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.views import View

from django_streams.files import (
    disposition_header,
    guess_content_type,
    leads_nowhere,
    open_beneath,
)
from django_streams.files.reading import close
from django_streams.formats import BYTES
from django_streams.responses import FileStreamResponse, StreamResponse

from .hooks import waited_for

__all__ = ["FileStreamView"]


class FileStreamView(View):
    """A view that sends a file. A subclass has a `get_file()`, or a `root`:

        class InvoicePDF(LoginRequiredMixin, FileStreamView):
            as_attachment = True

            def get_file(self):
                return get_object_or_404(Invoice, pk=self.kwargs["pk"]).pdf

        path("manuals/<path:path>", FileStreamView.as_view(root=BASE_DIR / "manuals"))

    `get_file()` may return whatever `FileStreamResponse` takes, or what generates bytes, sync or
    async, and is streamed as it does. What is not there is 404.
    """

    http_method_names: list[str] = ["get", "head", "options"]

    root: str | os.PathLike[str] | None = None
    """The folder whose files are sent, by the URL's `path`; it is not left, not by a symbolic link
    either, and nothing in it is listed."""
    shows_dot_files = False
    """Whether files and folders in `root` whose names begin with a dot are sent, too."""
    as_attachment = False
    """Whether a browser is to save the file."""
    filename: str | None = None
    """As what; None: the file's own name."""
    content_type: str | None = None
    """The media type; None: guessed from the file's own name, or from `filename` if it has none."""

    # The hooks, sync or async.

    def get_file(self) -> Any:
        """Returns the file; raises `FileNotFoundError` or `Http404` if there is none."""
        name = type(self).__qualname__
        root = waited_for(self.get_root())
        if root is None:
            raise ImproperlyConfigured(f"{name} has neither a get_file() nor a root to look into.")
        if "path" not in self.kwargs:
            raise ImproperlyConfigured(f"{name} has a root, and its route no <path:path>.")
        dot_files = waited_for(self.get_shows_dot_files())
        return open_beneath(root, self.kwargs["path"], dot_files=dot_files)

    def get_root(self) -> Any:
        """Returns the folder whose files are sent, or None."""
        return self.root

    def get_shows_dot_files(self) -> Any:
        """Returns whether files and folders in it whose names begin with a dot are sent, too."""
        return self.shows_dot_files

    def get_as_attachment(self) -> Any:
        """Returns whether a browser is to save the file."""
        return self.as_attachment

    def get_filename(self) -> Any:
        """Returns as what it is saved, or None."""
        return self.filename

    def get_content_type(self) -> Any:
        """Returns the media type, or None."""
        return self.content_type

    def get_etag(self, file: Any) -> Any:
        """Returns the entity tag of what `get_file()` has returned, where its storage has one.

        None: it is made of size and modification time, if they are known. A web server that sends
        the file itself (X-Accel-Redirect, X-Sendfile) has tags of its own, and this is not used.
        """
        return None

    def get_redirect_url(self, file: Any) -> Any:
        """Returns where a client gets the file instead, or None: for example `file.url`, where a
        storage serves its files itself.
        """
        return None

    # What it does. Always in a thread: opening a file blocks.

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Builds the response."""
        try:
            file = waited_for(self.get_file())
            return self._response(request, file)
        except OSError as error:
            if not leads_nowhere(error):
                raise
            raise Http404("There is no such file.") from error

    def _response(self, request: HttpRequest, file: Any) -> HttpResponseBase:
        if isinstance(file, FieldFile) and not file:  # Its `url` would be a ValueError.
            raise FileNotFoundError(errno.ENOENT, "There is no file in the field")
        try:
            url = waited_for(self.get_redirect_url(file))
            if url is None:
                return self._sent(request, file)
        except BaseException:
            close(file)
            raise
        close(file)  # It may be open, and is sent by somebody else.
        return HttpResponseRedirect(url)

    def _sent(self, request: HttpRequest, file: Any) -> HttpResponseBase:
        filename = waited_for(self.get_filename())
        content_type = waited_for(self.get_content_type())
        as_attachment = waited_for(self.get_as_attachment())
        if not _is_generated(file):
            return FileStreamResponse(
                request,
                file,
                as_attachment=as_attachment,
                filename=filename,
                content_type=content_type,
                etag=waited_for(self.get_etag(file)),
            )
        response = StreamResponse(
            file,
            format=BYTES,
            request=request,
            content_type=content_type or guess_content_type(filename),
            headers={"Accept-Ranges": "none", "X-Content-Type-Options": "nosniff"},
        )
        disposition = disposition_header(filename, as_attachment=as_attachment)
        if disposition is not None:
            response.headers["Content-Disposition"] = disposition
        return response


def _is_generated(file: Any) -> bool:
    """Whether the bytes are made while they are sent, perhaps by way of the database."""
    is_iterator = isinstance(file, Iterator) and not hasattr(file, "read")
    return is_iterator or isinstance(file, AsyncIterable)
