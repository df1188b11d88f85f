"""Upload: files that are saved and hashed while they arrive, by a script or by a plain form.

The script sends each file as a body of its own, of which Content-Disposition says the name: then
its progress is the file's, and cancelling one leaves the others alone. The form sends all of them
in one body, as forms do. The view takes both.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from django.core import signing
from django.urls import path, reverse
from django.views.generic import TemplateView

from demo_project.arrivals import arrivals, arriving
from demo_project.uploads import FOLDER, MAX_FILES, delete_surplus, uploads
from django_streams import EventStreamView, UploadView

PROGRAMS = (".bat", ".cmd", ".com", ".exe", ".msi", ".ps1", ".scr")
"""Whoever tries the demo is to get nothing that runs when it is clicked."""

SECONDS_PER_LOOK = 0.25


class Upload(UploadView):
    http_method_names = ["post"]
    max_size = 10**9
    max_parts = MAX_FILES + 1  # And the CSRF token.
    upload_to = FOLDER
    digest = "sha256"

    async def post(self, request):
        with arriving(request.body_stream) as self.arrival:
            return await super().post(request)

    def allow_file(self, file):
        self.arrival.filename = file.filename or ""
        return not self.arrival.filename.lower().endswith(PROGRAMS)

    def file_saved(self, file, name):
        delete_surplus()

    def get_success_url(self):  # For the form; the script asks for JSON.
        saved = [self.to_item(file, saved) for file, saved in self.saved]
        return reverse("upload:page", query={"saved": signing.dumps(saved, compress=True)})


class UploadPage(TemplateView):
    template_name = "demo/upload.html"
    extra_context = {"max_megabytes": Upload.max_size // 10**6, "max_files": MAX_FILES}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(saved=self.saved(), folder=look(), **kwargs)

    def saved(self) -> list[dict[str, Any]]:
        """Returns what the view has saved before it sent a form's browser here.

        That is signed: it is shown as the server's word, so nobody else may make up such a link.
        """
        try:
            return signing.loads(self.request.GET.get("saved", ""))
        except signing.BadSignature:
            return []


class Folder(EventStreamView):
    """What is in the folder, and how many uploads run: now, and each time it has changed."""

    async def stream(self) -> AsyncIterator[dict[str, int]]:
        seen = None
        while True:
            now = await asyncio.to_thread(look)
            if now != seen:
                yield now
            seen = now
            await asyncio.sleep(SECONDS_PER_LOOK)


def look() -> dict[str, int]:
    found = [upload.is_whole for upload in uploads()]
    return {"arriving": len(arrivals), "parts": found.count(False), "files": found.count(True)}


urlpatterns = [
    path("", UploadPage.as_view(), name="page"),
    path("save/", Upload.as_view(), name="save"),
    path("folder/", Folder.as_view(), name="folder"),
]
