"""`UploadView`: saves what comes to a storage, and answers JSON or redirects."""

from __future__ import annotations

import logging
import mimetypes
import posixpath
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.files.storage import FileSystemStorage, Storage, default_storage
from django.http import HttpRequest, HttpResponseRedirect, JsonResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.views import View

from django_streams.body import BodyFile, BodyStream, Part, Saved
from django_streams.body.disposition import parse_disposition
from django_streams.exceptions import BodyTooLarge, MalformedBody, UnsupportedBody
from django_streams.release import let_go

from .body import BodyStreamMixin
from .hooks import asked

__all__ = ["UploadView"]

File = Part | BodyFile

_MAX_NAME, _MAX_SUFFIX = 240, 32
"""Bytes: 255 are what file systems take, and 8 what storages add to a name that is taken."""

logger = logging.getLogger("django_streams")


class UploadView(BodyStreamMixin, View):
    """Saves the files of a form, or a body that is one file, while they arrive:

        class Avatar(LoginRequiredMixin, UploadView):
            max_size = 5 * 2**20
            upload_to = "avatars/"

            def allow_file(self, file):
                return file.content_type in {"image/png", "image/jpeg"}

            def file_saved(self, file, name):
                Profile.objects.filter(user=self.request.user).update(avatar=name)

    POST and PUT do the same. All files of a request are saved, or none: what was saved is deleted
    again if another file, or a hook, fails, or the client leaves before all have come.

    The answer is 201 with JSON, `{"files": [{"field", "filename", "content_type", "name", "size",
    "digest"}]}`; or with a `success_url` a redirect, for a client that likes HTML better, as a form
    without a script does.
    """

    http_method_names: list[str] = ["post", "put", "options"]

    storage: Storage | None = None
    """Any Django storage; None: `default_storage`."""
    upload_to: str = ""
    """The folder in it, which may have the codes of `strftime()`, as a FileField's."""
    digest: str | None = None
    """The name of a hash that is computed on the way, such as "sha256"."""
    success_url: Any = None
    """Where a form's client is sent: what `redirect()` takes. None: it gets JSON as any other."""

    fields: QueryDict
    """The form's other fields that have come so far: those that stand before the file."""
    saved: list[tuple[File, Saved]]
    """The files that have been saved so far, and as what."""

    # The hooks, sync or async.

    def get_storage(self) -> Any:
        """Returns the storage."""
        return default_storage if self.storage is None else self.storage

    def get_digest(self) -> Any:
        """Returns the name of a hash, or None."""
        return self.digest

    def allow_file(self, file: File) -> Any:
        """Returns whether a file is taken, before its content has come; 415 if not.

        `file` has `filename`, `content_type` and perhaps `size`: all of it is what the client says.
        For another answer raise what Django answers so, such as `PermissionDenied`.
        """
        return True

    def get_name(self, file: File) -> Any:
        """Returns the name to save a file as; the storage changes it if it is taken.

        By default the client's, cleaned, in `upload_to`. A storage that shows a file only when it
        is whole cannot see that a name is about to be taken: there the name gets a random end.
        """
        name = file.filename or f"upload{mimetypes.guess_extension(file.content_type) or ''}"
        name = _with_room(name)
        if not isinstance(self._storage, FileSystemStorage):
            name = self._storage.get_alternative_name(*posixpath.splitext(name))
        return posixpath.join(datetime.now().strftime(self.upload_to), name)

    def file_saved(self, file: File, name: str) -> Any:
        """Is told of each file when all have been saved, under the name that the storage chose."""

    def get_success_url(self) -> Any:
        """Returns where a form's client is sent, or None."""
        return self.success_url

    def to_item(self, file: File, saved: Saved) -> Any:
        """Returns what the answer says of a file."""
        return {
            "field": file.name if isinstance(file, Part) else None,
            "filename": file.filename,
            "content_type": file.content_type,
            "name": saved.name,
            "size": saved.size,
            "digest": saved.digest,
        }

    # What it does.

    async def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Saves what comes."""
        self.fields, self.saved = QueryDict(mutable=True), []
        self._kept = 0
        self._storage: Any = await asked(self.get_storage)
        self._digest = await asked(self.get_digest)
        await let_go()  # Of what the hooks have used.
        try:
            async for file in self._files(request.body_stream):  # type: ignore[attr-defined]
                self.saved.append((file, await self._save(file)))
            self._refuse_nothing()
        except BaseException:
            await self._delete_saved()
            raise
        return await self._finished()

    async def put(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Does what `post` does, and what a subclass has made of it."""
        response: HttpResponseBase = await asked(self.post, request, *args, **kwargs)
        return response

    async def _finished(self) -> HttpResponseBase:
        """Tells the hooks and answers. Who leaves now undoes nothing: hooks have acted by then."""
        try:
            for file, saved in self.saved:
                await asked(self.file_saved, file, saved.name)
            return await self._answer()
        except Exception:
            await self._delete_saved()
            raise

    async def _files(self, body: BodyStream) -> AsyncIterator[File]:
        """Yields the files as they begin; keeps the fields."""
        if body.content_type == "application/x-www-form-urlencoded":
            raise UnsupportedBody(
                'a form without enctype="multipart/form-data" has no files',
                accept="multipart/form-data",
            )
        if body.content_type != "multipart/form-data":
            yield body.file()
            return
        async for part in body.parts():
            if part.is_file:
                if _is_chosen(part):
                    yield part
            else:
                self._keep(part.name, await part.text())

    def _keep(self, name: str, value: str) -> None:
        """Keeps a field; all of them together take no more memory than Django allows for them."""
        self.fields.appendlist(name, value)
        limit: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        self._kept += len(name) + len(value)
        if limit is not None and self._kept > limit:
            raise BodyTooLarge(f"the fields of the form have more than the {limit} bytes allowed")

    async def _save(self, file: File) -> Saved:
        if not await asked(self.allow_file, file):
            raise UnsupportedBody(
                f"the file {file.filename!r} of type {file.content_type[:100]} is not allowed here"
            )
        name = await asked(self.get_name, file)
        await let_go()
        return await file.save(name, self._storage, digest=self._digest)

    def _refuse_nothing(self) -> None:
        """Raises `MalformedBody` for a form without a file, and for no body at all."""
        if not any(file.filename or saved.size for file, saved in self.saved):
            raise MalformedBody("the request has no file")

    async def _answer(self) -> HttpResponseBase:
        url = await asked(self.get_success_url)
        types = ["application/json", "text/html"]
        if url is not None and self.request.get_preferred_type(types) == "text/html":
            return HttpResponseRedirect(await sync_to_async(resolve_url)(url))
        files = [await asked(self.to_item, file, saved) for file, saved in self.saved]
        return JsonResponse({"files": files}, status=201)

    async def _delete_saved(self) -> None:
        for _, saved in self.saved:
            try:
                await sync_to_async(self._storage.delete)(saved.name)
            except Exception:
                logger.exception("What is left of an upload, %r, was not deleted.", saved.name)
        self.saved.clear()


def _is_chosen(part: Part) -> bool:
    """Whether it is a file at all: browsers send one without a name where none was chosen."""
    disposition = part.headers.get("Content-Disposition", "")
    return bool(part.filename or parse_disposition(disposition).filename)


def _with_room(name: str) -> str:
    """Returns a file's name, cut where a random end would make it too long for file systems."""
    stem, suffix = posixpath.splitext(name)
    if len(suffix.encode()) > _MAX_SUFFIX:
        stem, suffix = name, ""
    room = _MAX_NAME - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix
